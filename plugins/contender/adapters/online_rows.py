"""The online store as a reader sees it: one wide row for each feature view and entity key, in a file or in Redis.

This is what the serving app reads on its hot path, so it needs the standard library, msgspec and, for Redis, its client
alone: no feast, no pandas. `contender.feast_stores` writes the stores; `online_sqlite` and `online_redis` describe the
form of each. What they share:

- A view is declared with its project and its join keys before it has rows; reading it by other keys is an error.
- An entity key is the JSON list of the join keys' values, in the order of the keys' names (`encode_key`).
- Times are microseconds since the epoch, UTC. The created time may be absent.
- Values are a msgpack map of feature name to value; a missing value is nil.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from contender.core.errors import OnlineStoreUnreachable, some

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REDIS = ("redis", "rediss")

JoinKeys = Mapping[str, str | int]

_encode_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Row:
    """One entity's feature values, the time (UTC) they are of, and the time from which they could be known.

    `known_at` is never before `event_time`; it is the event time where the view has no created timestamp.
    """

    values: dict[str, Any]
    event_time: datetime
    known_at: datetime


class RowsReader(Protocol):
    """A reader of one online store, for any number of threads and across forks."""

    def read(self, view: str, join_keys: JoinKeys) -> Row | None:
        """The row of one entity, or None where the store has none.

        Raises:
            OnlineStoreUnreachable: The store does not answer in time, is no online store, or has no such view with
                such join keys.
        """

    def read_many(self, requests: Sequence[tuple[str, JoinKeys]]) -> list[Row | None]:
        """The rows of several (view, join keys), in order and all of one moment of the store.

        Raises:
            OnlineStoreUnreachable: As for `read`.
        """

    def exchange(self) -> RowsExchange | None:
        """A connection whose reads can be sent and received apart; None where the store has no such thing."""

    def close(self) -> None:
        """Close what is open; the next read opens it again."""


class RowsExchange(Protocol):
    """One connection of one user at a time, who need not stand still while the store answers.

    A user who has an event loop sends, lets the loop watch `fileno`, and receives when there is something to read. That
    spares the two changes of thread that a read in another thread costs.
    """

    @property
    def fileno(self) -> int | None:
        """The open connection's file descriptor; None while there is none."""

    def send(self, requests: Sequence[tuple[str, JoinKeys]]) -> None:
        """Ask over the open connection, without waiting for the answer.

        Raises:
            ConnectionLost: There is no connection, or it turns out to be closed: it is worth a new one.
            OnlineStoreUnreachable: The server takes nothing.
        """

    def receive(self) -> list[Row | None]:
        """The answer to what was sent; waits for as much of it as has not arrived. Any error closes the connection.

        Raises:
            ConnectionLost: The connection was closed before the answer.
            OnlineStoreUnreachable: As for `RowsReader.read`.
        """

    def read_many(self, requests: Sequence[tuple[str, JoinKeys]]) -> list[Row | None]:
        """As that of `RowsReader`: connects if it must, and over a connection that was found closed asks once again."""

    def close(self) -> None:
        """Close the connection; `read_many` opens it again."""


class ConnectionLost(Exception):
    """A connection of an exchange is gone; internal to who uses one."""


def open_rows(address: str, timeout_s: float) -> RowsReader:
    """The reader of the store at an address; nothing is asked before the first read.

    Args:
        address: A path, or a URL `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS.
        timeout_s: How long a read may wait, in seconds: for a file's lock, for an answer of a server.

    Raises:
        OnlineStoreUnreachable: The URL is malformed or of another kind.
    """
    if is_redis(address):
        from contender.adapters.online_redis import RedisRows  # the client is loaded only where it is used

        return RedisRows(address, timeout_s)
    from contender.adapters.online_sqlite import SqliteRows

    return SqliteRows(address, timeout_s)


def is_redis(address: str) -> bool:
    """Whether an address is that of a Redis server; otherwise it is the path of a file.

    Raises:
        OnlineStoreUnreachable: It is a URL of another kind.
    """
    scheme, url, _ = address.partition("://")
    if url and scheme not in REDIS:
        raise OnlineStoreUnreachable(
            "the online store's address is of a kind that is not known",
            where=f"{scheme}://…",  # what follows may hold a password
            expected="a path, or a URL that begins with redis:// or rediss://",
            next_step="correct CONTENDER_ONLINE_STORE",
        )
    return bool(url)


def encode_key(join_keys: JoinKeys) -> str:
    """The store's key of an entity: its join key values as a JSON list, by the order of the keys' names.

    >>> encode_key({"origin": "EWR", "gate": 7})
    '[7,"EWR"]'
    """
    return _encode_json([join_keys[name] for name in sorted(join_keys)]).decode()


def is_known(row: Row, at: datetime, ttl: timedelta | None) -> bool:
    """Whether a row is in force at a prediction time.

    It is from the time it could be known to its event time + ttl, both included; a ttl of None or zero is no limit.
    The rule is the one of the point-in-time join, so that training and serving agree.
    """
    return row.known_at <= at and (not ttl or row.event_time + ttl >= at)


def stored_row(event_us: int, created_us: int | None, values: dict[str, Any]) -> Row:
    """A row from what a store keeps of it; times in microseconds since the epoch."""
    known_us = event_us if created_us is None else max(event_us, created_us)
    return Row(values, EPOCH + timedelta(microseconds=event_us), EPOCH + timedelta(microseconds=known_us))


def require_keys(view: str, declared: Collection[str] | None, given: JoinKeys, where: str) -> None:
    """Refuse a view that the store does not know, or knows by other join keys.

    Args:
        view: The view that is asked.
        declared: Its join keys, sorted; None where the store has no such view.
        given: The join keys it is asked by.
        where: The store, as errors may name it.

    Raises:
        OnlineStoreUnreachable: It is one of these.
    """
    if declared is None:
        raise OnlineStoreUnreachable(
            f"feature view {view} is not in the online store",
            where=where,
            next_step="apply the feature repository and materialise the view",
        )
    if given.keys() != set(declared):
        raise OnlineStoreUnreachable(
            f"feature view {view} has other join keys",
            where=where,
            expected=some(declared) or "none",
            got=some(given) or "none",
            next_step="read the view by its own join keys",
        )
