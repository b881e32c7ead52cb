"""Read the online store: one wide row for each feature view and entity key, in one SQLite file.

This is what the serving app reads on its hot path, so it needs the standard library and msgspec alone: no feast, no
pandas. `contender.feast_stores.sqlite_rows` writes the file in the form described here:

- A table `rows_<view>` for each feature view: `entity_key TEXT PRIMARY KEY, event_ts INTEGER, created_ts INTEGER,
  payload BLOB`. Times are microseconds since the epoch, UTC; `created_ts` may be null. The payload is a msgpack map
  of feature name to value; a missing value is nil.
- The table `contender_views`: each view's name, its project, and its join keys as a JSON list, sorted.
- An entity key is the JSON list of the join keys' values, in the order of the keys' names (`encode_key`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from contender.core.errors import OnlineStoreUnreachable, some

VIEWS_TABLE = "contender_views"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_encode_json = msgspec.json.Encoder().encode
_decode_payload = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, slots=True)
class Row:
    """One entity's feature values, the time (UTC) they are of, and the time from which they could be known.

    `known_at` is never before `event_time`; it is the event time where the view has no created timestamp.
    """

    values: dict[str, Any]
    event_time: datetime
    known_at: datetime


def encode_key(join_keys: Mapping[str, str | int]) -> str:
    """The store's key of an entity: its join key values as a JSON list, by the order of the keys' names.

    >>> encode_key({"origin": "EWR", "gate": 7})
    '[7,"EWR"]'
    """
    return _encode_json([join_keys[name] for name in sorted(join_keys)]).decode()


def rows_table(view: str) -> str:
    """The quoted name of a view's table."""
    return '"rows_' + view.replace('"', '""') + '"'


def is_known(row: Row, at: datetime, ttl: timedelta | None) -> bool:
    """Whether a row is in force at a prediction time.

    It is from the time it could be known to its event time + ttl, both included; a ttl of None or zero is no limit.
    The rule is the one of the point-in-time join, so that training and serving agree.
    """
    return row.known_at <= at and (not ttl or row.event_time + ttl >= at)


class OnlineRows:
    """A reader of one online store file, for any number of threads.

    Each thread opens the file read-only for itself, again after a fork, and again when another file has taken the
    place of the one it knows: a store that was rebuilt is never read as it was before.

    Args:
        path: The SQLite file.
        timeout_s: How long a read may wait for a lock, in seconds.
    """

    def __init__(self, path: str, timeout_s: float) -> None:
        self.path, self.timeout_s = path, timeout_s
        self._local = threading.local()

    def read(self, view: str, join_keys: Mapping[str, str | int]) -> Row | None:
        """The row of one entity, or None where the store has none.

        Raises:
            OnlineStoreUnreachable: The file is missing, locked past the time-out, no online store, or has no such
                view with such join keys.
        """
        with self._reading() as opened:
            return opened.row(view, join_keys)

    def read_many(self, requests: Sequence[tuple[str, Mapping[str, str | int]]]) -> list[Row | None]:
        """The rows of several (view, join keys), in order and all of one moment of the store.

        Raises:
            OnlineStoreUnreachable: As for `read`.
        """
        with self._reading() as opened:
            opened.connection.execute("BEGIN")
            try:
                return [opened.row(view, join_keys) for view, join_keys in requests]
            finally:
                opened.connection.execute("COMMIT")

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
        self._views: dict[str, tuple[list[str], str]] = {}

    def row(self, view: str, join_keys: Mapping[str, str | int]) -> Row | None:
        names, query = self._views.get(view) or self._look_up(view)
        if join_keys.keys() != set(names):
            raise OnlineStoreUnreachable(
                f"feature view {view} has other join keys",
                where=self._path,
                expected=some(names) or "none",
                got=some(join_keys) or "none",
                next_step="read the view by its own join keys",
            )
        found = self.connection.execute(query, (encode_key(join_keys),)).fetchone()
        if found is None:
            return None
        event_us, created_us, payload = found
        known_us = event_us if created_us is None else max(event_us, created_us)
        return Row(
            _decode_payload(payload), EPOCH + timedelta(microseconds=event_us), EPOCH + timedelta(microseconds=known_us)
        )

    def _look_up(self, view: str) -> tuple[list[str], str]:
        found = self.connection.execute(
            f"SELECT join_keys FROM {VIEWS_TABLE} WHERE view = ?",  # noqa: S608
            (view,),
        ).fetchone()
        if found is None:
            raise OnlineStoreUnreachable(
                f"feature view {view} is not in the online store",
                where=self._path,
                next_step="apply the feature repository and materialise the view",
            )
        entry = (
            msgspec.json.decode(found[0], type=list[str]),
            f"SELECT event_ts, created_ts, payload FROM {rows_table(view)} WHERE entity_key = ?",  # noqa: S608
        )
        self._views[view] = entry
        return entry


def _connect(path: str, timeout_s: float) -> sqlite3.Connection:
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False)
