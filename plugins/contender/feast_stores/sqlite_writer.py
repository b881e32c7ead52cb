"""Write an online store that is one SQLite file; `contender.adapters.online_sqlite` describes its form and reads it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from operator import itemgetter
from pathlib import Path

from contender.adapters.online_sqlite import VIEWS_TABLE, rows_table
from contender.core.errors import OnlineStoreUnreachable
from contender.feast_stores.rows_writer import StoredRow, View, of_another_project

_UPSERT = """
INSERT INTO {table} AS old (entity_key, event_ts, created_ts, payload) VALUES (?, ?, ?, ?)
ON CONFLICT (entity_key) DO UPDATE SET
    event_ts = excluded.event_ts, created_ts = excluded.created_ts, payload = excluded.payload
WHERE excluded.event_ts > old.event_ts
   OR (excluded.event_ts = old.event_ts
       AND (old.created_ts IS NULL OR excluded.created_ts >= old.created_ts))
"""


class SqliteWriter:
    """A `RowsWriter` in one write transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def declare_view(self, view: View) -> None:
        """See `RowsWriter`."""
        keys = json.dumps(view.join_keys)
        found = self._connection.execute(
            f"SELECT project, join_keys FROM {VIEWS_TABLE} WHERE view = ?",  # noqa: S608
            (view.name,),
        ).fetchone()
        if found is not None and found[0] != view.project:
            raise of_another_project(view, found[0])
        if found is not None and found[1] != keys:
            self._connection.execute(f"DROP TABLE IF EXISTS {rows_table(view.name)}")
        self._connection.execute(
            f"INSERT INTO {VIEWS_TABLE} VALUES (?, ?, ?) "  # noqa: S608
            "ON CONFLICT (view) DO UPDATE SET join_keys = excluded.join_keys",
            (view.name, view.project, keys),
        )
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {rows_table(view.name)} (entity_key TEXT PRIMARY KEY, "
            "event_ts INTEGER NOT NULL, created_ts INTEGER, payload BLOB NOT NULL) WITHOUT ROWID"
        )

    def drop_view(self, name: str) -> None:
        """See `RowsWriter`."""
        self._connection.execute(f"DROP TABLE IF EXISTS {rows_table(name)}")
        self._connection.execute(f"DELETE FROM {VIEWS_TABLE} WHERE view = ?", (name,))  # noqa: S608

    def views_of(self, project: str) -> list[str]:
        """See `RowsWriter`."""
        query = f"SELECT view FROM {VIEWS_TABLE} WHERE project = ?"  # noqa: S608
        return [name for (name,) in self._connection.execute(query, (project,))]

    def upsert(self, view: View, rows: Sequence[StoredRow]) -> int:
        """See `RowsWriter`."""
        before = self._connection.total_changes
        ordered: list[StoredRow] = sorted(rows, key=itemgetter(0))  # the file is written in its own order
        self._connection.executemany(_UPSERT.format(table=rows_table(view.name)), ordered)
        return self._connection.total_changes - before


@contextmanager
def writing(path: str, timeout_s: float) -> Iterator[SqliteWriter]:
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
                yield SqliteWriter(connection)
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


def remove_if_empty(path: Path) -> None:
    """Remove the file if no view is left in it."""
    with closing(sqlite3.connect(path)) as connection:
        left = connection.execute(f"SELECT count(*) FROM {VIEWS_TABLE}").fetchone()[0]  # noqa: S608
    if not left:
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            file.unlink(missing_ok=True)
