from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docs.pages import example

GOOD: dict[str, Any] = {
    "origin": "JFK",
    "carrier": "AA",
    "dest": "LAX",
    "hour": 8.5,
    "weekday": 0,
    "temp": None,
    "carrier_late_share_6h": 0.25,
    "distance": 2475.0,
    "seats": 180,
}


def ask(client: httpx.Client, *instances: Any) -> httpx.Response:
    return client.post("/predict/raw", json={"instances": list(instances)})


def test_predict_raw_golden_requests_gives_the_outputs_of_training(raw_client: httpx.Client, bundle: Path) -> None:
    golden = json.loads((bundle / "golden.json").read_text())
    response = ask(raw_client, *(request["inputs"] for request in golden["requests"]))
    assert response.status_code == 200
    answer = response.json()
    assert answer["model"] == "flight_delay"
    assert answer["version"] == "7"
    outputs = [request["output"] for request in golden["requests"]]
    assert answer["predictions"] == pytest.approx(outputs, abs=golden["tolerance"])


def test_predict_raw_unknown_category_is_answered(raw_client: httpx.Client) -> None:
    response = ask(raw_client, GOOD | {"dest": "ZZZ", "carrier": "Q1"})
    assert response.status_code == 200
    assert 0 <= response.json()["predictions"][0] <= 1


@pytest.mark.parametrize(
    ("change", "field", "problem", "allowed"),
    [
        pytest.param({"hour": None}, "hour", "is null", "a number from 0 to 24", id="null"),
        pytest.param({"dest": None}, "dest", "is null", "text of at most 256 characters", id="null category"),
        pytest.param({"gate": "B23"}, "gate", "is unknown", "one of the fields origin", id="unknown"),
        pytest.param({"hour": 24.5}, "hour", "is refused", "a number from 0 to 24", id="above"),
        pytest.param({"temp": -41}, "temp", "is refused", "a number from -40 to 120 or null", id="below"),
        pytest.param({"distance": -1}, "distance", "is refused", "a number from 0 or null", id="half-open"),
        pytest.param({"seats": "180"}, "seats", "is refused", "a number from 1 to 1000", id="text for number"),
        pytest.param({"seats": True}, "seats", "is refused", "a number from 1 to 1000", id="boolean"),
        pytest.param({"seats": [180]}, "seats", "is refused", "a number from 1 to 1000", id="list"),
        pytest.param({"origin": 5}, "origin", "is refused", "text of at most", id="number for text"),
        pytest.param({"distance": 1e39}, "distance", "is refused", "a number from 0 or null", id="beyond float32"),
    ],
)
def test_predict_raw_bad_field_is_refused_by_name(
    raw_client: httpx.Client, change: dict[str, Any], field: str, problem: str, allowed: str
) -> None:
    body = json.dumps({"instances": [GOOD, GOOD | change]})
    response = raw_client.post("/predict/raw", content=body)
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["type"] == "RequestInvalid"
    assert f"instances[1].{field}" in error["where"]
    assert error["next_step"]
    (found,) = error["problems"]
    assert (found["index"], found["field"]) == (1, field)
    assert found["problem"].startswith(problem)
    assert found["allowed"].startswith(allowed)
    assert found["value"] == change[field] or str(change[field]) in str(found["value"])


def test_predict_raw_missing_field_is_refused_by_name(raw_client: httpx.Client) -> None:
    response = ask(raw_client, {name: value for name, value in GOOD.items() if name != "temp"})
    assert response.status_code == 422
    (found,) = response.json()["error"]["problems"]
    assert found == {
        "index": 0,
        "field": "temp",
        "problem": "is missing",
        "value": None,
        "allowed": "a number from -40 to 120 or null",
    }


def test_predict_raw_several_faults_are_all_named(raw_client: httpx.Client) -> None:
    response = ask(raw_client, GOOD | {"hour": 25}, GOOD, GOOD | {"weekday": 7, "extra": 1})
    found = {(one["index"], one["field"]) for one in response.json()["error"]["problems"]}
    assert found == {(0, "hour"), (2, "weekday"), (2, "extra")}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b'{"instances": [', 400, id="cut off"),
        pytest.param(b'{"instances": [{"hour": NaN}]}', 400, id="NaN is no JSON"),
        pytest.param(b"\xff\xfe", 400, id="no UTF-8"),
        pytest.param(rb'{"instances": [{"\ud800": 1}]}', 400, id="lone surrogate"),
        pytest.param(b"[" * 200_000, 400, id="nested without end"),
        pytest.param(b"[]", 422, id="list"),
        pytest.param(b"{}", 422, id="no instances"),
        pytest.param(b'{"instances": []}', 422, id="no rows"),
        pytest.param(b'{"instances": [1]}', 422, id="row is no object"),
        pytest.param(b'{"requests": []}', 422, id="the other route's form"),
        pytest.param(b'{"instances": [{"hour": 1e999}]}', 422, id="infinite"),
        pytest.param(b'{"instances": [' + b" " * 1_048_576 + b"]}", 413, id="too large"),
    ],
)
def test_predict_raw_bad_body_is_refused(raw_client: httpx.Client, body: bytes, status: int) -> None:
    response = raw_client.post("/predict/raw", content=body)
    assert response.status_code == status
    error = response.json()["error"]
    assert error["what"]
    assert error["where"]
    assert error["expected"]


def test_predict_raw_too_many_rows_is_refused(raw_client: httpx.Client) -> None:
    response = ask(raw_client, *([{}] * 1001))
    assert response.status_code == 422
    assert "1 to 1000" in response.json()["error"]["expected"]
    assert "1001" in response.json()["error"]["got"]


def test_predict_raw_is_asked_as_the_page_says(raw_client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "dags" / "my_model").mkdir(parents=True)
    (tmp_path / "dags" / "my_model" / "example_request.json").write_text(json.dumps(GOOD, indent=2))
    command = example("docs/new-model.md", "ask-raw")
    asked = command.replace("http://127.0.0.1:8500", str(raw_client.base_url).rstrip("/"))
    assert asked != command
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(["bash", "-euc", asked], cwd=tmp_path, env=env, capture_output=True, check=True)
    (prediction,) = json.loads(done.stdout)["predictions"]
    assert 0 <= prediction <= 1
