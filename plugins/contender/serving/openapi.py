"""The OpenAPI document of the app: every route, the model's own schemas, and examples that the model has answered.

Schemas are those that requests are decoded with; examples are the bundle's golden requests with their outputs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from contender.serving.bodies import MAX_ROWS, instance_type
from contender.serving.bundle import Bundle
from contender.serving.examples import Examples
from contender.serving.openapi_protocols import inference_paths, invocations_path
from contender.serving.openapi_schemas import ERROR, PREDICTIONS, READY, answered, entity_answer, ref

OPENAPI = "3.1.0"
JSON = "application/json"
REFUSED = {
    "400": "The body is no JSON.",
    "413": "The body is larger than 1 MiB.",
    "422": "A field is missing, unknown, null, of the wrong type or out of range; problems names each.",
    "503": "The server cannot answer now: the model failed its golden requests, or a store cannot be reached.",
}


def document(bundle: Bundle) -> dict[str, Any]:
    """The document of the app that serves a bundle."""
    signature, examples = bundle.signature, Examples(bundle)
    forms: list[Any] = [instance_type(signature.columns)]
    forms += [] if bundle.entry is None else [bundle.entry.request]
    _, schemas = msgspec.json.schema_components(forms, ref_template="#/components/schemas/{name}")
    for column in signature.columns:
        source = "sent with the request" if column.source == "request" else f"of the feature view {column.source}"
        schemas["Instance"]["properties"][column.name]["description"] = f"A {column.kind}, {source}."
    schemas |= {"Error": ERROR}
    paths: dict[str, Any] = {}
    if bundle.entry is not None:
        paths["/predict"] = {"post": _predict(bundle, bundle.entry.request.__name__, examples)}
    paths["/predict/raw"] = {"post": _predict_raw(bundle, examples)}
    paths |= invocations_path(bundle, examples) | inference_paths(bundle, examples) | _states() | _documents()
    return {
        "openapi": OPENAPI,
        "info": {
            "title": f"{signature.model}, version {bundle.version}",
            "version": bundle.version,
            "description": f"Predictions of {signature.label} by the model {signature.model}. One model, one version.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _predict(bundle: Bundle, request: str, examples: Examples) -> dict[str, Any]:
    example = examples.entity
    body = {"requests": [example]} if example is not None else None
    return operation(
        "Predict by entity",
        "The features come from the online store, as they were known at the prediction time.",
        request=rows_of("requests", request),
        example=body,
        answer=entity_answer(bundle.signature),
    )


def _predict_raw(bundle: Bundle, examples: Examples) -> dict[str, Any]:
    return operation(
        "Predict by raw features",
        "The features come with the request. Each column is to be sent; null where it may be null.",
        request=rows_of("instances", "Instance"),
        example={"instances": examples.inputs},
        answer=PREDICTIONS,
        example_answer={"predictions": examples.outputs, **examples.classes, **bundle.identity},
    )


def _states() -> dict[str, Any]:
    alive = {"type": "object", "properties": {"status": {"const": "alive"}}, "required": ["status"]}
    about = {"type": "object", "required": ["about", "signature"]}
    text = {"description": "Every series.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "/health": {"get": question("Whether the process lives", alive)},
        "/ready": {"get": question("Whether it can predict, and with what", READY, unready=True)},
        "/metrics": {"get": {"summary": "Prometheus' series", "responses": {"200": text}}},
        "/about": {"get": question("Origin and signature of the model", about)},
        "/": {"get": question("The same as /about", about)},
        "/ping": {"get": question("Whether the model is fit; MLflow's address for it", {}, unready=True)},
        "/version": {"get": question("The MLflow release whose protocol /invocations speaks", {})},
    }


def _documents() -> dict[str, Any]:
    page = {"description": "HTML.", "content": {"text/html": {"schema": {"type": "string"}}}}
    return {
        "/openapi.json": {"get": question("This document", {"type": "object", "required": ["openapi"]})},
        "/docs": {"get": {"summary": "This document, to read", "responses": {"200": page}}},
    }


def rows_of(key: str, schema: str) -> dict[str, Any]:
    """`{"<key>": [row, …]}` and nothing else."""
    rows = {"type": "array", "items": ref(schema), "minItems": 1, "maxItems": MAX_ROWS}
    return {"type": "object", "properties": {key: rows}, "required": [key], "additionalProperties": False}


def question(summary: str, answer: dict[str, Any], *, unready: bool = False) -> dict[str, Any]:
    """A GET that takes nothing."""
    responses = {"200": {"description": "As asked.", "content": {JSON: {"schema": answer}}}}
    responses |= {"503": _refused("503")} if unready else {}
    return {"summary": summary, "responses": responses}


def operation(
    summary: str,
    description: str,
    *,
    request: dict[str, Any],
    example: Any,
    answer: dict[str, Any],
    example_answer: Any = None,
) -> dict[str, Any]:
    """A POST of JSON that is answered by JSON; errors are Contender's."""
    body: dict[str, Any] = {"schema": request} | ({} if example is None else {"example": example})
    good: dict[str, Any] = {"schema": answer} | ({} if example_answer is None else {"example": example_answer})
    return {
        "summary": summary,
        "description": description,
        "requestBody": {"required": True, "content": {JSON: body}},
        "responses": answered({JSON: good}) | {status: _refused(status) for status in REFUSED},
    }


def _refused(status: str) -> dict[str, Any]:
    return {"description": REFUSED[status], "content": {JSON: {"schema": ref("Error")}}}
