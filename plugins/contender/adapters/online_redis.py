"""Read an online store in Redis.

`contender.feast_stores.redis_writer` writes it in this form:

- The hash `contender:views`: view → JSON `{"project": …, "join_keys": […]}`, the join keys sorted.
- A hash `contender:rows:<view>` for each feature view: entity key → msgpack list `[event_us, created_us or nil,
  {feature: value}]`. The times come first, so that the server can compare them without the values.

A reader needs no more of the server than `~contender:* +hmget +multi +exec +discard` and the commands of connecting,
so an account of `+@read +@connection -@dangerous +multi +exec +discard` is enough. The keys are not of one hash slot:
one server with its replicas, no Redis Cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from contender.adapters.online_rows import ConnectionLost, JoinKeys, Row, encode_key, require_keys, stored_row
from contender.core.errors import OnlineStoreUnreachable

VIEWS = "contender:views"

# What of a URL may be shown: its kind, host, port and database. One that is not of this shape is not shown at all.
_SHAPE = re.compile(r"(rediss?://)(?:[^@/?#]*@)?([\w.-]*|\[[\da-fA-F:.]*\])(:\d+)?(/\d*)?(?:[?#][^@]*)?")
_decode_row = msgspec.msgpack.Decoder(tuple[int, int | None, dict[str, Any]]).decode


class Declaration(msgspec.Struct, frozen=True):
    """What `contender:views` says of a view."""

    project: str
    join_keys: tuple[str, ...]


def rows_key(view: str) -> str:
    """The key of a view's rows."""
    return f"contender:rows:{view}"


class RedisRows:
    """A `RowsReader` of one server.

    Each thread has a connection of its own while it reads, a forked process makes new ones, and a connection that the
    server has closed meanwhile is made again.

    Args:
        url: `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS.
        timeout_s: How long a connection, and each answer, may take, in seconds.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, self._timeout_s, self._where = url, timeout_s, shown(url)
        self._client = connect(url, timeout_s)

    def read(self, view: str, join_keys: JoinKeys) -> Row | None:
        """See `RowsReader`; the account may also be refused."""
        return self.read_many([(view, join_keys)])[0]

    def read_many(self, requests: Sequence[tuple[str, JoinKeys]]) -> list[Row | None]:
        """See `RowsReader`: one MULTI transaction in one round trip."""
        keys = _keys(requests)
        with reaching(self._url, self._timeout_s, "read"):
            with self._client.pipeline(transaction=True) as pipe:
                for _, key, *fields in _commands(keys):
                    pipe.hmget(key, fields)
                replies = pipe.execute()
            return _rows(requests, keys, replies, self._where)

    def exchange(self) -> RedisExchange | None:
        """See `RowsReader`. Under TLS there is none: there, what can be read need not be an answer."""
        return None if self._url.startswith("rediss") else RedisExchange(self._url, self._timeout_s)

    def close(self) -> None:
        """Close the connections that no thread is reading from; the next read makes one again."""
        self._client.connection_pool.disconnect(inuse_connections=False)


class RedisExchange:
    """A `RowsExchange` of one server: the same transaction as that of `RedisRows`.

    It goes below redis-py's pipeline, to its connection: half the time of a read is spent in the pipeline, and the
    pipeline cannot send and receive apart.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, self._timeout_s, self._where = url, timeout_s, shown(url)
        # Not connected yet. Its types say nothing of the methods.
        self._connection: Any = connect(url, timeout_s).connection_pool.make_connection()
        self._open: int | None = None
        self._sent: tuple[Sequence[tuple[str, JoinKeys]], dict[str, list[str]]] = ((), {})

    @property
    def fileno(self) -> int | None:
        """See `RowsExchange`."""
        return self._open

    def send(self, requests: Sequence[tuple[str, JoinKeys]]) -> None:
        """See `RowsExchange`."""
        if self._open is None:
            raise ConnectionLost
        keys = _keys(requests)
        self._sent = (requests, keys)
        with self._closing(), reaching(self._url, self._timeout_s, "read"), _losing():
            commands = [("MULTI",), *_commands(keys), ("EXEC",)]
            self._connection.send_packed_command(self._connection.pack_commands(commands))

    def receive(self) -> list[Row | None]:
        """See `RowsExchange`."""
        requests, keys = self._sent
        with self._closing(), reaching(self._url, self._timeout_s, "read"), _losing():
            refused: ResponseError | None = None
            replies: Any = None
            # One for MULTI, for each command that it was queued, and for EXEC all answers at once.
            for _ in range(len(keys) + 3):
                try:
                    replies = self._connection.read_response()
                except ResponseError as error:
                    refused = refused or error
            refused = refused or next((reply for reply in replies if isinstance(reply, ResponseError)), None)
            if refused is not None:
                raise refused
            return _rows(requests, keys, replies, self._where)

    def read_many(self, requests: Sequence[tuple[str, JoinKeys]]) -> list[Row | None]:
        """See `RowsExchange`."""
        if self._open is not None:
            with suppress(ConnectionLost):
                self.send(requests)
                return self.receive()
        with reaching(self._url, self._timeout_s, "read"):
            self._connection.connect()
            self._open = self._connection._sock.fileno()  # redis-py shows it nowhere else
            try:
                self.send(requests)
                return self.receive()
            except ConnectionLost as lost:
                raise lost.__cause__ or NotConnected from lost

    def close(self) -> None:
        """See `RowsExchange`."""
        self._open = None
        self._connection.disconnect()

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()  # what was left unread would be taken for the next answer
            raise


