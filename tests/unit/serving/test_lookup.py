from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from contender.adapters.online_rows import Row
from contender.core.errors import BundleBroken, RequestInvalid, StaleFeatures
from contender.serving.bundle import Signature, Value
from contender.serving.lookup import Looked, Lookup, Question, Stale, requests, require_fresh, stale_policy
from tests.unit.serving.tiny import COLUMNS, SIGNATURE

AT = datetime(2013, 7, 1, 11, 30, tzinfo=UTC)
KEYS = {"origin": "JFK", "carrier": "AA", "route": "JFK-LAX", "tailnum": "N14228"}
GIVEN: dict[str, Value] = {"origin": "JFK", "carrier": "AA", "dest": "LAX", "hour": 8.5, "weekday": 0.0}


@dataclass
class Rows:
    """One row for each view, whatever the entity."""

    held: dict[str, Row]
    asked: list[tuple[str, dict[str, str | int]]] = field(default_factory=list)

    def read_many(self, requests: Sequence[tuple[str, Mapping[str, str | int]]]) -> list[Row | None]:
        self.asked += [(view, dict(keys)) for view, keys in requests]
        return [self.held.get(view) for view, _ in requests]


def rows(**ages: timedelta) -> Rows:
    """Rows of all views, as old as told or a minute, each with its own value."""
    held = {"origin_weather": 70.0, "carrier_punctuality": 0.2, "route_punctuality": 2475.0, "plane_facts": 180.0}
    columns = {column["source"]: column["name"] for column in COLUMNS}
    return Rows({v: Row({columns[v]: x}, *[AT - ages.get(v, timedelta(minutes=1))] * 2) for v, x in held.items()})


def look(store: Rows, *keys: dict[str, str], stale: Stale = "default") -> Looked:
    """What is looked up for the last of some questions."""
    lookup = Lookup(msgspec.convert(SIGNATURE, Signature), stale)
    questions = [Question(AT, one, GIVEN) for one in keys or (KEYS,)]
    asked = lookup.entities(questions)
    found = store.read_many(requests(asked))
    return lookup.fill(questions, dict(zip(asked, found, strict=True)))[-1]


def test_lookup_fresh_rows_fill_the_row_in_the_signatures_order() -> None:
    store = rows()
    looked = look(store)
    assert looked.row == ["JFK", "AA", "LAX", 8.5, 0.0, 70.0, 0.2, 2475.0, 180.0]
    assert looked.unknown == {"missing": [], "stale": [], "later": []}
    assert ("route_punctuality", {"route": "JFK-LAX"}) in store.asked


@pytest.mark.parametrize(
    ("age", "unknown"),
    [
        pytest.param(timedelta(0), None, id="at the prediction time"),
        pytest.param(timedelta(hours=3), None, id="as old as the TTL"),
        pytest.param(timedelta(hours=3, microseconds=1), "stale", id="older than the TTL"),
        pytest.param(-timedelta(microseconds=1), "later", id="after the prediction time"),
    ],
)
def test_lookup_uses_rows_known_at_the_prediction_time(age: timedelta, unknown: str | None) -> None:
    looked = look(rows(origin_weather=age))
    assert looked.row[5] == (70.0 if unknown is None else None)
    assert [reason for reason, features in looked.unknown.items() if "temp" in features] == [unknown] * bool(unknown)


def test_lookup_view_without_ttl_never_goes_stale() -> None:
    assert look(rows(plane_facts=timedelta(days=4000))).row[8] == 180.0


def test_lookup_entity_without_a_row_is_missing() -> None:
    store = rows()
    del store.held["carrier_punctuality"]
    looked = look(store)
    assert looked.row[6] is None
    assert looked.unknown["missing"] == ["carrier_late_share_6h"]


def test_lookup_absent_join_key_is_missing_and_not_asked_for() -> None:
    store = rows()
    looked = look(store, {name: key for name, key in KEYS.items() if name != "tailnum"})
    assert looked.unknown["missing"] == ["seats"]
    assert "plane_facts" not in [view for view, _ in store.asked]


def test_lookup_null_in_a_fresh_row_is_missing() -> None:
    store = rows()
    store.held["plane_facts"] = Row({"seats": None}, AT, AT)
    assert look(store).unknown["missing"] == ["seats"]


def test_lookup_same_entity_is_read_once() -> None:
    store = rows()
    look(store, KEYS, KEYS | {"origin": "EWR"}, KEYS)
    assert sorted(view for view, _ in store.asked) == sorted([*SIGNATURE["views"], "origin_weather"])


STALE = {"origin_weather": timedelta(hours=4), "carrier_punctuality": -timedelta(hours=1)}


def test_lookup_stale_default_gives_null_and_says_so() -> None:
    looked = look(rows(**STALE))
    assert looked.row[5:7] == [None, None]
    assert looked.unknown == {"missing": [], "stale": ["temp"], "later": ["carrier_late_share_6h"]}
    require_fresh([looked])


def test_lookup_stale_serve_gives_the_stale_value_and_says_so() -> None:
    looked = look(rows(**STALE), stale="serve")
    assert looked.row[5:7] == [70.0, None]
    assert looked.unknown == {"missing": [], "stale": ["temp"], "later": ["carrier_late_share_6h"]}


def test_lookup_stale_reject_names_entity_view_age_and_limit() -> None:
    expected = r'origin_weather \["JFK"\]: 14400 s old, TTL 10800 s'
    looked = look(rows(**STALE), stale="reject")
    assert looked.unknown["stale"] == ["temp"]
    with pytest.raises(StaleFeatures, match=expected) as refused:
        require_fresh([looked])
    assert "carrier" not in str(refused.value)


def test_lookup_stale_reject_lets_missing_and_later_rows_pass() -> None:
    store = rows(carrier_punctuality=-timedelta(hours=1))
    del store.held["plane_facts"]
    looked = look(store, stale="reject")
    require_fresh([looked])
    assert looked.unknown == {"missing": ["seats"], "stale": [], "later": ["carrier_late_share_6h"]}


@pytest.mark.parametrize(("stale", "aged"), [("default", set()), ("serve", {"origin_weather"})])
def test_lookup_ages_are_those_of_the_rows_that_were_used(stale: Stale, aged: set[str]) -> None:
    ages = dict(look(rows(**STALE), stale=stale).ages)
    assert ages.keys() == {"route_punctuality", "plane_facts"} | aged
    assert ages["plane_facts"] == 60
    assert ages.get("origin_weather", 14_400) == 14_400


def test_lookup_key_that_is_no_text_is_refused_before_the_store_is_asked() -> None:
    store = rows()
    with pytest.raises(RequestInvalid, match=r"lone surrogate.*origin") as refused:
        look(store, KEYS, KEYS | {"origin": "\ud800"})
    assert refused.value.where == "requests[1]"
    assert store.asked == []


@pytest.mark.parametrize("policy", ["reject", "default", "serve"])
def test_stale_policy_of_its_name_is_taken(policy: str) -> None:
    assert stale_policy(policy) == policy


@pytest.mark.parametrize("said", ["", "Serve", "reject,serve"])
def test_stale_policy_of_another_name_is_refused(said: str) -> None:
    with pytest.raises(BundleBroken, match="CONTENDER_STALE; expected: reject, default, serve"):
        stale_policy(said)
