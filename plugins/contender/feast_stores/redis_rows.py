"""The online store of the composable stack: Redis.

```yaml
online_store:
    type: contender.feast_stores.redis_rows.RedisRowsOnlineStore
    connection_string: redis://default:password@redis:6379/0
```

A write is seen batch by batch (see `redis_writer`); Redis must not evict keys (`maxmemory-policy noeviction`), since a
whole view is one key.
"""

from __future__ import annotations

from typing import Literal

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import StrictStr

from contender.feast_stores.rows_store import RowsOnlineStore


class RedisRowsOnlineStoreConfig(FeastConfigBaseModel):
    """The store's section of `feature_store.yaml`."""

    type: Literal["contender.feast_stores.redis_rows.RedisRowsOnlineStore"] = (
        "contender.feast_stores.redis_rows.RedisRowsOnlineStore"
    )
    connection_string: StrictStr = "redis://localhost:6379/0"
    """`redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS; user and password percent-encoded."""
    timeout_s: float = 30.0
    """How long a connection, and each answer, may take, in seconds."""


class RedisRowsOnlineStore(RowsOnlineStore):
    """Rows in one Redis server."""

    def address(self, config: RepoConfig) -> str:
        """The server's URL."""
        return str(config.online_store.connection_string)