def connect(url: str, timeout_s: float) -> Redis:
    """A client that gives up after its time-out and asks once again over a connection that turned out to be closed.

    Raises:
        OnlineStoreUnreachable: The URL is malformed. Nothing of it but its kind is shown: what cannot be read as a URL
            may have its password anywhere.
    """
    malformed = OnlineStoreUnreachable(
        "the online store's address is malformed",
        where=shown(url),
        expected="redis://[user[:password]@]host[:port][/database], user and password percent-encoded",
        next_step="correct CONTENDER_ONLINE_STORE",
    )
    if not _SHAPE.fullmatch(url):
        raise malformed
    try:
        client = Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1, (NotConnected,)),
            driver_info=None,
        )
        client.connection_pool.make_connection()  # not connected yet: only so that options not known show here
    except (ValueError, TypeError):
        raise malformed from None  # the cause may quote the password
    return client


@contextmanager
def reaching(url: str, timeout_s: float, what: str) -> Iterator[None]:
    """Say of everything that can go wrong between here and the server that the store cannot be `what`."""
    try:
        yield
    except (RedisError, OSError, msgspec.DecodeError) as error:
        raise OnlineStoreUnreachable(
            f"the online store cannot be {what}",
            where=shown(url),
            expected=f"a Redis server that answers within {timeout_s:g} s and accepts the account",
            got=_without_password(str(error), url) or type(error).__name__,
            next_step="see that the server runs at this address, and that the account may use the keys contender:*",
        ) from error


def shown(url: str) -> str:
    """The URL without account and options, as errors may name it.

    >>> shown("redis://default:secret@redis:6379/0?socket_timeout=2")
    'redis://redis:6379/0'
    """
    found = _SHAPE.fullmatch(url)
    return "".join(part or "" for part in found.groups()) if found else f"{url.partition('://')[0]}://…"


def _without_password(text: str, url: str) -> str:
    """What a server answers may repeat what it was sent."""
    password = urlsplit(url).password
    return text.replace(unquote(password), "…") if password else text


@contextmanager
def _losing() -> Iterator[None]:
    try:
        yield
    except NotConnected as error:
        raise ConnectionLost from error


def _keys(requests: Sequence[tuple[str, JoinKeys]]) -> dict[str, list[str]]:
    """The entity keys to ask for, by view, in the order of the requests."""
    keys: dict[str, list[str]] = {}
    for view, join_keys in requests:
        keys.setdefault(view, []).append(encode_key(join_keys))
    return keys


def _commands(keys: dict[str, list[str]]) -> list[tuple[str, ...]]:
    # The declarations are of the same moment as the rows. Without a view a field that is not there is asked for, since
    # Redis wants one.
    asked = [("HMGET", rows_key(view), *fields) for view, fields in keys.items()]
    return [("HMGET", VIEWS, *(keys or ("",))), *asked]


def _rows(
    requests: Sequence[tuple[str, JoinKeys]], keys: dict[str, list[str]], replies: Sequence[Any], where: str
) -> list[Row | None]:
    declared, *found = replies
    names = dict(zip(keys, map(_join_keys, declared), strict=False))
    for view, join_keys in requests:
        require_keys(view, names[view], join_keys, where)
    values = {view: iter(rows) for view, rows in zip(keys, found, strict=True)}
    return [_row(next(values[view])) for view, _ in requests]


@lru_cache(maxsize=1024)
def _join_keys(declaration: bytes | None) -> tuple[str, ...] | None:
    return None if declaration is None else msgspec.json.decode(declaration, type=Declaration).join_keys


def _row(value: bytes | None) -> Row | None:
    return None if value is None else stored_row(*_decode_row(value))
