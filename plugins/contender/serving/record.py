"""The record of one answered request: its id, its redaction, and its line in the journal."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from contender.core.errors import BundleBroken, some
from contender.core.golden import Output
from contender.serving.bundle import Value

# Parts of a record that are no column and no field of an entity, and may be redacted by these names.
PARTS = ("at", "client_id")
LAST = 0xFFFFFF  # of a counter of 24 bits


class Line(msgspec.Struct, frozen=True, gc=False):
    """A record as the journal has it; `contender.adapters.predictions.Record` is the same as a reader gets it."""

    request_id: str
    client_id: str | None
    time: str
    model: str
    version: str
    variant: str
    endpoint: str
    latency_ms: float
    entities: Sequence[Any] | None
    at: Sequence[datetime] | None
    features: Sequence[Sequence[Value]]
    unknown: Sequence[Any] | None
    predictions: Sequence[Output]


class RequestIds:
    """Ids that grow with time and are unique across processes and restarts: UUIDs of version 7.

    48 bits of milliseconds, a counter of 24 bits within one, and 48 random bits of this object.
    Make one in each process, after a fork.
    """

    def __init__(self) -> None:
        self._tail = f"-{os.urandom(6).hex()}"
        self._begin(0)

    def new(self) -> str:
        """The next id; it never sorts before the one before it, even if the clock is set back."""
        ms = time.time_ns() // 1_000_000
        if ms > self._ms:
            self._begin(ms)
        elif self._count == LAST:
            self._begin(self._ms + 1)  # borrowed of the next millisecond
        else:
            self._count += 1
        count = self._count
        return f"{self._head}{count >> 12:03x}-8{count & 0xFFF:03x}{self._tail}"

    def _begin(self, ms: int) -> None:
        self._ms, self._count = ms, 0
        self._head = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7"


class Recorder:
    """Makes the lines of one served model.

    Args:
        model, version, variant: Part of each record.
        columns: Names of the signature's columns, in their order.
        fields: Names of the fields of a request by entity; empty where the model takes none.
        redact: Names whose values become null before the line is made: a column, a field of an entity, `at` or
            `client_id`. A name that is written `model.name` is meant for that model alone.

    Raises:
        BundleBroken: The model has nothing of a name to redact: a misspelt one must not lay values open.
    """

    def __init__(
        self,
        *,
        model: str,
        version: str,
        variant: str,
        columns: Sequence[str],
        fields: Collection[str] = (),
        redact: Iterable[str] = (),
    ) -> None:
        self._model, self._version, self._variant = model, version, variant
        self._redacted = _meant(model, redact)
        unknown = self._redacted - {*columns, *fields, *PARTS}
        if unknown:
            raise BundleBroken(
                "the prediction log is to redact what the model does not have",
                where="CONTENDER_REDACT",
                expected=f"columns, fields of a request by entity, or {' or '.join(PARTS)}",
                got=some(sorted(unknown)),
                next_step=f"correct the name, or write <model>.<name> if it is meant for another model than {model}",
            )
        self._hidden = tuple(position for position, name in enumerate(columns) if name in self._redacted)
        self._fields = self._redacted & set(fields)
        self._encode = msgspec.json.Encoder().encode
        self._second, self._prefix = 0, ""

    def line(
        self,
        request_id: str,
        endpoint: str,
        rows: Sequence[Sequence[Value]],
        outputs: Sequence[Output],
        latency_ms: float,
        *,
        client_id: str | None = None,
        entities: Sequence[Any] | None = None,
        at: Sequence[datetime] | None = None,
        unknown: Sequence[Any] | None = None,
    ) -> bytes:
        """The journal's line of an answer, its end included; the values of `rows` are in the order of the columns."""
        if self._redacted:
            rows = self._without_columns(rows)
            entities = self._without_fields(entities)
            at = None if "at" in self._redacted else at
            client_id = None if "client_id" in self._redacted else client_id
        line = Line(
            request_id, client_id, self._now(), self._model, self._version, self._variant, endpoint, latency_ms,
            entities, at, rows, unknown, outputs,
        )  # fmt: skip
        return self._encode(line) + b"\n"

    def _now(self) -> str:
        """The time, always with six digits, so that its text sorts as it does; the text of a second is made once."""
        second, nanosecond = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._second = second
        return f"{self._prefix}{nanosecond // 1000:06d}Z"

    def _without_columns(self, rows: Sequence[Sequence[Value]]) -> Sequence[Sequence[Value]]:
        if not self._hidden:
            return rows
        kept = [list(row) for row in rows]
        for row in kept:
            for position in self._hidden:
                row[position] = None
        return kept

    def _without_fields(self, entities: Sequence[Any] | None) -> Sequence[Any] | None:
        if entities is None or not self._fields:
            return entities
        return [_nulled(msgspec.to_builtins(entity), self._fields) for entity in entities]


def _meant(model: str, redact: Iterable[str]) -> set[str]:
    meant = set()
    for name in redact:
        of_model, dot, rest = name.partition(".")
        if not dot or of_model == model:
            meant.add(rest if dot else name)
    return meant


def _nulled(value: Any, fields: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: None if key in fields else _nulled(one, fields) for key, one in value.items()}
    if isinstance(value, list):
        return [_nulled(one, fields) for one in value]
    return value
