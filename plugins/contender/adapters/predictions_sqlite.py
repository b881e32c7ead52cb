"""The prediction store as one SQLite file: the embedded form."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from contender.adapters.predictions import PARTS, PLAIN, TABLE, Record, moment, refused, unreachable, without_nul

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
_INSERT = f"""
    INSERT INTO {TABLE} ({", ".join(PLAIN + PARTS)}) VALUES ({", ".join("?" * len(PLAIN + PARTS))})
    ON CONFLICT (request_id) DO NOTHING"""  # noqa: S608
# A line taken apart as far as the columns go; SQLite's own functions for JSON take twice the time.
_LINES: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct(
        "Columns",
        [(name, float if name == "latency_ms" else str | None) for name in PLAIN] + [(name, Raw) for name in PARTS],
        gc=False,
    )
)
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
        try:
            rows = [_values(line) for line in _LINES.decode_lines(without_nul(lines))]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise refused(self._path, error) from error
        try:
            return self._insert(self._opened(), rows)
        except sqlite3.IntegrityError as error:
            raise refused(self._path, error) from error
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise unreachable("written", self._path, self._timeout_s, error) from error

    @staticmethod
    def _insert(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> int:
        before = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return connection.total_changes - before

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


def _values(line: Any) -> tuple[object, ...]:
    """A part that is null in JSON is null here too, not the text `null`."""
    plain = [getattr(line, name) for name in PLAIN]
    parts = [bytes(getattr(line, name)) for name in PARTS]
    return *plain, *[None if part == b"null" else part.decode() for part in parts]


def _record(row: tuple[object, ...]) -> Record:
    parts = [None if part is None else msgspec.json.decode(str(part)) for part in row[len(PLAIN) :]]
    return msgspec.convert(dict(zip(PLAIN + PARTS, [*row[: len(PLAIN)], *parts], strict=True)), Record)
