from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from contender.adapters.predictions import PARTS, PLAIN, Record
from contender.core.errors import BundleBroken
from contender.serving.record import LAST, Line, Recorder, RequestIds

COLUMNS = ["origin", "temp", "seats"]


class Flight(msgspec.Struct):
    origin: str
    tailnum: str | None


def recorder(*redact: str) -> Recorder:
    return Recorder(
        model="flight_delay",
        version="7",
        variant="canary",
        columns=COLUMNS,
        fields=["origin", "tailnum"],
        redact=redact,
    )


def read(line: bytes) -> Record:
    return msgspec.json.decode(line, type=Record)


def test_line_by_entity_reads_back_as_the_record_it_is() -> None:
    at = datetime(2013, 7, 1, 12, tzinfo=UTC)
    made = recorder().line(
        "0190163d-8694-739b-aea5-966c26f8ad91", "/predict", [["JFK", 61.5, None]], [0.25], 1.5, client_id="mine",
        entities=[Flight("JFK", "N1")], at=[at], unknown=[{"missing": ["seats"], "stale": [], "later": []}],
    )  # fmt: skip
    assert made.endswith(b"\n")
    assert made.count(b"\n") == 1
    found = read(made)
    assert datetime.now(UTC) >= found.time
    assert msgspec.structs.replace(found, time=at) == Record(
        request_id="0190163d-8694-739b-aea5-966c26f8ad91", client_id="mine", time=at, model="flight_delay", version="7",
        variant="canary", endpoint="/predict", latency_ms=1.5, entities=[{"origin": "JFK", "tailnum": "N1"}], at=[at],
        features=[["JFK", 61.5, None]], unknown=[{"missing": ["seats"], "stale": [], "later": []}], predictions=[0.25],
    )  # fmt: skip


def test_line_and_record_and_table_have_the_same_fields() -> None:
    assert set(Line.__struct_fields__) == set(Record.__struct_fields__) == {*PLAIN, *PARTS}


def test_time_of_a_line_has_always_six_digits() -> None:
    made = recorder()
    times = [msgspec.json.decode(made.line("i", "/", [], [], 0.0))["time"] for _ in range(200)]
    assert {len(time) for time in times} == {len("2026-01-01T00:00:00.000000Z")}
    assert times == sorted(times)


def test_redaction_takes_columns_fields_times_and_the_callers_id() -> None:
    made = recorder("origin", "tailnum", "at", "client_id")
    rows = [["secret-1", 61.5, None]]
    line = made.line(
        "i", "/predict", rows, [0.5], 1.0, client_id="secret-2", entities=[Flight("secret-3", "secret-4")],
        at=[datetime(1999, 1, 1, tzinfo=UTC)],
    )  # fmt: skip
    assert b"secret" not in line
    assert b"1999" not in line
    found = read(line)
    assert (found.features, found.entities) == ([[None, 61.5, None]], [{"origin": None, "tailnum": None}])
    assert rows == [["secret-1", 61.5, None]]  # the answer is still to be made of them


def test_redaction_in_nested_entities_reaches_every_depth() -> None:
    entity = {"legs": [{"tailnum": "secret", "origin": "JFK"}]}
    found = read(recorder("tailnum").line("i", "/predict", [], [], 1.0, entities=[entity]))
    assert found.entities == [{"legs": [{"tailnum": None, "origin": "JFK"}]}]


def test_redaction_of_a_name_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(BundleBroken, match=r"CONTENDER_REDACT.*got: tailnun") as raised:
        recorder("tailnun", "temp")
    assert raised.value.next_step.endswith("another model than flight_delay")


def test_redaction_meant_for_another_model_is_left_to_it() -> None:
    line = recorder("other.nothing", "flight_delay.temp").line("i", "/", [["JFK", 61.5, 3.0]], [], 1.0)
    assert read(line).features == [["JFK", None, 3.0]]


def test_ids_are_unique_and_grow() -> None:
    ids = RequestIds()
    made = [ids.new() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert all(uuid.UUID(one).version == 7 and str(uuid.UUID(one)) == one for one in made[:100])


def test_ids_of_two_processes_differ_in_the_same_millisecond() -> None:
    assert RequestIds().new()[-12:] != RequestIds().new()[-12:]


def test_ids_whose_clock_is_set_back_or_whose_counter_ends_still_grow() -> None:
    ids = RequestIds()
    ids._begin(2**47)
    first = ids.new()
    ids._count = LAST
    second, third = ids.new(), ids.new()
    assert first < second < third
    assert second[:13] > first[:13]
