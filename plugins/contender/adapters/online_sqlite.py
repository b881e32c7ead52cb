"""Read an online store that is one SQLite file.

`contender.feast_stores.sqlite_writer` writes it in this form:

- A table `rows_<view>` for each feature view: `entity_key TEXT PRIMARY KEY, event_ts INTEGER, created_ts INTEGER,
  payload BLOB`; `created_ts` may be null, the payload is the msgpack map of values.
- The table `contender_views`: each view's name, its project, and its join keys as a JSON list, sorted.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from contender.adapters.online_rows import JoinKeys, Row, encode_key, require_keys, stored_row
from contender.core.errors import OnlineStoreUnreachable

VIEWS_TABLE = "contender_views"

_decode_payload = msgspec.msgpack.Decoder().decode


def rows_table(view: str) -> str:
    """The quoted name of a view's table."""
    return '"rows_' + view.replace('"', '""') + '"'


class SqliteRows:
    """A `RowsReader` of one file.

    Each thread opens the file read-only for itself, again after a fork, and again when another file has taken the
    place of the one it knows: a store that was rebuilt is never read as it was before.

    Args:
        path: The SQLite file.
        timeout_s: How long a read may wait for a lock, in seconds.
    """

    def __init__(self, path: str, timeout_s: float) -> None:
        self.path, self.timeout_s = path, timeout_s
        self._local = threading.local()

    def read(self, view: str, join_keys: JoinKeys) -> Row | None:
        """See `RowsReader`; the file may also be missing, or locked past the time-out."""
        with self._reading() as opened:
            return opened.row(view, join_keys)

    def read_many(self, requests: Sequence[tuple[str, JoinKeys]]) -> list[Row | None]:
        """See `RowsReader`: one read transaction."""
        with self._reading() as opened:
            opened.connection.execute("BEGIN")
            try:
                return [opened.row(view, join_keys) for view, join_keys in requests]
            finally:
                opened.connection.execute("COMMIT")

    def exchange(self) -> None:
        """None: a file is read by the thread that asks."""

    def close(self) -> None:
        """Close the calling thread's connection; the next read opens it again."""
        opened = self._local.__dict__.pop("opened", None)
        if opened is not None:
            opened.connection.close()

    @contextmanager
    def _reading(self) -> Iterator[_Opened]:
        try:
            yield self._opened()
        except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
            self.close()
            raise OnlineStoreUnreachable(
                "the online store cannot be read",
                where=self.path,
                expected=f"a store that answers within {self.timeout_s:g} s",
                got=error,
                next_step="materialise the features, or correct the path",
            ) from error

    def _opened(self) -> _Opened:
        status = os.stat(self.path)
        identity = (os.getpid(), status.st_dev, status.st_ino)
        opened: _Opened | None = self._local.__dict__.get("opened")
        if opened is not None and opened.identity == identity:
            return opened
        if opened is not None and opened.identity[0] == identity[0]:
            opened.connection.close()
        opened = _Opened(_connect(self.path, self.timeout_s), identity, self.path)
        self._local.opened = opened
        return opened


class _Opened:
    """One thread's connection, with the join keys and the query of each view it has met."""

    def __init__(self, connection: sqlite3.Connection, identity: tuple[int, int, int], path: str) -> None:
        self.connection, self.identity, self._path = connection, identity, path
        self._views: dict[str, tuple[list[str] | None, str]] = {}

    def row(self, view: str, join_keys: JoinKeys) -> Row | None:
        names, query = self._views.get(view) or self._look_up(view)
        require_keys(view, names, join_keys, self._path)
        found = self.connection.execute(query, (encode_key(join_keys),)).fetchone()
        if found is None:
            return None
        event_us, created_us, payload = found
        return stored_row(event_us, created_us, _decode_payload(payload))

    def _look_up(self, view: str) -> tuple[list[str] | None, str]:
        found = self.connection.execute(
            f"SELECT join_keys FROM {VIEWS_TABLE} WHERE view = ?",  # noqa: S608
            (view,),
        ).fetchone()
        if found is None:
            return None, ""
        entry = (
            msgspec.json.decode(found[0], type=list[str]),
            f"SELECT event_ts, created_ts, payload FROM {rows_table(view)} WHERE entity_key = ?",  # noqa: S608
        )
        self._views[view] = entry
        return entry


def _connect(path: str, timeout_s: float) -> sqlite3.Connection:
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False)
