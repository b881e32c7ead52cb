"""The part of the OpenAPI document that describes other tools' protocols."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from contender.serving.bodies import MAX_ROWS
from contender.serving.bundle import Bundle, Column
from contender.serving.examples import Examples
from contender.serving.inference import Inference
from contender.serving.openapi_schemas import TEXT, answered, fields, ref
from contender.serving.outputs import Outputs
from contender.serving.tensors import NUMBERS, datatype
from contender.serving.tensors import TEXT as BYTES

JSON, BINARY = "application/json", "application/octet-stream"
# The protocol's errors are one text.
V2_ERROR = fields({"error": TEXT})
STATES = {
    "400": "The body is not what its type says.",
    "413": "The body is larger than 1 MiB.",
    "415": "The body is of a type or an encoding that is not read.",
    "422": "Something in it is missing, unknown, null, of the wrong type, shape or out of range.",
    "503": "The server cannot answer now.",
}


def invocations_path(bundle: Bundle, examples: Examples) -> dict[str, Any]:
    """MLflow's `/invocations`."""
    names = [column.name for column in bundle.signature.columns]
    split = {"columns": names, "data": [[row[name] for name in names] for row in examples.inputs]}
    columns = {name: [row[name] for row in examples.inputs] for name in names}
    forms = {
        "dataframe_split": {"dataframe_split": split},
        "dataframe_records": {"dataframe_records": examples.inputs},
        "instances": {"instances": examples.inputs},
        "inputs": {"inputs": columns},
    }
    answer = {"predictions": Outputs(bundle.signature).by_name(examples.outputs)}
    body = {
        JSON: {
            "schema": {"oneOf": [_closed(form, schema) for form, schema in _forms(names).items()]},
            "examples": {name: {"value": value} for name, value in forms.items()},
        },
        "text/csv": {"schema": TEXT, "example": _csv(names, examples)},
    }
    good = {JSON: {"schema": fields({"predictions": {"type": "object"}}), "example": answer}}
    return {
        "/invocations": {
            "post": {
                "summary": "Predict as MLflow's scoring server does",
                "description": "One of MLflow's four forms of JSON, or CSV. What is unknown is refused, not dropped.",
                "requestBody": {"required": True, "content": body},
                "responses": answered(good) | _refusals(ref("Error")),
            }
        }
    }


def _forms(names: list[str]) -> dict[str, Any]:
    rows = {"minItems": 1, "maxItems": MAX_ROWS}
    records = {"type": "array", "items": ref("Instance"), **rows}
    width = {"minItems": len(names), "maxItems": len(names)}
    columns = {"type": "array", "items": {"enum": names}, "uniqueItems": True, **width}
    data = {"type": "array", "items": {"type": "array", **width}, **rows}
    by_column = fields({name: {"type": "array", **rows} for name in names}) | {"additionalProperties": False}
    return {
        "dataframe_split": fields({"columns": columns, "data": data}) | {"additionalProperties": False},
        "dataframe_records": records,
        "instances": {"anyOf": [records, by_column]},
        "inputs": {"anyOf": [by_column, records]},
    }


def _closed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return fields({name: schema}) | {"additionalProperties": False}


def _csv(names: list[str], examples: Examples) -> str:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(
        [names, *([row[name] for name in names] for row in examples.inputs)]
    )
    return lines.getvalue()


def inference_paths(bundle: Bundle, examples: Examples) -> dict[str, Any]:
    """The Open Inference Protocol, at the addresses of this model."""
    dialect = Inference(bundle)
    columns = bundle.signature.columns
    tensors = [_tensor(column, [row[column.name] for row in examples.inputs]) for column in columns]
    answer = msgspec.json.decode(dialect.reply(examples.outputs).body)
    paths = {
        "/v2": _get(
            "The server and its extensions", fields(dict.fromkeys(("name", "version"), TEXT)), dialect.server()
        ),
        "/v2/health/live": _get("Whether the process lives", fields({"live": {"const": True}})),
        "/v2/health/ready": _get("Whether it can predict", fields({"ready": {"const": True}}), unready=True),
    }
    for path in dialect.paths:
        paths |= {
            path: _get("Inputs and outputs of the model", fields({"name": TEXT}), dialect.metadata()),
            f"{path}/ready": _get("Whether the model is fit", fields({"ready": {"const": True}}), unready=True),
            f"{path}/infer": {"post": _infer(columns, {"inputs": tensors}, answer)},
        }
    return paths


def _infer(columns: tuple[Column, ...], example: dict[str, Any], answer: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {"type": "array", "items": {"anyOf": [_tensor_schema(column) for column in columns]}}
    inputs |= {"minItems": len(columns), "maxItems": len(columns)}
    request = fields({"inputs": inputs}, id=TEXT, parameters={"type": "object"}, outputs={"type": "array"})
    good = {"schema": fields({"model_name": TEXT, "outputs": {"type": "array"}}), "example": answer}
    binary = {"schema": {"type": "string", "contentMediaType": BINARY}}
    return {
        "summary": "Predict by tensors",
        "description": "One tensor for each column, of shape [N] or [N, 1], all of the same N. Tensors may follow the "
        "JSON part as binary data: the header Inference-Header-Content-Length then gives the length of the JSON part.",
        "requestBody": {"required": True, "content": {JSON: {"schema": request, "example": example}}},
        "responses": answered({JSON: good, BINARY: binary}) | _refusals(V2_ERROR),
    }


def _tensor(column: Column, values: list[Any]) -> dict[str, Any]:
    return {"name": column.name, "shape": [len(values), 1], "datatype": datatype(column), "data": values}


def _tensor_schema(column: Column) -> dict[str, Any]:
    kinds = [BYTES] if column.kind == "category" else list(NUMBERS)
    value = {"type": ["string" if column.kind == "category" else "number", *(["null"] if column.nullable else [])]}
    shape = {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS},
        "minItems": 1,
        "maxItems": 2,
    }
    required = {
        "name": {"const": column.name},
        "shape": shape,
        "datatype": {"enum": kinds},
        "data": {"type": "array", "items": value},
    }
    return fields(required, parameters={"type": "object"})


def _get(summary: str, schema: dict[str, Any], example: Any = None, *, unready: bool = False) -> dict[str, Any]:
    good: dict[str, Any] = {"schema": schema} | ({} if example is None else {"example": example})
    responses: dict[str, Any] = {"200": {"description": "As asked.", "content": {JSON: good}}}
    if unready:
        responses["503"] = _refusals(V2_ERROR)["503"]
    return {"get": {"summary": summary, "responses": responses}}


def _refusals(schema: dict[str, Any]) -> dict[str, Any]:
    return {status: {"description": text, "content": {JSON: {"schema": schema}}} for status, text in STATES.items()}
