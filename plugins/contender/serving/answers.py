"""The forms in which the app answers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from contender.core.errors import (
    ContenderError,
    LookupsPaused,
    RequestInvalid,
    RequestMalformed,
    RequestTooLarge,
    RequestUnreadable,
)
from contender.core.golden import Output
from contender.serving.bundle import Signature

JSON = b"application/json"
# In this order: the first class that fits gives the status. Anything else of ours is a fault of this side: 503.
STATUS: tuple[tuple[type[ContenderError], int], ...] = (
    (RequestMalformed, 400),
    (RequestTooLarge, 413),
    (RequestUnreadable, 415),
    (RequestInvalid, 422),
)


@dataclass(slots=True)
class Reply:
    """An answer over HTTP."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Features(msgspec.Struct, frozen=True):
    """Features the prediction had to do without: no value, older than the TTL, later than the prediction time."""

    missing: list[str]
    stale: list[str]
    later: list[str]


class Prediction(msgspec.Struct, frozen=True):
    """The answer to one request by entity: the label's probability, that of each class by its name, or the number."""

    prediction_time: datetime
    features: Features
    probability: float | msgspec.UnsetType = msgspec.UNSET
    probabilities: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    value: float | msgspec.UnsetType = msgspec.UNSET


def spoken(signature: Signature, output: Output) -> dict[str, Any]:
    """A model's answer by the name of what it is."""
    if isinstance(output, list):
        return {"probabilities": dict(zip(signature.classes, output, strict=True))}
    return {"probability" if signature.task == "binary" else "value": output}


def answer(content: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(msgspec.json.encode(content), status)


def refusal(error: ContenderError, status: int | None = None) -> Reply:
    """An error as JSON: the facts of the error, and the faults by field where there are any."""
    facts: dict[str, Any] = {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "expected": error.expected,
        "got": error.got,
        "next_step": error.next_step,
    }
    if isinstance(error, RequestInvalid) and error.problems:
        facts["problems"] = error.problems
    # The standard library's encoder escapes what came in as lone surrogates; msgspec's refuses it.
    reply = Reply(json.dumps({"error": facts}).encode(), status_of(error) if status is None else status)
    if isinstance(error, LookupsPaused):
        reply.headers = ((b"retry-after", b"%d" % math.ceil(error.retry_after_s)),)
    return reply


def status_of(error: ContenderError) -> int:
    """The HTTP status of an error."""
    return next((code for kind, code in STATUS if isinstance(error, kind)), 503)
