"""An online store that says it took every row and keeps all but the first."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
from feast.feature_view import FeatureView
from feast.repo_config import RepoConfig

from contender.feast_stores.sqlite_rows import SqliteRowsOnlineStore, SqliteRowsOnlineStoreConfig

NAME = "tests.unit.adapters.lossy_store.LossyOnlineStore"


class LossyOnlineStoreConfig(SqliteRowsOnlineStoreConfig):
    type: Literal["tests.unit.adapters.lossy_store.LossyOnlineStore"] = NAME  # type: ignore[assignment]


class LossyOnlineStore(SqliteRowsOnlineStore):
    def write_table(self, config: RepoConfig, view: FeatureView, table: pa.Table) -> int:
        super().write_table(config, view, table.slice(1))
        return int(table.num_rows)
