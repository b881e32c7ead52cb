"""Feast's documented extension points, filled: an offline store, an online store and a compute engine.

Named in `feature_store.yaml`, never imported by the platform:

```yaml
offline_store: {type: contender.feast_stores.asof.AsofOfflineStore}
online_store: {type: contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore, path: online.db}
              # or {type: contender.feast_stores.redis_rows.RedisRowsOnlineStore, connection_string: "redis://…"}
batch_engine: {type: contender.feast_stores.rows_engine.RowsComputeEngine}
```
"""
