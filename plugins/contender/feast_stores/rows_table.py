"""Write the online store's file; `contender.adapters.online_rows` describes its form and reads it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from contender.adapters.online_rows import VIEWS_TABLE, rows_table
from contender.core.errors import DataError, OnlineStoreUnreachable
from contender.feast_stores.sources import to_micros

StoredRow = tuple[str, int, int | None, bytes]

_encode_json = msgspec.json.Encoder().encode
_encode_payload = msgspec.msgpack.Encoder().encode

# An older value never replaces a newer one, whatever the order of writing; of one event time the later creation
# wins, and an equal row is written again, so that a repeated load has the same end.
_UPSERT = """
INSERT INTO {table} AS old (entity_key, event_ts, created_ts, payload) VALUES (?, ?, ?, ?)
ON CONFLICT (entity_key) DO UPDATE SET
    event_ts = excluded.event_ts, created_ts = excluded.created_ts, payload = excluded.payload
WHERE excluded.event_ts > old.event_ts
   OR (excluded.event_ts = old.event_ts
       AND (old.created_ts IS NULL OR excluded.created_ts >= old.created_ts))
"""


@contextmanager
def writing(path: str, timeout_s: float) -> Iterator[sqlite3.Connection]:
    """One write transaction: all of it or nothing is seen by readers.

    The rollback journal, not WAL: a reader of a WAL file must write beside it, which a container with the file mounted
    read-only, as another user, cannot. Readers wait for the milliseconds of a commit instead.

    Raises:
        OnlineStoreUnreachable: The file cannot be written, is locked past the time-out, or is no SQLite file.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=timeout_s, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            # A transaction that outgrows the page cache would otherwise lock readers out long before its commit.
            connection.execute("PRAGMA cache_spill = OFF")
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {VIEWS_TABLE} "
                    "(view TEXT PRIMARY KEY, project TEXT NOT NULL, join_keys TEXT NOT NULL)"
                )
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise OnlineStoreUnreachable(
            "the online store cannot be written",
            where=path,
            expected=f"a lock within {timeout_s:g} s",
            got=error,
            next_step="see that the path is right and that nothing else holds the file",
        ) from error


def declare_view(connection: sqlite3.Connection, project: str, view: str, join_keys: Sequence[str]) -> None:
    """Make the view's table. Rows under other join keys could never be found again, so they go.

    Raises:
        DataError: The file has a view of this name from another project.
    """
    keys = json.dumps(sorted(join_keys))
    found = connection.execute(
        f"SELECT project, join_keys FROM {VIEWS_TABLE} WHERE view = ?",  # noqa: S608
        (view,),
    ).fetchone()
    if found is not None and found[0] != project:
        raise DataError(
            f"the online store already has a feature view {view}",
            expected=f"project {project}",
            got=f"project {found[0]}",
            next_step="give each project an online store file of its own",
        )
    if found is not None and found[1] != keys:
        connection.execute(f"DROP TABLE IF EXISTS {rows_table(view)}")
    connection.execute(
        f"INSERT INTO {VIEWS_TABLE} VALUES (?, ?, ?) "  # noqa: S608
        "ON CONFLICT (view) DO UPDATE SET join_keys = excluded.join_keys",
        (view, project, keys),
    )
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {rows_table(view)} (entity_key TEXT PRIMARY KEY, event_ts INTEGER NOT NULL, "
        "created_ts INTEGER, payload BLOB NOT NULL) WITHOUT ROWID"
    )


def drop_view(connection: sqlite3.Connection, view: str) -> None:
    """Remove the view and its rows; nothing happens where there is none."""
    connection.execute(f"DROP TABLE IF EXISTS {rows_table(view)}")
    connection.execute(f"DELETE FROM {VIEWS_TABLE} WHERE view = ?", (view,))  # noqa: S608


def views_of(connection: sqlite3.Connection, project: str) -> list[str]:
    """Names of the project's views."""
    found = connection.execute(f"SELECT view FROM {VIEWS_TABLE} WHERE project = ?", (project,))  # noqa: S608
    return [name for (name,) in found]


def upsert(connection: sqlite3.Connection, view: str, rows: Iterable[StoredRow]) -> int:
    """Write rows where they are not older than what is there; gives the number that were not."""
    before = connection.total_changes
    connection.executemany(_UPSERT.format(table=rows_table(view)), rows)
    return connection.total_changes - before


def write_rows(
    path: str,
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
    """Write an Arrow table into the online store, in one transaction and without a protobuf for each value.

    Args:
        path: The store's file, made if it is not there.
        view: The feature view.
        table: One row for each entity row: `join_keys` (text or whole numbers, no nulls), `features`, and the time
            columns. NaN counts as missing, as it does in Feast.
        project: The Feast project.
        join_keys: The view's join key columns.
        features: The feature columns to store.
        event_column: Event time.
        created_column: Created time, if there is one.
        timeout_s: How long to wait for another writer, in seconds.

    Returns:
        The number of rows that are now in the store; the others were older than what is there.

    Raises:
        DataError: A row has no event time or no key, and could never be read.
        OnlineStoreUnreachable: The file cannot be written.
    """
    rows = stored_rows(table, view, join_keys, features, [event_column, created_column])
    with writing(path, timeout_s) as connection:
        declare_view(connection, project, view, join_keys)
        return upsert(connection, view, rows)


def stored_rows(
    table: pa.Table, view: str, join_keys: Sequence[str], features: Sequence[str], times: Sequence[str | None]
) -> list[StoredRow]:
    """The rows as they are stored, sorted by key so that the file is written in its own order."""
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
    return sorted(zip(entity_keys(table, join_keys), events, created, payloads, strict=False))


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
