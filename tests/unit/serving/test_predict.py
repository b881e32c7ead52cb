"""Predictions by entity: a real online store, written as the platform writes it, behind the real app."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from contender.feast_stores.rows_table import write_rows
from tests.unit.serving.conftest import PATIENT, serve
from tests.unit.serving.tiny import SIGNATURE

DEPARTURE = datetime(2013, 7, 1, 12, 30, tzinfo=UTC)
AT = DEPARTURE - timedelta(hours=1)
ENTITY: dict[str, Any] = {
    "flight": 1545,
    "origin": "JFK",
    "dest": "LAX",
    "carrier": "AA",
    "tailnum": "N14228",
    "scheduled_departure": DEPARTURE.isoformat(),
}
ROWS = {
    "origin_weather": ("JFK", "temp", 71.0, AT - timedelta(minutes=39)),
    "carrier_punctuality": ("AA", "carrier_late_share_6h", 0.25, AT - timedelta(minutes=3)),
    "route_punctuality": ("JFK-LAX", "distance", 2475.0, AT - timedelta(hours=9)),
    "plane_facts": ("N14228", "seats", 180.0, datetime(2013, 1, 1, tzinfo=UTC)),
}
RAW = {
    "origin": "JFK",
    "carrier": "AA",
    "dest": "LAX",
    "hour": 8.5,
    "weekday": 0,
    "temp": 71,
    "carrier_late_share_6h": 0.25,
    "distance": 2475,
    "seats": 180,
}


def write_store(address: str | Path) -> None:
    for view, (entity, feature, value, at) in ROWS.items():
        (key,) = SIGNATURE["views"][view]["join_keys"]
        table = pa.table(
            {key: [entity], feature: [value], "event_timestamp": pa.array([at], pa.timestamp("us", "UTC"))}
        )
        write_rows(
            str(address),
            view,
            table,
            project="contender",
            join_keys=[key],
            features=[feature],
            event_column="event_timestamp",
        )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_store(tmp_path / "online.db")
    return tmp_path / "online.db"


@pytest.fixture
def client(bundle: Path, store: Path) -> Iterator[httpx.Client]:
    with serve(bundle, str(store)) as client:
        yield client


def ask(client: httpx.Client, *entities: Any) -> httpx.Response:
    return client.post("/predict", json={"requests": list(entities)})


def test_predict_known_features_gives_what_the_raw_route_gives(client: httpx.Client) -> None:
    assert client.get("/ready").json()["online_store"] == "reachable"
    response = ask(client, ENTITY)
    assert response.status_code == 200
    (prediction,) = response.json()["predictions"]
    raw = client.post("/predict/raw", json={"instances": [RAW]}).json()["predictions"]
    assert prediction == {
        "probability": raw[0],
        "prediction_time": "2013-07-01T11:30:00Z",
        "features": {"missing": [], "stale": [], "later": []},
    }


def test_predict_unknown_stale_and_later_features_are_listed(client: httpx.Client) -> None:
    later = ENTITY | {"scheduled_departure": (DEPARTURE + timedelta(hours=4)).isoformat(), "tailnum": None}
    earlier = ENTITY | {"scheduled_departure": (DEPARTURE - timedelta(minutes=10)).isoformat()}
    elsewhere = ENTITY | {"carrier": "ZZ", "dest": "XYZ"}
    predictions = ask(client, later, earlier, elsewhere).json()["predictions"]
    assert [one["features"] for one in predictions] == [
        {"missing": ["seats"], "stale": ["temp"], "later": []},
        {"missing": [], "stale": [], "later": ["carrier_late_share_6h"]},
        {"missing": ["carrier_late_share_6h", "distance"], "stale": [], "later": []},
    ]
    assert all(0 <= one["probability"] <= 1 for one in predictions)
    unknown = [line for line in client.get("/metrics").text.splitlines() if line.startswith("contender_features_unk")]
    assert any('feature="temp"' in line and 'reason="stale"' in line and line.endswith(" 1.0") for line in unknown)


def test_predict_stale_feature_by_the_policy_reject_is_refused_and_counted(bundle: Path, store: Path) -> None:
    later = ENTITY | {"scheduled_departure": (DEPARTURE + timedelta(hours=4)).isoformat()}
    with serve(bundle, str(store), lookups=replace(PATIENT, stale="reject")) as client:
        refused = ask(client, later)
        assert (refused.status_code, refused.json()["error"]["type"]) == (503, "StaleFeatures")
        series = client.get("/metrics").text.splitlines()
    (counted,) = [one for one in series if one.startswith("contender_features_unknown_total")]
    assert 'feature="temp"' in counted
    assert 'reason="stale"' in counted
    assert counted.endswith(" 1.0")


@pytest.mark.parametrize(
    ("change", "field", "problem", "allowed"),
    [
        pytest.param({"origin": "BOS"}, "origin", "is refused", "one of EWR, JFK, LGA", id="origin elsewhere"),
        pytest.param({"flight": 10_000}, "flight", "is refused", "a whole number from 1 to 9999", id="out of range"),
        pytest.param({"flight": 1.5}, "flight", "is refused", "a whole number from 1 to 9999", id="fraction"),
        pytest.param({"dest": "Boston"}, "dest", "is refused", "text that matches ^[A-Z]{3}$", id="pattern"),
        pytest.param({"carrier": None}, "carrier", "is null", "text that matches ^[A-Z0-9]{2}$", id="null"),
        pytest.param({"gate": "B2"}, "gate", "is unknown", "one of the fields flight, origin", id="unknown"),
        pytest.param(
            {"scheduled_departure": "2013-07-01T12:30:00"},
            "scheduled_departure",
            "is refused",
            "an ISO 8601 time with a UTC offset",
            id="no time zone",
        ),
    ],
)
def test_predict_bad_field_is_refused_by_name(
    client: httpx.Client, change: dict[str, Any], field: str, problem: str, allowed: str
) -> None:
    response = ask(client, ENTITY, ENTITY | change)
    assert response.status_code == 422
    (found,) = response.json()["error"]["problems"]
    assert (found["index"], found["field"], found["value"]) == (1, field, change[field])
    assert found["problem"].startswith(problem)
    assert found["allowed"].startswith(allowed)


def test_predict_missing_field_is_refused_by_name(client: httpx.Client) -> None:
    response = ask(client, {name: value for name, value in ENTITY.items() if name != "tailnum"})
    (found,) = response.json()["error"]["problems"]
    assert (found["field"], found["problem"]) == ("tailnum", "is missing")
    assert found["allowed"].endswith("or null")


def test_predict_time_that_cannot_be_placed_is_refused(client: httpx.Client) -> None:
    response = ask(client, ENTITY | {"scheduled_departure": "0001-01-01T00:30:00Z"})
    assert response.status_code == 422
    assert response.json()["error"]["where"] == "requests[0]"


def _delete(store: Path) -> None:
    for file in store.parent.glob(f"{store.name}*"):
        file.unlink()


def _replace_by_text(store: Path) -> None:
    _delete(store)
    store.write_text("not a store at all, though it is long enough to be read as one " * 100)


def _replace_by_other_database(store: Path) -> None:
    _delete(store)
    with sqlite3.connect(store) as other:
        other.execute("CREATE TABLE something (x)")
    other.close()


def _drop_view(store: Path) -> None:
    _delete(store)
    write_store(store)
    with sqlite3.connect(store) as other:
        other.execute("DELETE FROM contender_views WHERE view = 'plane_facts'")
    other.close()


@pytest.mark.parametrize("harm", [_delete, _replace_by_text, _replace_by_other_database, _drop_view])
def test_predict_online_store_unreachable_while_serving_is_503_until_it_is_back(
    client: httpx.Client, store: Path, harm: Any
) -> None:
    assert ask(client, ENTITY).status_code == 200
    harm(store)
    refused, ready = ask(client, ENTITY), client.get("/ready")
    assert (refused.status_code, ready.status_code) == (503, 503)
    for response in (refused, ready):
        error = response.json()["error"]
        assert error["type"] == "OnlineStoreUnreachable"
        assert error["where"] == str(store)
        assert error["next_step"]
    assert client.get("/health").status_code == 200
    assert client.post("/predict/raw", json={"instances": [RAW]}).status_code == 200
    assert 'cause="OnlineStoreUnreachable"' in client.get("/metrics").text
    _delete(store)
    write_store(store)
    assert (ask(client, ENTITY).status_code, client.get("/ready").status_code) == (200, 200)


def test_app_online_store_absent_at_start_lives_and_says_not_ready(bundle: Path, tmp_path: Path) -> None:
    with serve(bundle, str(tmp_path / "absent.db")) as client:
        assert client.get("/health").status_code == 200
        ready = client.get("/ready")
    assert ready.status_code == 503
    assert json.loads(ready.content)["error"]["where"].endswith("absent.db")
