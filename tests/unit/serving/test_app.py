from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest

from contender.core.errors import BundleBroken
from contender.serving.app import app_from_env
from contender.serving.asgi import App
from contender.serving.prediction_log import log_from_env
from tests.unit.serving.conftest import serve


def test_health_answers(raw_client: httpx.Client) -> None:
    assert raw_client.get("/health").json() == {"status": "alive"}


def test_ready_says_model_version_and_golden_requests(raw_client: httpx.Client) -> None:
    answer = raw_client.get("/ready")
    assert answer.status_code == 200
    content = answer.json()
    assert content.pop("largest_difference") < 1e-6
    assert content == {
        "status": "ready",
        "model": "flight_delay",
        "version": "7",
        "golden_requests": 20,
        "online_store": "off",
        "prediction_log": "off",
    }


@pytest.mark.parametrize("path", ["/", "/about"])
def test_about_gives_origin_and_signature(raw_client: httpx.Client, path: str) -> None:
    answer = raw_client.get(path).json()
    assert answer["about"]["run_id"] == "b" * 32
    assert answer["signature"]["columns"][0]["name"] == "origin"
    assert answer["signature"]["views"]["plane_facts"] == {"join_keys": ["tailnum"], "ttl_seconds": None}


def test_unknown_route_and_wrong_method_are_refused_as_json(raw_client: httpx.Client) -> None:
    absent, wrong = raw_client.get("/nothing"), raw_client.get("/predict")
    assert (absent.status_code, wrong.status_code) == (404, 405)
    assert absent.json()["error"]["what"] == "there is no such route"
    assert "/predict" in wrong.json()["error"]["where"]


def test_predict_by_entity_without_online_store_says_so(raw_client: httpx.Client) -> None:
    entity = {
        "flight": 1,
        "origin": "JFK",
        "dest": "LAX",
        "carrier": "AA",
        "tailnum": None,
        "scheduled_departure": "2013-07-01T12:00:00Z",
    }
    answer = raw_client.post("/predict", json={"requests": [entity]})
    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "OnlineStoreUnreachable"
    assert "/predict/raw" in answer.json()["error"]["next_step"]


def test_predict_by_entity_bundle_without_request_says_so(bundle: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (copied / "request.py").unlink()
    with serve(copied, None) as client:
        answer = client.post("/predict", json={"requests": []})
    assert answer.status_code == 422
    assert "/predict/raw" in answer.json()["error"]["next_step"]


def test_app_golden_requests_failed_lives_but_refuses(bundle: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    golden = json.loads((copied / "golden.json").read_text())
    golden["requests"][4]["output"] += 0.5
    (copied / "golden.json").write_text(json.dumps(golden))
    with serve(copied, None) as client:
        ready = client.get("/ready")
        raw = client.post("/predict/raw", json={"instances": [golden["requests"][0]["inputs"]]})
        assert client.get("/health").status_code == 200
    assert (ready.status_code, raw.status_code) == (503, 503)
    assert ready.json()["error"]["type"] == "GoldenRequestsFailed"
    assert "golden request 4 of 20" in ready.json()["error"]["where"]


def test_metrics_count_requests_errors_and_predictions(bundle: Path) -> None:
    instance = json.loads((bundle / "golden.json").read_text())["requests"][0]["inputs"]
    with serve(bundle, None) as client:
        client.post("/predict/raw", json={"instances": [instance, instance]})
        client.post("/predict/raw", json={"instances": [{}]})
        text = client.get("/metrics").text
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def value(name: str, **labels: str) -> float:
        wanted = ['model="flight_delay"', 'variant="stable"', *(f'{key}="{label}"' for key, label in labels.items())]
        (found,) = [
            sample
            for key, sample in samples.items()
            if key.startswith(name + "{") and all(part in key for part in wanted)
        ]
        return float(found)

    assert value("contender_requests_total", endpoint="/predict/raw", status="200") == 1
    assert value("contender_requests_total", endpoint="/predict/raw", status="422") == 1
    assert value("contender_errors_total", cause="RequestInvalid") == 1
    assert value("contender_prediction_count") == 2
    assert value("contender_request_seconds_count", endpoint="/predict/raw") == 2
    assert value("contender_model_info", version="7", model_digest="a" * 64) == 1


@pytest.mark.parametrize("name", ["CONTENDER_BUNDLE", "CONTENDER_ONLINE_STORE"])
def test_app_from_env_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch, bundle: Path, name: str) -> None:
    monkeypatch.setenv("CONTENDER_BUNDLE", str(bundle))
    monkeypatch.setenv("CONTENDER_ONLINE_STORE", "none")
    monkeypatch.setenv("CONTENDER_PREDICTIONS", "none")
    assert isinstance(app_from_env(), App)
    monkeypatch.delenv(name)
    with pytest.raises(BundleBroken, match=name):
        app_from_env()


def test_app_from_env_unknown_variant_is_refused(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> None:
    for name, value in {"BUNDLE": str(bundle), "ONLINE_STORE": "none", "PREDICTIONS": "none"}.items():
        monkeypatch.setenv(f"CONTENDER_{name}", value)
    monkeypatch.setenv("CONTENDER_VARIANT", "cannary")
    with pytest.raises(BundleBroken, match=r"one of stable, canary, shadow; got: cannary"):
        app_from_env()


def test_ready_says_so_where_no_answer_could_be_put_on_record(bundle: Path, tmp_path: Path) -> None:
    environ = {"CONTENDER_PREDICTIONS": str(tmp_path / "p.db"), "CONTENDER_JOURNAL": str(tmp_path / "journal")}
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "refused.jsonl").write_bytes(b"x" * 1_000_000)
    with serve(bundle, None, log_from_env(environ | {"CONTENDER_JOURNAL_MB": "1"})) as client:
        ready, ping = client.get("/ready"), client.get("/ping")
        golden = json.loads((bundle / "golden.json").read_text())["requests"]
        raw = client.post("/predict/raw", json={"instances": [golden[0]["inputs"]]})
    assert (ready.status_code, raw.status_code, ping.status_code) == (503, 503, 200)
    assert {answer.json()["error"]["type"] for answer in (ready, raw)} == {"PredictionLogFull"}
