"""A Feast online store of one wide row for each feature view and entity, wherever the rows are kept.

Feast's own stores keep a value for each feature in protobuf, and let a late write of an old value replace a newer one.
Ours keep a row for each entity (see `contender.adapters.online_rows`, which reads them without Feast) and never go back
in time. Feast gives a read no prediction time, so a time to live cannot be enforced here: the event time is stored, and
`online_rows.is_known` is for the reader to apply.

A store written by `RowsComputeEngine` skips Feast's conversion of every value to protobuf, which is most of the cost
of a load.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
from feast import Entity
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import RepoConfig
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

from contender.adapters.online_rows import EPOCH, Row, RowsReader, encode_key, open_rows
from contender.core.errors import DataError
from contender.feast_stores import rows_table
from contender.feast_stores.rows_writer import RowsWriter, View

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


class RowsOnlineStore(OnlineStore, ABC):
    """One wide row for each entity; older values never replace newer ones.

    A store is found by its address alone, and its configuration has a `timeout_s`.
    """

    def __init__(self) -> None:
        self._reader: tuple[str, RowsReader] | None = None

    @abstractmethod
    def address(self, config: RepoConfig) -> str:
        """Where the rows are: what `open_rows` and `rows_table.writing` take."""

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKeyProto, dict[str, ValueProto], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write a batch; times without a zone are UTC."""
        rows = [
            (
                encode_key(_join_keys(key)),
                _micros(event),
                None if created is None else _micros(created),
                _encode_payload({name: _python_value(value) for name, value in values.items()}),
            )
            for key, values, event, created in data
        ]
        view = _view(config, table)
        with self._writing(config) as writer:
            writer.declare_view(view)
            writer.upsert(view, rows)
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
            self.address(config),
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
        """Declare the views that stay and remove those that go."""
        with self._writing(config) as writer:
            for view in tables_to_delete:
                writer.drop_view(view.name)
            for view in tables_to_keep:
                writer.declare_view(_view(config, view))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove all of the project's views.

        Feast's `tables` leave out views that are not plain feature views, so they are not gone by.
        """
        with self._writing(config) as writer:
            for name in writer.views_of(config.project):
                writer.drop_view(name)
        if self._reader is not None:
            self._reader[1].close()

    def _writing(self, config: RepoConfig) -> AbstractContextManager[RowsWriter]:
        return rows_table.writing(self.address(config), config.online_store.timeout_s)

    def _rows(self, config: RepoConfig) -> RowsReader:
        address = self.address(config)
        if self._reader is None or self._reader[0] != address:
            self._reader = address, open_rows(address, config.online_store.timeout_s)
        return self._reader[1]


def join_key_names(view: FeatureView) -> list[str]:
    """The view's join keys; none for a view without entities."""
    return [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]


def _view(config: RepoConfig, view: FeatureView) -> View:
    return View.of(config.project, view.name, join_key_names(view))


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
