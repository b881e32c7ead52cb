"""A Feast offline store whose point-in-time joins are ASOF joins over Delta Lake and Parquet.

```yaml
offline_store:
    type: contender.feast_stores.asof.AsofOfflineStore
```

What it answers is what Feast's SQL stores answer (the template of its Postgres store, its DuckDB store):

- A feature row counts for an entity row from its event time on, while event time + ttl >= the entity row's time:
  both ends are included, and a ttl of zero is no limit.
- Of the rows that count the newest event time wins, and of equal event times the newest created time.
- `filter_by_created_timestamp=True`: a row counts only once it was created, too, and never if its created time is
  null. Views without a created column are unaffected. Without the flag a later correction of an old row is seen by
  entity rows from before the correction: that is Feast's default, and a leak where corrections happen.

Where Feast's own embedded stores are silently wrong it does otherwise: equal entity rows are each kept, in the
frame's order and with its index; rows a Delta table no longer has are not read; a projection that renames one of
two join keys still joins on both; nulls among join keys match nothing; rows equal in key, event and created time
are decided by their values, not by chance; and a join that loses or multiplies rows is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.data_source import DataSource
from feast.errors import FeastJoinKeysDuringMaterialization
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field

from contender.core.errors import ContenderError, DataError
from contender.feast_stores import entity_frame
from contender.feast_stores.asof_join import (
    AT,
    CREATED,
    EVENT,
    NO_ROW,
    Rows,
    align_keys,
    latest_rows,
    match_rows,
)
from contender.feast_stores.jobs import ArrowRetrievalJob
from contender.feast_stores.logged_features import write_logged
from contender.feast_stores.plans import ViewPlan, plan_views
from contender.feast_stores.sources import OpenedTable, append, file_source, open_table, to_micros


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """The store's section of `feature_store.yaml`."""

    type: Literal["contender.feast_stores.asof.AsofOfflineStore"] = "contender.feast_stores.asof.AsofOfflineStore"
    delta_versions: dict[str, int] = Field(default_factory=dict)
    """Versions to read of Delta tables, by the path of their source; the others are read at their newest."""


class AsofOfflineStore(OfflineStore):
    """Point-in-time joins in time that does not grow with the history of a key."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> ArrowRetrievalJob:
        """Join the features in force at each entity row's time; see the module for what that means.

        Without `entity_df` the entity rows are the history itself: every (keys, event time) the views have from
        `start_date` to `end_date`, both included.

        Raises:
            DataError: The frame, a table or a column cannot be used.
            RowsNotConserved: The result would not have the entity frame's rows (raised when the job runs).
        """
        plans = plan_views(
            feature_views,
            feature_refs,
            repo_path=config.repo_path,
            full_feature_names=full_feature_names,
            versions=config.offline_store.delta_versions,
        )
        if entity_df is None:
            entities = entity_frame.from_history(plans, start_date, end_date)
        else:
            entities = entity_frame.from_pandas(entity_df, plans)
        earliest, latest = entities.span
        return ArrowRetrievalJob(
            lambda: _with_features(entities, plans, known_at=filter_by_created_timestamp),
            repo_path=config.repo_path,
            tables_read={plan.table.where: plan.table.version for plan in plans},
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in entities.table.column_names if name != entities.time_column],
                min_event_timestamp=earliest,
                max_event_timestamp=latest,
            ),
            index=entities.index,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> ArrowRetrievalJob:
        """The newest row of each key with `start_date` <= event time <= `end_date`, by event then created time."""
        table = _open(config, data_source)
        times = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]

        def compute() -> pa.Table:
            rows = _pull(
                table,
                keys=join_key_columns,
                features=feature_name_columns,
                times=times,
                start=start_date,
                end=end_date,
            )
            history = _history(rows, table.where, join_key_columns, times, rows.column_names)
            keys = [f"k{i}" for i in range(len(join_key_columns))]
            return _with_dummy(rows.take(pa.array(latest_rows(history, keys=keys))), join_key_columns)

        return ArrowRetrievalJob(compute, repo_path=config.repo_path, tables_read={table.where: table.version})

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> ArrowRetrievalJob:
        """Every row with `start_date` <= event time <= `end_date`; no feature columns named means all columns."""
        table = _open(config, data_source)
        times = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]

        def compute() -> pa.Table:
            return _pull(
                table,
                keys=join_key_columns,
                features=feature_name_columns or table.columns,
                times=times,
                start=start_date,
                end=end_date,
            )

        return ArrowRetrievalJob(compute, repo_path=config.repo_path, tables_read={table.where: table.version})

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append rows to the view's table; the columns must be the table's, in its order.

        Raises:
            ValueError: Other columns (what Feast's own stores raise).
        """
        opened = open_table(feature_view.batch_source, config.repo_path, f"feature view {feature_view.name}")
        if table.column_names != opened.columns:
            raise ValueError(
                f"feature view {feature_view.name}: the rows to write have the columns {table.column_names}, "
                f"its table {opened.where} has {opened.columns}, in this order"
            )
        target = file_source(feature_view.batch_source, feature_view.name)
        append(table.cast(opened.dataset.schema), target, config.repo_path)
        if progress:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Append logged features, a table or a folder of Parquet, to the logging destination's folder."""
        rows = pq.read_table(data) if isinstance(data, Path) else data
        write_logged(rows, logging_config.destination, config.repo_path)

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Check the time columns of a table that exists; one still to be built is left to the first retrieval."""
        try:
            table = _open(config, data_source)
        except DataError:
            data_source.validate(config=config)
            return
        mapped = {new: old for old, new in (data_source.field_mapping or {}).items() if old in table.columns}
        wanted = [data_source.timestamp_field, data_source.created_timestamp_column]
        table.require([mapped.get(name, name) for name in wanted if name], f"data source {data_source.name}")

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """The table's columns and their Arrow types, as text."""
        return [(field.name, str(field.type)) for field in _open(config, data_source).dataset.schema]


