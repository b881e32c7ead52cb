"""Examples for the documents: golden requests, which the served model has answered, and a request by entity."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import inspect

from contender.core.golden import Output
from contender.serving.bundle import Bundle, Entry, Value

ROWS = 2
TIME = "2013-07-01T12:00:00-04:00"


class Examples:
    """What is asked and answered in the documents of one bundle.

    Attributes:
        inputs: Golden requests by column.
        outputs: What the model answers to them.
        classes: The names of several classes, as an answer has them; empty for other models.
        entity: A request by entity, or `None` where none can be made up.
    """

    def __init__(self, bundle: Bundle) -> None:
        golden = bundle.golden.requests[:ROWS]
        self.inputs: list[dict[str, Value]] = [request.inputs for request in golden]
        self.outputs: list[Output] = [request.output for request in golden]
        multiclass = bundle.signature.task == "multiclass"
        self.classes: dict[str, Any] = {"classes": list(bundle.signature.classes)} if multiclass else {}
        self.entity = None if bundle.entry is None else _entity(bundle.entry, self.inputs[0])


def _entity(entry: Entry, inputs: dict[str, Value]) -> dict[str, Any] | None:
    """Of a golden request the values whose names the request has too, of the others the least that is allowed."""
    described = cast("inspect.StructType", inspect.type_info(entry.request))
    made = {
        field.encode_name: inputs.get(field.encode_name, _least(field.type))
        for field in described.fields
        if field.required
    }
    try:
        entry.resolve(msgspec.convert(made, entry.request))
    except (msgspec.ValidationError, ValueError):  # patterns and the model's own rules are not guessed at
        return None
    return made


def _least(kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.UnionType):
        return None if kind.includes_none else _least(kind.types[0])
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.DateTimeType):
        return TIME
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return 0 if kind.ge is None else kind.ge
    return "" if isinstance(kind, inspect.StrType) else None
