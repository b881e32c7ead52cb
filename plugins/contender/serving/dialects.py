"""Ways to ask for predictions by raw features: from a request's body to rows, and from outputs to an answer's body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from contender.core.golden import Output
from contender.serving.answers import Reply, answer
from contender.serving.bodies import Body, instance_type
from contender.serving.bundle import Bundle, Value

Headers = Mapping[bytes, bytes]


@dataclass(slots=True)
class Asked:
    """What a body asks for.

    Attributes:
        rows: Values in the order of the signature's columns, each checked against it.
        reply: Makes the answer of the outputs, one for each row and in their order.
        client_id: The caller's own name of the request, where the form has a place for one.
    """

    rows: list[tuple[Value, ...]]
    reply: Callable[[list[Output]], Reply]
    client_id: str | None = None


class Dialect(Protocol):
    """One way to ask."""

    def read(self, body: bytes, headers: Headers) -> Asked:
        """Decode and check a body.

        Raises:
            RequestMalformed: It is not in the form's encoding.
            RequestInvalid: Anything in it is missing, unknown, null, of the wrong type or out of range.
        """


class Instances:
    """`{"instances": [{column: value}]}`, answered by `{"predictions": [output], "model", "version"}`.

    The answer of a model of several classes is a list, in the order of `classes`, which is then part of the answer.
    """

    def __init__(self, bundle: Bundle) -> None:
        signature = bundle.signature
        self._body = Body("instances", instance_type(signature.columns))
        self._facts: dict[str, Any] = {"classes": signature.classes} if signature.task == "multiclass" else {}
        self._facts |= bundle.identity

    def read(self, body: bytes, headers: Headers) -> Asked:
        """Decode and check a body; see `Dialect.read`."""
        return Asked([msgspec.structs.astuple(row) for row in self._body.rows(body)], self._reply)

    def _reply(self, outputs: list[Output]) -> Reply:
        return answer({"predictions": outputs, **self._facts})