def _open(config: RepoConfig, source: DataSource) -> OpenedTable:
    declared = file_source(source, f"data source {source.name}")
    version = config.offline_store.delta_versions.get(declared.path)
    return open_table(declared, config.repo_path, f"data source {source.name}", version)


def _pull(
    table: OpenedTable,
    *,
    keys: list[str],
    features: list[str],
    times: list[str],
    start: datetime | None,
    end: datetime | None,
) -> pa.Table:
    if not set(keys) <= set(table.columns):
        raise FeastJoinKeysDuringMaterialization(table.where, set(keys), set(table.columns))
    columns = [*keys, *features, *times]
    table.require(columns, "the load")
    return table.read(columns, time_column=times[0], start=start, end=end)


def _with_dummy(rows: pa.Table, keys: list[str]) -> pa.Table:
    """A view without entities is keyed by a constant, which Feast expects the load to bring along."""
    if keys:
        return rows
    return rows.append_column(DUMMY_ENTITY_ID, pa.array([DUMMY_ENTITY_VAL] * rows.num_rows, type=pa.string()))


def _history(rows: pa.Table, where: str, keys: list[str], times: list[str], values: Iterable[str]) -> pa.Table:
    """The rows under the join's own names: k0…, event and created in microseconds, v0… for the values."""
    columns = {f"k{i}": rows[key] for i, key in enumerate(keys)}
    for name, column in zip((EVENT, CREATED), times, strict=False):
        columns[name] = to_micros(rows[column], where, column)
    others = [name for name in values if name not in {*keys, *times}]
    return pa.table(columns | {f"v{i}": rows[name] for i, name in enumerate(others)})


def _with_features(entities: entity_frame.EntityFrame, plans: list[ViewPlan], *, known_at: bool) -> pa.Table:
    result = entities.table
    for plan in plans:
        rows, picks = _in_force(entities, plan, known_at=known_at)
        numbers = pa.array(picks, mask=picks == NO_ROW)
        for output, column in plan.features:
            result = result.append_column(output, rows[column].combine_chunks().take(numbers))
    return result


def _in_force(entities: entity_frame.EntityFrame, plan: ViewPlan, *, known_at: bool) -> tuple[pa.Table, Rows]:
    """The view's rows that can matter, and for each entity row the number of the one in force."""
    earliest, latest = entities.span
    start = None
    if earliest is not None and plan.ttl_us is not None:
        # No entity row can use an older row; near the beginning of time there is no such limit.
        start = _minus(earliest, plan.ttl_us)
    # The tables may hold finer times than the join's microseconds: read one more, and let the join decide.
    until = latest if latest is None else _minus(latest, -1)
    rows = plan.table.read(plan.table_columns, time_column=plan.event, start=start, end=until)
    values = list(dict.fromkeys(column for _, column in plan.features))
    history = _history(rows, plan.table.where, [key for _, key in plan.keys], plan.times, values)
    left = {AT: entities.at}
    for i, (entity_column, _) in enumerate(plan.keys):
        left[f"k{i}"], right = align_keys(
            entities.table[entity_column], history[f"k{i}"], entity_column=entity_column, view=plan.view
        )
        history = history.set_column(history.column_names.index(f"k{i}"), f"k{i}", right)
    try:
        picks = match_rows(
            pa.table(left),
            history,
            keys=[f"k{i}" for i in range(len(plan.keys))],
            ttl_us=plan.ttl_us,
            known_at=known_at,
        )
    except ContenderError as error:
        error.add_note(f"feature view {plan.view}, table {plan.table.where}")
        raise
    return rows, picks


def _minus(at: datetime, micros: int) -> datetime | None:
    try:
        return at.astimezone(UTC) - timedelta(microseconds=micros)
    except OverflowError:
        return None
