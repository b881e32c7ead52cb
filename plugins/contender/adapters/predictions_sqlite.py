"""The prediction store as one SQLite file: the embedded form."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec

from contender.adapters.predictions import PARTS, PLAIN, TABLE, Record, as_array, moment, refused, unreachable

# FULL, because the journal drops a record once this file has it.
_SET_UP = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    f"""CREATE TABLE IF NOT EXISTS {TABLE} (
        request_id TEXT NOT NULL PRIMARY KEY, client_id TEXT, time TEXT NOT NULL, model TEXT NOT NULL,
        version TEXT NOT NULL, variant TEXT NOT NULL, endpoint TEXT NOT NULL, latency_ms REAL NOT NULL,
        entities TEXT, at TEXT, features TEXT NOT NULL, unknown TEXT, predictions TEXT NOT NULL)""",
    f"CREATE INDEX IF NOT EXISTS {TABLE}_by_time ON {TABLE} (model, time)",
)
# A part that is null in JSON is null here too, not the text `null`.
_VALUES = [f"value ->> '$.{name}'" for name in PLAIN] + [f"nullif(value -> '$.{name}', 'null')" for name in PARTS]
# Without a WHERE the grammar would read ON as that of a join.
_INSERT = f"""
    INSERT INTO {TABLE} ({", ".join(PLAIN + PARTS)}) SELECT {", ".join(_VALUES)} FROM json_each(CAST(? AS TEXT))
    WHERE true ON CONFLICT (request_id) DO NOTHING"""  # noqa: S608
_SELECT = f"""
    SELECT {", ".join(PLAIN + PARTS)} FROM {TABLE} WHERE model = ? AND time >= ? AND time < ?
    ORDER BY time, request_id"""  # noqa: S608


class SqlitePredictions:
    """`Predictions` of one file; several processes may write it at once.

    Args:
        path: The file; its folder is made where it is not there.
        timeout_s: How long a statement may wait for another process, in seconds.
    """

    def __init__(self, path: str, timeout_s: float) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def write(self, lines: bytes) -> int:
        """See `Predictions`."""
        array = as_array(lines)
        connection: sqlite3.Connection | None = None
        try:
            connection = self._opened()
            return connection.execute(_INSERT, (array,)).rowcount
        except (sqlite3.Error, OSError) as error:
            if connection is not None and _is_refusal(connection, error, array):
                raise refused(self._path, error) from error
            self.close()
            raise unreachable("written", self._path, self._timeout_s, error) from error

    def read(self, model: str, since: datetime, until: datetime) -> Iterator[Record]:
        """See `Predictions`; over a connection of its own, so that writing may go on."""
        if not os.path.exists(self._path):  # to read from a wrong path is not to find nothing
            raise unreachable("read", self._path, self._timeout_s, "no such file")
        try:
            with closing(self._connect()) as connection:
                for row in connection.execute(_SELECT, (model, moment(since), moment(until))):
                    yield _record(row)
        except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
            raise unreachable("read", self._path, self._timeout_s, error) from error

    def close(self) -> None:
        """See `Predictions`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        # A file that was taken away or replaced is not written to its end unseen.
        if self._connection is not None and self._identity != _identity(self._path):
            self.close()
        if self._connection is None:
            self._connection = self._connect()
            self._identity = _identity(self._path)
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False)
        try:
            for statement in _SET_UP:
                connection.execute(statement)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _is_refusal(connection: sqlite3.Connection, error: Exception, array: bytes) -> bool:
    """Whether it was the content; SQLite has no code of its own for what is no JSON."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
        return True
    if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
        return False
    try:
        return not connection.execute("SELECT json_valid(CAST(? AS TEXT))", (array,)).fetchone()[0]
    except sqlite3.Error:
        return False  # it is the store that fails, and is tried again


def _record(row: tuple[object, ...]) -> Record:
    parts = [None if part is None else msgspec.json.decode(str(part)) for part in row[len(PLAIN) :]]
    return msgspec.convert(dict(zip(PLAIN + PARTS, [*row[: len(PLAIN)], *parts], strict=True)), Record)
