"""Schemas of what the app answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from contender.serving.bundle import Signature

NUMBER, TEXT, NAMES = {"type": "number"}, {"type": "string"}, {"type": "array", "items": {"type": "string"}}
OUTPUT = {"anyOf": [NUMBER, {"type": "array", "items": NUMBER}]}


def ref(name: str) -> dict[str, Any]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def fields(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these fields."""
    return {"type": "object", "properties": required | optional, "required": list(required)}


PROBLEM = fields(
    {
        "index": {"type": ["integer", "null"]},
        "field": {"type": ["string", "null"]},
        "problem": TEXT,
        "value": {},
        "allowed": TEXT,
    }
)
FACTS = ("type", "what", "where", "expected", "got", "next_step")
ERROR = fields({"error": fields(dict.fromkeys(FACTS, TEXT), problems={"type": "array", "items": PROBLEM})})
PREDICTIONS = fields({"predictions": {"type": "array", "items": OUTPUT}, "model": TEXT, "version": TEXT}, classes=NAMES)
READY = fields({"status": {"const": "ready"}, "model": TEXT, "version": TEXT})


def answered(content: dict[str, Any]) -> dict[str, Any]:
    """The responses of a POST that was answered, by status; the refusals are added to them."""
    known_as = {
        "description": "The server's own name of the request, under which the prediction log has it.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    }
    return {"200": {"description": "Answered.", "headers": {"X-Request-ID": known_as}, "content": content}}


def entity_answer(signature: Signature) -> dict[str, Any]:
    """The answer to requests by entity."""
    if signature.task == "multiclass":
        spoken: dict[str, Any] = {"probabilities": fields(dict.fromkeys(signature.classes, NUMBER))}
    else:
        spoken = {"probability" if signature.task == "binary" else "value": NUMBER}
    features = fields(dict.fromkeys(("missing", "stale", "later"), NAMES))
    time = {"type": "string", "format": "date-time"}
    prediction = fields({"prediction_time": time, "features": features, **spoken})
    return fields({"predictions": {"type": "array", "items": prediction}, "model": TEXT, "version": TEXT})
