"""Whatever is sent, the app answers, and what it refuses it refuses by name: Schemathesis and made-up bodies."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.serving.test_inference import asked, tensor
from tests.unit.serving.test_invocations import NAMES, split
from tests.unit.serving.test_openapi import client, store  # noqa: F401  fixtures
from tests.unit.serving.test_predict import ENTITY
from tests.unit.serving.test_predict_raw import GOOD

# The same examples each time, and no memory of them between runs.
STEADY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# MLflow's server calls a line break, and a version without quotation marks, JSON.
AS_MLFLOW_HAS_THEM = {"/ping", "/version"}


def test_schemathesis_finds_no_fault(client: httpx.Client) -> None:  # noqa: F811
    """Of each operation as many requests as the document allows and forbids, against a live server with its store."""
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    answered: list[tuple[str, int]] = []

    def ask(case: Any) -> None:
        response = case.call()
        case.validate_response(response, checks=CHECKS[:2] if case.path in AS_MLFLOW_HAS_THEM else CHECKS)
        answered.append((case.path, response.status_code))

    for result in schema.get_all_operations():
        operation = result.ok()
        modes = [schemathesis.GenerationMode.POSITIVE]
        modes += [schemathesis.GenerationMode.NEGATIVE] if operation.method == "post" else []
        for mode in modes:
            cases = operation.as_strategy(generation_mode=mode)
            STEADY(given(cases)(ask))()
    # Schemathesis leaves the address out that it has the document from.
    assert {path for path, _ in answered} | {"/openapi.json"} == set(client.get("/openapi.json").json()["paths"])
    assert {200, 400, 422} <= {status for _, status in answered} < {200, 400, 413, 415, 422}


ROUTES = {
    "/predict": lambda field: json.dumps({"requests": [ENTITY | {"flight": field}]}),
    "/predict/raw": lambda field: json.dumps({"instances": [GOOD | {"hour": field}]}),
    "/invocations": lambda field: json.dumps(split(NAMES, GOOD | {"hour": field})),
    "/v2/models/flight_delay/infer": lambda field: asked(tensor("hour", data=[1, field])).decode(),
}
FIELDS = {"/predict": "flight"}
# Nothing of it is a number that flight or hour takes.
WRONG = st.recursive(
    st.none()
    | st.booleans()
    | st.text(st.characters(), max_size=9)
    | st.integers(min_value=10_000)
    | st.integers(max_value=-1)
    | st.floats(max_value=-0.5)
    | st.sampled_from([float("nan"), float("inf"), float("-inf"), 10**400, 1e308, "\ud800", "8", "\u0000"]),
    lambda inner: st.lists(inner, min_size=2, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def post(client: httpx.Client, path: str, body: bytes) -> httpx.Response:  # noqa: F811
    return client.post(path, content=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("path", ROUTES)
def test_wrong_values_are_refused_with_the_field_named(client: httpx.Client, path: str) -> None:  # noqa: F811
    @settings(STEADY, max_examples=60)
    @given(WRONG)
    def refused(value: Any) -> None:
        response = post(client, path, ROUTES[path](value).encode())
        assert response.status_code in {400, 422}, (value, response.text)
        error = response.json()["error"]
        where = error if isinstance(error, str) else error["where"]
        assert FIELDS.get(path, "hour") in where, (value, error)

    refused()


DEEP = {depth: "[" * depth + "]" * depth for depth in (50, 500, 990, 100_000)}
GOOD_BODIES = {path: make(8) for path, make in ROUTES.items()}
BROKEN = {
    "empty": lambda text: b"",
    "cut off": lambda text: text.encode()[:-3],
    "with something behind": lambda text: text.encode() + b"{}",
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without its mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "Latin-1": lambda text: text.replace("JFK", "J\xc9K").encode("latin-1"),
    "single quotes": lambda text: text.replace('"', "'").encode(),
    "a comment": lambda text: b"/**/" + text.encode(),
    "NUL": lambda text: text.replace("JFK", "J\0K").encode(),
    "a name twice": lambda text: text.replace(
        "{", '{"requests": 1, "instances": 1, "inputs": 1, "dataframe_split": 1, ', 1
    ).encode(),
    "lone surrogate": lambda text: text.replace("JFK", "\\ud800").encode(),
    "huge": lambda text: text.encode() + b" " * 1_048_576,
    "huge text": lambda text: text.replace("JFK", "J" * 1_000_000).encode(),
    "huge number": lambda text: text.replace("8", "8" * 100_000).encode(),
    **{f"{depth} deep": lambda text, deep=deep: text.replace("8", deep).encode() for depth, deep in DEEP.items()},
}


@pytest.mark.parametrize("path", ROUTES)
def test_broken_bodies_are_refused(client: httpx.Client, path: str) -> None:  # noqa: F811
    assert post(client, path, GOOD_BODIES[path].encode()).status_code == 200
    for name, broken in BROKEN.items():
        response = post(client, path, broken(GOOD_BODIES[path]))
        assert response.status_code in {400, 413, 422}, (name, response.text)
        assert response.json()["error"], name
    assert post(client, path, GOOD_BODIES[path].encode()).status_code == 200


@pytest.mark.parametrize("path", [*ROUTES, "/nothing", "/v2/models/other/infer"])
def test_any_bytes_are_answered(client: httpx.Client, path: str) -> None:  # noqa: F811
    kinds = st.sampled_from(["application/json", "text/csv", "application/octet-stream", "text/plain; charset=x", ""])
    lengths = st.none() | st.sampled_from(["0", "1", "-1", "9" * 40, "x"])

    @settings(STEADY, max_examples=40)
    @given(st.binary(max_size=300), kinds, lengths)
    def answered(body: bytes, kind: str, length: str | None) -> None:
        headers = {"Content-Type": kind} | ({} if length is None else {"Inference-Header-Content-Length": length})
        response = client.post(path, content=body, headers=headers)
        assert response.status_code in {400, 404, 415, 422}
        assert response.json()["error"]

    answered()
