"""A Feast online store of one wide row for each feature view and entity, in one SQLite file.

```yaml
online_store:
    type: contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore
    path: online.db
```

Feast's own SQLite store keeps a row for each feature value, and lets a late write of an old value replace a newer
one. This one keeps a row for each entity (see `contender.adapters.online_rows` for the form, and for the reader that
needs no Feast) and never goes back in time. Feast gives a read no prediction time, so a time to live cannot be
enforced here: the event time is stored, and `online_rows.is_known` is for the reader to apply.

A store written by `RowsComputeEngine` skips Feast's conversion of every value to protobuf, which is most of the cost
of a load.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
from feast import Entity
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp
from pydantic import StrictStr

from contender.adapters.online_rows import EPOCH, VIEWS_TABLE, OnlineRows, Row, encode_key
from contender.core.errors import DataError
from contender.feast_stores import rows_table

_MICROSECOND = timedelta(microseconds=1)
_PLAIN_TYPES = {
    Int32: pa.int32(),
    Int64: pa.int64(),
    Float32: pa.float32(),
    Float64: pa.float64(),
    String: pa.string(),
    Bool: pa.bool_(),
    Bytes: pa.binary(),
    UnixTimestamp: pa.timestamp("us", "UTC"),
}
_encode_payload = msgspec.msgpack.Encoder().encode


class SqliteRowsOnlineStoreConfig(FeastConfigBaseModel):
    """The store's section of `feature_store.yaml`."""

    type: Literal["contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore"] = (
        "contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore"
    )
    path: StrictStr = "data/online.db"
    """The SQLite file; a relative path counts from the feature repository."""
    timeout_s: float = 30.0
    """How long a write or a read may wait for a lock, in seconds."""


class SqliteRowsOnlineStore(OnlineStore):
    """One wide row for each entity; older values never replace newer ones."""

    def __init__(self) -> None:
        self._reader: OnlineRows | None = None

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKeyProto, dict[str, ValueProto], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write a batch, all of it or nothing; times without a zone are UTC."""
        rows = [
            (
                encode_key(_join_keys(key)),
                _micros(event),
                None if created is None else _micros(created),
                _encode_payload({name: _python_value(value) for name, value in values.items()}),
            )
            for key, values, event, created in data
        ]
        with rows_table.writing(_path(config), config.online_store.timeout_s) as connection:
            rows_table.declare_view(connection, config.project, table.name, join_key_names(table))
            rows_table.upsert(connection, table.name, rows)
        if progress:
            progress(len(rows))

    def write_table(self, config: RepoConfig, view: FeatureView, table: pa.Table) -> int:
        """Write an Arrow table of a view's rows, each column in the type the view declares for it.

        Args:
            config: The feature store's configuration.
            view: The view; its features, join keys and time columns are columns of the table.
            table: The rows, under the names of the view (field mapping already applied).

        Returns:
            The number of rows now in the store; the others were older than what is there.

        Raises:
            DataError: A value does not fit its declared type, or a row has no key or event time.
        """
        source = view.batch_source
        return rows_table.write_rows(
            _path(config),
            view.name,
            _as_declared(table, view),
            project=config.project,
            join_keys=join_key_names(view),
            features=[field.name for field in view.features],
            event_column=source.timestamp_field,
            created_column=source.created_timestamp_column or None,
            timeout_s=config.online_store.timeout_s,
        )

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKeyProto],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, ValueProto] | None]]:
        """Event time and values of each entity, in order; (None, None) where the store has none."""
        requests = [(table.name, _join_keys(key)) for key in entity_keys]
        rows = self._rows(config).read_many(requests)
        wanted = requested_features or [field.name for field in table.features]
        types = {field.name: field.dtype.to_value_type() for field in table.features}
        found = [row for row in rows if row is not None]
        columns = {
            name: python_values_to_proto_values([row.values.get(name) for row in found], types[name])
            for name in wanted
            if name in types
        }
        protos = iter(range(len(found)))
        return [(None, None) if row is None else _answer(row, next(protos), columns) for row in rows]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Make the tables of the views that stay and remove those of the views that go."""
        with rows_table.writing(_path(config), config.online_store.timeout_s) as connection:
            for view in tables_to_delete:
                rows_table.drop_view(connection, view.name)
            for view in tables_to_keep:
                rows_table.declare_view(connection, config.project, view.name, join_key_names(view))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove all of the project's views, and the file once no view is left in it.

        Feast's `tables` leave out views that are not plain feature views, so they are not gone by.
        """
        path = Path(_path(config))
        if not path.exists():
            return
        with rows_table.writing(str(path), config.online_store.timeout_s) as connection:
            for view in rows_table.views_of(connection, config.project):
                rows_table.drop_view(connection, view)
        if self._reader is not None:
            self._reader.close()
        with closing(sqlite3.connect(path)) as connection:
            left = connection.execute(f"SELECT count(*) FROM {VIEWS_TABLE}").fetchone()[0]  # noqa: S608
        if not left:
            for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
                file.unlink(missing_ok=True)

    def _rows(self, config: RepoConfig) -> OnlineRows:
        path = _path(config)
        if self._reader is None or self._reader.path != path:
            self._reader = OnlineRows(path, config.online_store.timeout_s)
        return self._reader


def join_key_names(view: FeatureView) -> list[str]:
    """The view's join keys; none for a view without entities."""
    return [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]


def _path(config: RepoConfig) -> str:
    path = Path(config.online_store.path)
    return str(path if path.is_absolute() or not config.repo_path else Path(config.repo_path) / path)


def _join_keys(key: EntityKeyProto) -> dict[str, Any]:
    return {
        name: feast_value_type_to_python_type(value)
        for name, value in zip(key.join_keys, key.entity_values, strict=True)
        if name != DUMMY_ENTITY_ID
    }


def _python_value(value: ValueProto) -> Any:
    """A protobuf value as msgpack holds it; NaN is missing, as in Feast's own conversion from frames."""
    plain = feast_value_type_to_python_type(value)
    if isinstance(plain, float) and plain != plain:  # noqa: PLR0124 - the test for NaN
        return None
    return list(plain) if isinstance(plain, set | frozenset) else plain


def _answer(row: Row, number: int, columns: dict[str, list[ValueProto]]) -> tuple[datetime, dict[str, ValueProto]]:
    return row.event_time, {name: values[number] for name, values in columns.items()}


def _micros(at: datetime) -> int:
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return (aware - EPOCH) // _MICROSECOND


def declared_type(kind: Any) -> pa.DataType | None:
    """The Arrow type of a Feast type, or None where Feast's own conversion does more than hold the value."""
    if isinstance(kind, Array):
        element = _PLAIN_TYPES.get(kind.base_type)
        return None if element is None else pa.list_(element)
    return _PLAIN_TYPES.get(kind)


def _as_declared(table: pa.Table, view: FeatureView) -> pa.Table:
    """The table with each feature and key in its declared type; a value that does not fit is an error."""
    for field in fields(view):
        # A type that is not plain stays as it is read; `RowsComputeEngine` brings none of these here.
        column, declared = table[field.name], declared_type(field.dtype) or table[field.name].type
        try:
            table = table.set_column(table.column_names.index(field.name), field.name, column.cast(declared))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"column {field.name} does not fit its declaration",
                where=f"feature view {view.name}",
                expected=str(field.dtype),
                got=f"{column.type}: {error}",
                next_step="correct the schema of the feature view or the feature table",
            ) from error
    return table


def fields(view: FeatureView) -> list[Any]:
    """The view's features and join keys."""
    return [*view.features, *(column for column in view.entity_columns if column.name != DUMMY_ENTITY_ID)]
