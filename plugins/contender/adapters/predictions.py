"""The prediction store: one record for each answered request, in a SQLite file or in PostgreSQL.

The serving app's shipper writes batches of the journal's lines; whoever judges a model later reads records by model and
time. Standard library and msgspec alone; psycopg is loaded where a URL names PostgreSQL. What the stores share:

- One table, `contender_predictions`, with the primary key `request_id`: a batch that is written again changes nothing.
  A store makes its table itself where it is not there.
- A batch is one transaction.
- Text holds no NUL character in either database: U+FFFD stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from contender.core.errors import PredictionsRefused, PredictionStoreUnreachable

TABLE = "contender_predictions"
# Of the table and of a record alike; the second group is kept as JSON.
PLAIN = ("request_id", "client_id", "time", "model", "version", "variant", "endpoint", "latency_ms")
PARTS = ("entities", "at", "features", "unknown", "predictions")
POSTGRES = ("postgresql", "postgres")

_NUL = b"\\u0000"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One answered request.

    Attributes:
        request_id: The server's own id; ids grow with time.
        client_id: The caller's id, if it gave one.
        time: When it was answered, UTC.
        model, version, variant, endpoint: Which model answered, in which part, where.
        latency_ms: From the body's last byte until the model had answered.
        entities: What was asked for, in a request by entity.
        at: The prediction times, in a request by entity.
        features: Rows as the model saw them, in the order of the signature's columns.
        unknown: For each row of a request by entity, the features it had to do without, by reason.
        predictions: The answers, one for each row.
    """

    request_id: str
    client_id: str | None
    time: datetime
    model: str
    version: str
    variant: str
    endpoint: str
    latency_ms: float
    entities: list[Any] | None
    at: list[datetime | None] | None
    features: list[list[float | str | None]]
    unknown: list[Any] | None
    predictions: list[Any]


class Predictions(Protocol):
    """A prediction store, for one thread at a time."""

    def write(self, lines: bytes) -> int:
        """Store a batch of JSON lines, all or none of them; how many of them it did not have yet.

        Raises:
            PredictionStoreUnreachable: The store does not take it in time.
            PredictionsRefused: It takes a line of it in no case.
        """

    def read(self, model: str, since: datetime, until: datetime) -> Iterator[Record]:
        """The records of a model with `since <= time < until`, by time.

        Raises:
            PredictionStoreUnreachable: The store cannot be read.
        """

    def close(self) -> None:
        """Close what is open; the next call opens it again."""


def open_predictions(address: str, timeout_s: float) -> Predictions:
    """The store at an address; nothing is opened before the first call.

    Args:
        address: A path, or a URL `postgresql://[user[:password]@]host[:port]/database[?option=…]`.
        timeout_s: How long to connect, and how long a statement, may take, in seconds.

    Raises:
        PredictionStoreUnreachable: The URL is malformed or of another kind.
    """
    scheme, url, _ = address.partition("://")
    if url and scheme not in POSTGRES:
        raise PredictionStoreUnreachable(
            "the prediction store's address is of a kind that is not known",
            where=f"{scheme}://…",  # what follows may hold a password
            expected="a path, or a URL that begins with postgresql://",
            next_step="correct CONTENDER_PREDICTIONS",
        )
    if url:
        from contender.adapters.predictions_postgres import PostgresPredictions  # where it is used alone

        return PostgresPredictions(address, timeout_s)
    from contender.adapters.predictions_sqlite import SqlitePredictions

    return SqlitePredictions(address, timeout_s)


def without_nul(lines: bytes) -> bytes:
    """A batch of lines with no NUL character in it."""
    return b"\n".join(map(_without_nul, lines.split(b"\n"))) if _NUL in lines else lines


def _without_nul(line: bytes) -> bytes:
    if _NUL not in line:
        return line
    try:
        return msgspec.json.encode(_replaced(msgspec.json.decode(line)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return line  # no JSON: the database refuses it, with its own words


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_replaced(one) for one in value]
    if isinstance(value, dict):
        return {_replaced(key): _replaced(one) for key, one in value.items()}
    return value


def moment(time: datetime) -> str:
    """A time as records have it: RFC 3339, UTC, always six digits of a second, so that text sorts as time does.

    >>> moment(datetime(2013, 7, 1, 12, tzinfo=UTC))
    '2013-07-01T12:00:00.000000Z'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unreachable(what: str, where: str, timeout_s: float, got: object) -> PredictionStoreUnreachable:
    """The error of a store that cannot be `what`; nothing in it may hold a password."""
    return PredictionStoreUnreachable(
        f"the prediction store cannot be {what}",
        where=where,
        expected=f"a database that answers within {timeout_s:g} s, and an account that may use {TABLE}",
        got=got,
        next_step="see that it runs and is the one that CONTENDER_PREDICTIONS names; records wait in the journal",
    )


def refused(where: str, reason: object) -> PredictionsRefused:
    """The error of a batch that has something in it which the store never takes."""
    return PredictionsRefused(
        "the prediction store refuses a record for its content",
        where=where,
        expected=f"JSON objects that fit the columns of {TABLE}",
        got=reason,
        next_step="read the record in refused.jsonl beside the journal",
    )
