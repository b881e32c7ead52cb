from __future__ import annotations

import pandas as pd
import pytest

from contender.core.errors import IntervalError, ValidationFailed
from contender.core.interval import Interval
from contender.core.spec import ModelSpec, Table
from contender.stages import data
from flight_delay.dag import SPEC

TABLE = Table(name="flights", time_column="at", key=("at",))
FACTS = Table(name="planes", time_column=None, key=("tailnum",))
JANUARY, FEBRUARY, JUNE = (Interval.parse(text) for text in ("2013-01", "2013-02", "2013-06"))
FRAME = pd.DataFrame({"at": pd.to_datetime(["2013-01-31T23:59Z", "2013-02-01T00:00Z", "2013-02-28T23:59Z"])})


def months(found: list[Interval]) -> list[str]:
    return [f"{month.start:%Y-%m}" for month in found]


def test_window_reaches_back_over_history_and_lookback_but_not_before_the_data() -> None:
    assert str(data.window(SPEC, JUNE)) == "2013-01-01/2013-07-01"
    short = SPEC.model_copy(update={"windows": SPEC.windows.model_copy(update={"history_days": 60})})
    assert str(data.window(short, JUNE)) == "2013-04-01/2013-07-01"


PRESENT = {
    "nothing there": ({"flights": set(), "weather": set()}, ["2013-01", "2013-02"]),
    "the month before is there": ({"flights": {"2013-01"}, "weather": {"2013-01"}}, ["2013-02"]),
    "one table lacks it": ({"flights": {"2013-01"}, "weather": set()}, ["2013-01", "2013-02"]),
    "everything is there": ({"flights": {"2013-01", "2013-02"}, "weather": {"2013-01", "2013-02"}}, ["2013-02"]),
}


@pytest.mark.parametrize(("present", "wanted"), PRESENT.values(), ids=PRESENT.keys())
def test_months_to_read_are_those_that_lack_and_the_intervals_own(
    present: dict[str, set[str]], wanted: list[str]
) -> None:
    assert months(data.months_to_read(SPEC, FEBRUARY, present)) == wanted


def test_months_to_read_when_forced_are_all_of_the_window() -> None:
    present = {"flights": {"2013-01", "2013-02"}}
    assert months(data.months_to_read(SPEC, FEBRUARY, present, force=True)) == ["2013-01", "2013-02"]


def test_months_to_read_of_late_labels_are_all_of_the_window_whatever_run_brought_them_in() -> None:
    late = ModelSpec(**(dict(SPEC) | {"label_delay_hours": 24}))
    present = {"flights": {"2013-01", "2013-02", "2013-03"}}
    march = Interval.parse("2013-03")
    assert months(data.months_to_read(SPEC, march, present)) == ["2013-03"]
    assert months(data.months_to_read(late, march, present)) == ["2013-01", "2013-02", "2013-03"]


def test_cut_takes_the_half_open_interval() -> None:
    assert len(data.cut(FRAME, TABLE, FEBRUARY)) == 2
    assert data.cut(FRAME, TABLE, FEBRUARY).index.tolist() == [0, 1]


def test_cut_of_facts_takes_everything() -> None:
    assert data.cut(FRAME, FACTS, FEBRUARY) is FRAME


def test_cut_without_the_time_column_names_it() -> None:
    with pytest.raises(ValidationFailed, match=r"flights\.at"):
        data.cut(FRAME.rename(columns={"at": "when"}), TABLE, FEBRUARY)


@pytest.mark.parametrize(("hours", "fresh"), [(24.0, "2013-02-28T00"), (None, "2013-02-01T00")], ids=["limit", "none"])
def test_bounds_give_interval_and_freshness(hours: float | None, fresh: str) -> None:
    found = data.bounds(FEBRUARY, hours)
    assert (found["interval_start"], found["interval_end"]) == (FEBRUARY.start, FEBRUARY.end)
    assert f"{found['fresh_from']:%Y-%m-%dT%H}" == fresh


def test_require_rows_names_the_empty_tables() -> None:
    data.require_rows({"flights": 1}, JANUARY)
    with pytest.raises(IntervalError, match="flights, weather"):
        data.require_rows({"flights": 0, "weather": 0, "planes": 3}, JANUARY)


def test_marked_rows_are_separated_without_loss() -> None:
    marked = data.mark(FRAME, pd.Series(["too early"], index=[0]))
    accepted, quarantined = data.separate(marked)
    assert (len(accepted), len(quarantined)) == (2, 1)
    assert data.REASON not in accepted
    assert quarantined[data.REASON].tolist() == ["too early"]


def test_rows_without_a_reason_all_pass() -> None:
    accepted, quarantined = data.separate(
        data.mark(FRAME, pd.Series([], index=pd.Index([], dtype="int64"), dtype="object"))
    )
    assert (len(accepted), len(quarantined)) == (3, 0)


def test_require_valid_names_every_table_that_failed() -> None:
    data.require_valid({"flights 2013-01": (), "weather 2013-01": ()})
    with pytest.raises(ValidationFailed) as raised:
        data.require_valid({"flights 2013-01": ("key: not unique",), "weather 2013-01": (), "planes": ("no rows",)})
    assert raised.value.where == "flights 2013-01, planes"
    assert raised.value.got == "flights 2013-01: key: not unique, planes: no rows"


def test_require_valid_names_the_reports_of_the_tables_that_failed() -> None:
    pages = {"flights 2013-01": "http://host/flights.html", "weather 2013-01": "http://host/weather.html"}
    with pytest.raises(ValidationFailed) as raised:
        data.require_valid({"flights 2013-01": ("key: not unique",), "weather 2013-01": ()}, pages)
    assert raised.value.next_step.startswith("open http://host/flights.html; mend the source")
