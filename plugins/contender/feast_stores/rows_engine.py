"""A Feast compute engine that loads the online store from Arrow, past a protobuf for every value.

```yaml
batch_engine:
    type: contender.feast_stores.rows_engine.RowsComputeEngine
```

`feast materialize`, `FeatureStore.materialize` and `materialize_incremental` use it through Feast's documented
compute engine. It takes over where an online store of ours is configured and the view is plain; a view with a
transformation, an aggregation or a type beyond the plain ones (JSON, maps, …), or one that also writes to the offline
store, goes the way of Feast's local engine.
"""

from __future__ import annotations

from typing import Any, Literal

from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.compute_engines.local.feature_builder import LocalFeatureBuilder
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from contender.feast_stores.rows_store import RowsOnlineStore, declared_type, fields


class RowsComputeEngineConfig(FeastConfigBaseModel):
    """The engine's section of `feature_store.yaml`."""

    type: Literal["contender.feast_stores.rows_engine.RowsComputeEngine"] = (
        "contender.feast_stores.rows_engine.RowsComputeEngine"
    )


class RowsComputeEngine(LocalComputeEngine):
    """Loads plain feature views straight into a `RowsOnlineStore`."""

    def _materialize_one(
        self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any
    ) -> LocalMaterializationJob:
        view = task.feature_view
        if not isinstance(self.online_store, RowsOnlineStore) or not _is_plain(view):
            return super()._materialize_one(registry, task, **kwargs)
        backend = self._get_backend(self.get_execution_context(registry, task))
        columns = LocalFeatureBuilder(registry, task, backend).get_column_info(view)
        rows = self.offline_store.pull_latest_from_table_or_query(
            config=self.repo_config,
            data_source=view.batch_source,
            join_key_columns=columns.join_keys,
            feature_name_columns=columns.feature_cols,
            timestamp_field=columns.ts_col,
            created_timestamp_column=columns.created_ts_col,
            start_date=task.start_time,
            end_date=task.end_time,
        ).to_arrow()
        mapping = columns.field_mapping or {}
        rows = rows.rename_columns([mapping.get(name, name) for name in rows.column_names])
        self.online_store.write_table(self.repo_config, view, rows)
        return LocalMaterializationJob(
            job_id=f"{view.name}-{task.start_time}-{task.end_time}", status=MaterializationJobStatus.SUCCEEDED
        )


def _is_plain(view: Any) -> bool:
    """Whether the view's table already holds what the online store is to hold, and is written nowhere else."""
    computed = getattr(view, "feature_transformation", None) or getattr(view, "aggregations", None)
    if not view.online or view.offline or computed or view.source_views:
        return False
    return all(declared_type(field.dtype) is not None for field in fields(view))
