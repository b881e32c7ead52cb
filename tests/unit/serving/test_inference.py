"""The Open Inference Protocol, decoded by the dialect itself; tests/integration/test_clients.py asks the live app."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contender.core.errors import RequestInvalid, RequestMalformed, RequestUnreadable
from contender.serving.bundle import load_bundle
from contender.serving.inference import Inference, refusal
from contender.serving.service import client_id
from tests.unit.serving.test_invocations import COLUMNS, NAMES, ROWS
from tests.unit.serving.tiny import CATEGORIES

LENGTH = b"inference-header-content-length"


@pytest.fixture(scope="module")
def dialect(bundle: Path) -> Inference:
    return Inference(load_bundle(bundle))


def tensor(name: str, **change: Any) -> dict[str, Any]:
    kind = "BYTES" if name in CATEGORIES else "FP64"
    return {"name": name, "shape": [2, 1], "datatype": kind, "data": COLUMNS[name]} | change


def asked(*changed: dict[str, Any], **more: Any) -> bytes:
    """A request for two rows, in which some tensors are changed."""
    instead = {one["name"]: one for one in changed}
    return json.dumps({"inputs": [instead.get(name, tensor(name)) for name in NAMES], **more}).encode()


def binary(changed: dict[str, bytes] | None = None, **more: Any) -> tuple[bytes, dict[bytes, bytes]]:
    """The same with all tensors as binary data, and the header."""
    raws: dict[str, bytes] = {}
    for name, values in COLUMNS.items():
        texts = b"".join(struct.pack("<I", len(str(v))) + str(v).encode() for v in values)
        raws[name] = texts if name in CATEGORIES else np.array(values, "<f8").tobytes()
    raws |= changed or {}
    inputs = [tensor(name) | {"parameters": {"binary_data_size": len(raws[name])}} for name in NAMES]
    for one in inputs:
        del one["data"]
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + b"".join(raws[name] for name in NAMES), {LENGTH: str(len(head)).encode()}


def test_read_json_tensors_of_either_shape_gives_the_rows(dialect: Inference) -> None:
    flat = [tensor(name, shape=[2]) for name in NAMES]
    nested = [tensor(name, data=[[value] for value in COLUMNS[name]]) for name in NAMES]
    assert dialect.read(asked(), {}).rows == ROWS
    assert dialect.read(asked(*flat), {}).rows == ROWS
    assert dialect.read(asked(*nested), {}).rows == ROWS


def test_read_tensors_in_another_order_and_of_whole_numbers_gives_the_rows(dialect: Inference) -> None:
    body = json.loads(asked(tensor("weekday", datatype="INT8"), tensor("seats", datatype="UINT64")))
    body["inputs"].reverse()
    assert dialect.read(json.dumps(body).encode(), {}).rows == ROWS


def test_read_binary_tensors_take_nan_for_null_where_there_may_be_one(dialect: Inference) -> None:
    body, headers = binary()
    assert dialect.read(body, headers).rows == ROWS
    body, headers = binary({"hour": np.array([8.5, np.nan], "<f8").tobytes()})
    with pytest.raises(RequestInvalid, match=r"inputs\[1\]\.hour"):
        dialect.read(body, headers)


def test_reply_has_the_id_and_the_outputs_that_are_asked_for(dialect: Inference) -> None:
    found = dialect.read(asked(id="42", outputs=[{"name": "probabilities"}]), {})
    assert found.client_id == "42"
    assert json.loads(found.reply([0.25, 0.75]).body) == {
        "model_name": "flight_delay",
        "model_version": "7",
        "id": "42",
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [2, 2], "data": [0.75, 0.25, 0.25, 0.75]},
        ],
    }


def test_id_of_any_length_comes_back_whole_and_is_kept_as_far_as_that_of_a_header(dialect: Inference) -> None:
    given = "é" * 200
    found = dialect.read(asked(id=given), {})
    assert json.loads(found.reply([0.25, 0.75]).body)["id"] == given
    kept = client_id({b"x-request-id": given.encode("latin-1")})
    assert found.client_id == kept != given


def test_reply_without_wishes_has_all_outputs(dialect: Inference) -> None:
    answered = json.loads(dialect.read(asked(), {}).reply([0.25, 0.75]).body)
    assert [one["name"] for one in answered["outputs"]] == ["label", "probabilities"]
    assert answered["outputs"][0] == {"name": "label", "datatype": "INT64", "shape": [2], "data": [0, 1]}
    assert "id" not in answered


def test_reply_binary_outputs_follow_the_json_part(dialect: Inference) -> None:
    wishes = [{"name": "probabilities"}, {"name": "label", "parameters": {"binary_data": False}}]
    reply = dialect.read(asked(parameters={"binary_data_output": True}, outputs=wishes), {}).reply([0.25, 0.75])
    ((name, length),) = reply.headers
    assert (name, reply.content_type) == (LENGTH, b"application/octet-stream")
    head, data = json.loads(reply.body[: int(length)]), reply.body[int(length) :]
    assert head["outputs"][0]["parameters"] == {"binary_data_size": len(data)}
    assert np.frombuffer(data, "<f4").tolist() == [0.75, 0.25, 0.25, 0.75]
    assert head["outputs"][1]["data"] == [0, 1]


def test_metadata_has_a_tensor_for_each_column(dialect: Inference) -> None:
    told = dialect.metadata()
    assert [(one["name"], one["datatype"]) for one in told["inputs"]] == [
        (name, "BYTES" if name in CATEGORIES else "FP32") for name in NAMES
    ]
    assert [(one["name"], one["shape"]) for one in told["outputs"]] == [("label", [-1]), ("probabilities", [-1, 2])]
    assert told["versions"] == ["7"]


@pytest.mark.parametrize(
    ("body", "place", "problem", "allowed"),
    [
        pytest.param(asked().replace(b'"temp"', b'"tmp"'), "tmp", "is unknown", "one of the fields", id="unknown"),
        pytest.param(asked().replace(b'"temp"', b'"hour"'), "hour", "is given twice", "each field once", id="twice"),
        pytest.param(asked(tensor("hour", datatype="BYTES")), "hour", "has another datatype", "FP32", id="datatype"),
        pytest.param(asked(tensor("hour", datatype="BOOL")), "hour", "has another datatype", "INT64", id="BOOL"),
        pytest.param(asked(tensor("hour", datatype="FP16")), "hour", "is sent as JSON", "binary data", id="FP16"),
        pytest.param(asked(tensor("hour", shape=[1, 2])), "hour", "has another shape", "[N] or [N, 1]", id="shape"),
        pytest.param(asked(tensor("hour", shape=[])), "hour", "has another shape", "[N] or [N, 1]", id="no shape"),
        pytest.param(asked(tensor("hour", shape=[0])), "hour", "has another shape", "1 to 1000", id="no rows"),
        pytest.param(asked(tensor("hour", shape=[10**9])), "hour", "has another shape", "1 to 1000", id="too many"),
        pytest.param(asked(tensor("hour", shape=[-1])), "inputs[3].shape[0]", "is refused", "GET /openapi", id="below"),
        pytest.param(asked(tensor("hour", shape=[1], data=[1])), "hour", "is of fewer rows", "2 rows", id="fewer rows"),
        pytest.param(asked(tensor("hour", data=[1])), "hour", "has 1 values", "2 values", id="ragged"),
        pytest.param(asked(tensor("hour", data=[1, "x"])), "hour", "is refused", "0 to 24", id="text for number"),
        pytest.param(asked(tensor("hour", data=[1, None])), "hour", "is null", "0 to 24", id="null"),
        pytest.param(asked(tensor("hour", data=[1, 24.5])), "hour", "is refused", "0 to 24", id="out of range"),
        pytest.param(asked(tensor("hour", data=[1, True])), "hour", "is refused", "0 to 24", id="boolean"),
        pytest.param(asked(tensor("hour", data=5)), "hour", "has no data", "binary_data_size", id="data is no list"),
        pytest.param(
            asked(tensor("weekday", datatype="INT8", data=[1, 128])), "weekday", "is no INT8", "-128 to 127", id="INT8"
        ),
        pytest.param(
            asked(tensor("weekday", datatype="INT8", data=[1, 1.5])), "weekday", "is no INT8", "whole", id="fraction"
        ),
        pytest.param(
            asked(parameters={"sequence_id": 1}), "parameters", "has an unknown sequence_id", "binary", id="param"
        ),
        pytest.param(
            asked(parameters={"binary_data_output": 1}),
            "parameters",
            "has another binary_data_output",
            "true",
            id="boolean",
        ),
        pytest.param(
            asked(tensor("hour", parameters={"shared_memory_region": "x"})),
            "hour.parameters",
            "has an unknown",
            "binary",
            id="shared memory",
        ),
        pytest.param(
            asked(outputs=[{"name": "score"}]), "outputs", "names no output", "label, probabilities", id="output"
        ),
        pytest.param(asked(outputs=[{"name": "label"}] * 2), "outputs", "names no output", "label", id="output twice"),
        pytest.param(asked(model_name="other"), "model_name", "is another", "flight_delay", id="model"),
        pytest.param(asked(more=1), None, "is refused", "GET /openapi.json", id="unknown part"),
        pytest.param(asked(id=5), "id", "is refused", "GET /openapi.json", id="id is a number"),
        pytest.param(b"[]", None, "is refused", "GET /openapi.json", id="list"),
        pytest.param(b'{"inputs": []}', "origin", "is missing", "text", id="no tensors"),
    ],
)
def test_read_bad_request_is_refused_by_name(
    dialect: Inference, body: bytes, place: str | None, problem: str, allowed: str
) -> None:
    with pytest.raises(RequestInvalid) as refused:
        dialect.read(body, {})
    found = [one for one in refused.value.problems if one["problem"].startswith(problem)]
    assert found[0]["field"] == place
    assert allowed in found[0]["allowed"]
    text = json.loads(refusal(refused.value).body)["error"]
    assert problem in text
    assert allowed in text


def test_read_one_column_less_is_refused(dialect: Inference) -> None:
    body = json.loads(asked())
    del body["inputs"][5]
    with pytest.raises(RequestInvalid, match=r"inputs\.temp .*is missing"):
        dialect.read(json.dumps(body).encode(), {})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"hour": b"123"}, r"hour has 3 bytes", id="no whole number of values"),
        pytest.param({"dest": b"\x09\0\0\0LA"}, r"dest is no BYTES: .* lacks 7 bytes", id="text cut off"),
        pytest.param({"dest": b"\x03\0"}, r"dest is no BYTES", id="length cut off"),
        pytest.param({"dest": b"\x01\0\0\0\xff\x01\0\0\0x"}, r"dest is no BYTES: 'utf-8'", id="no UTF-8"),
        pytest.param({"dest": b"\x01\0\0\0x"}, r"dest has 1 texts", id="too few texts"),
        pytest.param({"temp": np.array([1, np.inf], "<f8").tobytes()}, r"temp is refused: not finite", id="infinite"),
    ],
)
def test_read_bad_binary_data_is_refused_by_name(dialect: Inference, changed: dict[str, bytes], said: str) -> None:
    with pytest.raises(RequestInvalid, match=said):
        dialect.read(*binary(changed))


def test_read_binary_data_that_is_left_over_or_lacking_is_refused(dialect: Inference) -> None:
    body, headers = binary()
    with pytest.raises(RequestInvalid, match=r"binary data has \d+ bytes"):
        dialect.read(body + b"x", headers)
    with pytest.raises(RequestInvalid, match=r"seats has no such binary_data_size"):
        dialect.read(body[:-1], headers)
    with pytest.raises(RequestMalformed):
        dialect.read(body, {})


@pytest.mark.parametrize("length", [b"", b"-1", b"x", b"9" * 30, b"99999999"])
def test_read_bad_length_of_the_json_part_is_malformed(dialect: Inference, length: bytes) -> None:
    with pytest.raises(RequestMalformed, match=r"Inference-Header-Content-Length"):
        dialect.read(asked(), {LENGTH: length})


def test_read_nan_in_json_and_a_name_twice_are_malformed_and_named(dialect: Inference) -> None:
    with pytest.raises(RequestMalformed, match=r"hour is refused: not finite"):
        dialect.read(asked(tensor("hour", data=[1, float("nan")])), {})
    with pytest.raises(RequestMalformed, match=r"shape"):
        dialect.read(asked().replace(b'"shape"', b'"shape": [1], "shape"', 1), {})


def test_read_compressed_body_is_refused(dialect: Inference) -> None:
    with pytest.raises(RequestUnreadable, match=r"gzip"):
        dialect.read(asked(), {b"content-encoding": b"gzip"})
