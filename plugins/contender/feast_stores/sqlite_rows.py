"""The online store of the embedded platform: one SQLite file.

```yaml
online_store:
    type: contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore
    path: online.db
```

A write is one transaction: readers see all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from feast import Entity
from feast.feature_view import FeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import StrictStr

from contender.feast_stores.rows_store import RowsOnlineStore
from contender.feast_stores.sqlite_writer import remove_if_empty


class SqliteRowsOnlineStoreConfig(FeastConfigBaseModel):
    """The store's section of `feature_store.yaml`."""

    type: Literal["contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore"] = (
        "contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore"
    )
    path: StrictStr = "data/online.db"
    """The SQLite file; a relative path counts from the feature repository."""
    timeout_s: float = 30.0
    """How long a write or a read may wait for a lock, in seconds."""


class SqliteRowsOnlineStore(RowsOnlineStore):
    """Rows in one SQLite file."""

    def address(self, config: RepoConfig) -> str:
        """The file's path."""
        path = Path(config.online_store.path)
        return str(path if path.is_absolute() or not config.repo_path else Path(config.repo_path) / path)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove all of the project's views, and the file once no view is left in it."""
        path = Path(self.address(config))
        if path.exists():
            super().teardown(config, tables, entities)
            remove_if_empty(path)
