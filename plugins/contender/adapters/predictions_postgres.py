"""The prediction store in PostgreSQL: the form of the stack, through psycopg 3."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from contender.adapters.predictions import PARTS, PLAIN, TABLE, Record, refused, unreachable, without_nul
from contender.core.errors import PredictionStoreUnreachable

_TYPES = {"request_id": "uuid", "time": "timestamptz", "latency_ms": "double precision"}
_COLUMNS = [f'"{name}" {_TYPES.get(name, "text")}' for name in PLAIN] + [f'"{name}" jsonb' for name in PARTS]
_NULLABLE = {"client_id", "entities", "at", "unknown"}
_NAMES = ", ".join(f'"{name}"' for name in PLAIN + PARTS)
_DEFINED = ", ".join(
    column if name in _NULLABLE else f"{column} NOT NULL" for name, column in zip(PLAIN + PARTS, _COLUMNS, strict=True)
)
_EXISTS = f"SELECT to_regclass('{TABLE}') IS NOT NULL"
# Without the lock, two that make it at once get a conflict in the catalogue in spite of IF NOT EXISTS.
_CREATE = (
    f"SELECT pg_advisory_xact_lock(hashtext('{TABLE}'))",
    f"CREATE TABLE IF NOT EXISTS {TABLE} ({_DEFINED}, PRIMARY KEY (request_id))",
    f"CREATE INDEX IF NOT EXISTS {TABLE}_by_time ON {TABLE} (model, time)",
)
# The batch goes as bytes in the protocol's binary form: nothing is decoded or escaped on the way.
_INSERT = f"""
    INSERT INTO {TABLE} ({_NAMES})
    SELECT {_NAMES} FROM jsonb_to_recordset(convert_from(%b, 'UTF8')::jsonb) AS given ({", ".join(_COLUMNS)})
    ON CONFLICT (request_id) DO NOTHING"""  # noqa: S608
_SELECT = f"""
    SELECT request_id::text, client_id, "time", model, version, variant, endpoint, latency_ms,
    {", ".join(f'"{name}"::text' for name in PARTS)} FROM {TABLE}
    WHERE model = %s AND "time" >= %s AND "time" < %s ORDER BY "time", request_id"""  # noqa: S608
_AT_ONCE = 500


class PostgresPredictions:
    """`Predictions` of one database.

    Args:
        url: `postgresql://[user[:password]@]host[:port]/database[?option=…]`.
        timeout_s: How long to connect, and how long each statement, may take, in seconds.

    Raises:
        PredictionStoreUnreachable: The URL is malformed. Nothing of it is shown.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        try:
            given = conninfo_to_dict(url)
            self._where = shown(url)
        except (psycopg.Error, ValueError):
            raise PredictionStoreUnreachable(
                "the prediction store's address is malformed",
                where="CONTENDER_PREDICTIONS",
                expected="postgresql://[user[:password]@]host[:port]/database, user and password percent-encoded",
                next_step="correct CONTENDER_PREDICTIONS",
            ) from None  # the cause may quote the password
        self._password = str(given.get("password") or "")
        milliseconds = round(timeout_s * 1000)
        self._options: dict[str, Any] = {
            "connect_timeout": max(2, round(timeout_s)),  # whole seconds, of which libpq takes no fewer
            "tcp_user_timeout": milliseconds,
            "application_name": "contender predictions",
        } | given
        ours = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} -c timezone=UTC"
        self._options["options"] = f"{ours} {given.get('options') or ''}".rstrip()
        self._connection: psycopg.Connection[Any] | None = None

    def write(self, lines: bytes) -> int:
        """See `Predictions`."""
        array = b"[" + without_nul(lines).rstrip(b"\n").replace(b"\n", b",") + b"]"
        with self._reaching("written"):
            if self._connection is None:
                self._connection = self._connect()
            with self._limited(self._connection):
                return self._connection.execute(_INSERT, (array,)).rowcount

    def read(self, model: str, since: datetime, until: datetime) -> Iterator[Record]:
        """See `Predictions`; over a connection of its own, some hundred records at a time."""
        with (
            self._reaching("read"),
            self._connect() as connection,
            connection.transaction(),  # a cursor of the server lives in one
            connection.cursor("read", row_factory=tuple_row) as cursor,
        ):
            with self._limited(connection):
                cursor.execute(_SELECT, (model, since, until))
            while rows := self._fetched(connection, cursor):
                yield from map(_record, rows)

    def _fetched(self, connection: psycopg.Connection[Any], cursor: psycopg.ServerCursor[Any]) -> list[tuple[Any, ...]]:
        with self._limited(connection):
            return cursor.fetchmany(_AT_ONCE)

    def close(self) -> None:
        """See `Predictions`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        # No prepared statements: a pooler in between may not have them.
        connection = psycopg.connect(**self._options, autocommit=True, prepare_threshold=None)
        try:
            with self._limited(connection):
                self._make_table(connection)
        except psycopg.Error:
            connection.close()
            raise
        return connection

    @staticmethod
    def _make_table(connection: psycopg.Connection[Any]) -> None:
        # Asked first, so that an account that may only insert and select is enough once the table is there.
        found = connection.execute(_EXISTS).fetchone()
        if found is None or not found[0]:
            with connection.transaction():
                for statement in _CREATE:
                    connection.execute(statement)

    @contextmanager
    def _limited(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Cut the connection if a block takes twice the time-out: a server that hangs keeps no time-out of its own."""
        descriptor = os.dup(connection.fileno())
        timer = threading.Timer(2 * self._timeout_s, _cut, (descriptor,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # it is over, or waits for nothing any more
            os.close(descriptor)

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if _is_refusal(error):
                raise refused(self._where, self._without_password(error)) from error
            self.close()
            raise unreachable(what, self._where, self._timeout_s, self._without_password(error)) from error
        except (OSError, msgspec.DecodeError) as error:
            self.close()
            raise unreachable(what, self._where, self._timeout_s, error) from error

    def _without_password(self, error: psycopg.Error) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        return text.replace(self._password, "…") if self._password else text


def shown(url: str) -> str:
    """The URL without account and options, as errors may name it.

    >>> shown("postgresql://app:secret@postgres:5432/predictions?sslmode=require")
    'postgresql://postgres:5432/predictions'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _cut(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as connection, suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)


def _is_refusal(error: psycopg.Error) -> bool:
    """Whether it was the content: data exceptions, constraints, and limits of one value (SQLSTATE 54)."""
    state = error.sqlstate or ""
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError) or state.startswith("54")


def _record(row: tuple[Any, ...]) -> Record:
    parts = [None if part is None else msgspec.json.decode(part) for part in row[len(PLAIN) :]]
    return msgspec.convert(dict(zip(PLAIN + PARTS, [*row[: len(PLAIN)], *parts], strict=True)), Record)
