from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from flight_delay.request import LEAD, Request, calendar, resolve, route_key

SENT = {
    "flight": 1545,
    "origin": "JFK",
    "dest": "LAX",
    "carrier": "AA",
    "tailnum": "N14228",
    "scheduled_departure": "2013-07-01T08:30:00-04:00",
}


@pytest.mark.parametrize(
    ("utc", "hour", "weekday"),
    [
        pytest.param(datetime(2013, 7, 1, 12, 30, tzinfo=UTC), 8.5, 0.0, id="summer"),
        pytest.param(datetime(2013, 1, 7, 13, 30, tzinfo=UTC), 8.5, 0.0, id="winter"),
        pytest.param(datetime(2013, 1, 7, 4, 59, tzinfo=UTC), 23 + 59 / 60, 6.0, id="the day before in New York"),
        pytest.param(datetime(2013, 3, 10, 7, 0, tzinfo=UTC), 3.0, 6.0, id="clocks went forward"),
        pytest.param(datetime(2013, 11, 3, 6, 30, tzinfo=UTC), 1.5, 6.0, id="clocks went back"),
    ],
)
def test_calendar_is_new_york_time(utc: datetime, hour: float, weekday: float) -> None:
    assert calendar(utc) == {"hour": pytest.approx(hour), "weekday": weekday}
    elsewhere = utc.astimezone(timezone(timedelta(hours=9)))
    assert calendar(elsewhere) == calendar(utc)


def test_calendar_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        calendar(datetime(2013, 7, 1, 12))  # noqa: DTZ001  meant


def test_resolve_gives_time_keys_and_request_columns() -> None:
    at, keys, given = resolve(msgspec.convert(SENT, Request))
    assert at == datetime(2013, 7, 1, 12, 30, tzinfo=UTC) - LEAD
    assert at.tzinfo is UTC
    assert keys == {
        "origin": "JFK",
        "carrier": "AA",
        "dest": "LAX",
        "route": "JFK-LAX",
        "flight_number": "AA1545/JFK-LAX",
        "tailnum": "N14228",
    }
    assert given == {"origin": "JFK", "carrier": "AA", "dest": "LAX", "hour": 8.5, "weekday": 0.0}


def test_resolve_no_plane_yet_leaves_its_key_out() -> None:
    _, keys, _ = resolve(msgspec.convert(SENT | {"tailnum": None}, Request))
    assert "tailnum" not in keys
    assert keys["route"] == "JFK-LAX"


def test_route_key_joins_origin_and_destination() -> None:
    assert route_key("JFK", "LAX") == "JFK-LAX"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"flight": 0}, id="flight below"),
        pytest.param({"flight": 10_000}, id="flight above"),
        pytest.param({"flight": "1545"}, id="flight as text"),
        pytest.param({"origin": "BOS"}, id="origin elsewhere"),
        pytest.param({"dest": "lax"}, id="dest lower case"),
        pytest.param({"dest": "LAX\n"}, id="dest with a line break"),
        pytest.param({"carrier": "AAL"}, id="carrier with three"),
        pytest.param({"tailnum": ""}, id="tailnum empty"),
        pytest.param({"scheduled_departure": "2013-07-01T08:30:00"}, id="no offset"),
        pytest.param({"gate": "B23"}, id="unknown field"),
    ],
)
def test_request_bad_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(SENT | change, Request)


@pytest.mark.parametrize("field", list(SENT))
def test_request_missing_field_is_refused(field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({name: value for name, value in SENT.items() if name != field}, Request)
