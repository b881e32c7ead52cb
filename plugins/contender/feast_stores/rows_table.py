"""Write an Arrow table into the online store, whichever it is, without a protobuf for each value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import repeat
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from contender.adapters.online_rows import is_redis
from contender.core.errors import DataError
from contender.feast_stores import redis_writer, sqlite_writer
from contender.feast_stores.rows_writer import RowsWriter, StoredRow, View
from contender.feast_stores.sources import to_micros

_encode_json = msgspec.json.Encoder().encode
_encode_payload = msgspec.msgpack.Encoder().encode


def writing(address: str, timeout_s: float) -> AbstractContextManager[RowsWriter]:
    """A writer of the store at an address, as `contender.adapters.online_rows.open_rows` takes it.

    Raises:
        OnlineStoreUnreachable: The store cannot be written, or does not answer within `timeout_s`.
    """
    return redis_writer.writing(address, timeout_s) if is_redis(address) else sqlite_writer.writing(address, timeout_s)


def write_rows(
    address: str,
    view: str,
    table: pa.Table,
    *,
    project: str,
    join_keys: Sequence[str],
    features: Sequence[str],
    event_column: str,
    created_column: str | None = None,
    timeout_s: float = 30.0,
) -> int:
    """Declare a view and write an Arrow table of its rows.

    Args:
        address: The store's file, made if it is not there, or Redis URL.
        view: The feature view.
        table: One row for each entity row: `join_keys` (text or whole numbers, no nulls), `features`, and the time
            columns. NaN counts as missing, as it does in Feast.
        project: The Feast project.
        join_keys: The view's join key columns.
        features: The feature columns to store.
        event_column: Event time.
        created_column: Created time, if there is one.
        timeout_s: How long to wait for another writer or an answer, in seconds.

    Returns:
        The number of rows that are now in the store; the others were older than what is there.

    Raises:
        DataError: A row has no event time or no key, and could never be read.
        OnlineStoreUnreachable: The store cannot be written.
    """
    rows = stored_rows(table, view, join_keys, features, [event_column, created_column])
    declared = View.of(project, view, join_keys)
    with writing(address, timeout_s) as writer:
        writer.declare_view(declared)
        return writer.upsert(declared, rows)


def stored_rows(
    table: pa.Table, view: str, join_keys: Sequence[str], features: Sequence[str], times: Sequence[str | None]
) -> list[StoredRow]:
    """The rows as they are stored."""
    event_column, created_column = times
    for name in (*join_keys, event_column):
        if table[name].null_count:
            raise DataError(
                f"{table[name].null_count} rows of feature view {view} have no {name} and could never be read",
                where=f"column {name}",
                expected="a value in every row",
                next_step="drop or repair these rows in the feature table",
            )
    events = to_micros(table[event_column], view, str(event_column)).to_pylist()
    created: Iterable[int | None] = repeat(None)
    if created_column:
        created = to_micros(table[created_column], view, created_column).to_pylist()
    columns = [_plain_values(table[name]) for name in features]
    names = list(features)
    values: Iterable[tuple[Any, ...]] = zip(*columns, strict=True) if columns else repeat(())
    payloads = (_encode_payload(dict(zip(names, row, strict=True))) for row in values)
    return list(zip(entity_keys(table, join_keys), events, created, payloads, strict=False))


def entity_keys(table: pa.Table, join_keys: Sequence[str]) -> list[str]:
    """`encode_key` for every row of a table."""
    ordered = [table[name].to_pylist() for name in sorted(join_keys)]
    if not ordered:
        return ["[]"] * table.num_rows
    return [_encode_json(row).decode() for row in zip(*ordered, strict=True)]


def _plain_values(column: pa.ChunkedArray) -> list[Any]:
    """The column as Python values that msgpack can hold; NaN becomes None, a timestamp is of UTC."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.timestamp("us", "UTC"))
    return list(column.to_pylist())
