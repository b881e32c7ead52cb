"""Which intervals are scheduled, and which one a run works on."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction

from contender.core.errors import IntervalError
from contender.core.interval import Interval
from contender.operators.base import run_interval, run_type
from contender.operators.timetable import IntervalsWithData
from flight_delay.dag import SPEC

UNTIL = datetime(2014, 1, 1, tzinfo=UTC)


def scheduled(timetable: IntervalsWithData, *, catchup: bool = True, limit: int = 20) -> list[str]:
    """Every interval that a schedule from 2013 on would run."""
    restriction = TimeRestriction(earliest=pendulum.datetime(2013, 1, 1), latest=None, catchup=catchup)
    found: list[str] = []
    last = None
    for _ in range(limit):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        last = info.data_interval
        found.append(str(Interval(start=last.start, end=last.end)))
    return found


def test_schedule_runs_every_month_of_the_data_and_none_after_it() -> None:
    found = scheduled(IntervalsWithData("@monthly", until=UNTIL))
    assert len(found) == 12
    assert (found[0], found[-1]) == ("2013-01-01/2013-02-01", "2013-12-01/2014-01-01")


def test_schedule_without_catchup_runs_nothing_once_the_data_has_ended() -> None:
    assert scheduled(IntervalsWithData("@monthly", until=UNTIL), catchup=False) == []


def test_schedule_of_data_that_ends_within_an_interval_leaves_it_out() -> None:
    found = scheduled(IntervalsWithData("@monthly", until=datetime(2013, 12, 31, tzinfo=UTC)))
    assert found[-1] == "2013-11-01/2013-12-01"


def test_schedule_of_data_without_an_end_goes_on() -> None:
    assert len(scheduled(IntervalsWithData("@monthly"), limit=30)) == 30


@pytest.mark.parametrize(
    ("at", "interval"),
    [("2026-11-20T11:22:00", "2013-12-01/2014-01-01"), ("2013-03-05T00:00:00", "2013-02-01/2013-03-01")],
    ids=["today", "within the data"],
)
def test_run_triggered_by_hand_gets_the_newest_interval_with_data(at: str, interval: str) -> None:
    found = IntervalsWithData("@monthly", until=UNTIL).infer_manual_data_interval(run_after=pendulum.parse(at))
    assert str(Interval(start=found.start, end=found.end)) == interval


@pytest.mark.parametrize("until", [UNTIL, None], ids=["with an end", "without"])
@pytest.mark.usefixtures("bag")
def test_timetable_survives_the_metadata_database(until: datetime | None) -> None:
    timetable = IntervalsWithData("@monthly", until=until)
    found = decode_timetable(encode_timetable(timetable))
    assert isinstance(found, IntervalsWithData)
    assert found.until == until
    assert found.serialize() == timetable.serialize()


def context(interval: str | None = None, run_type: str = "manual", own: str | None = None) -> Any:
    """A run's context with the parameter `interval` and a data interval of its own."""
    span = Interval.parse(own) if own else None
    run = SimpleNamespace(
        run_type=run_type,
        data_interval_start=span.start if span else None,
        data_interval_end=span.end if span else None,
    )
    return {"params": {"interval": interval}, "dag_run": run}


RUNS = {
    "a parameter": (context("2013-06"), "2013-06-01/2013-07-01"),
    "a parameter and a data interval": (context("2013-06", "scheduled", "2013-03"), "2013-06-01/2013-07-01"),
    "a backfill": (context(None, "backfill", "2013-03"), "2013-03-01/2013-04-01"),
    "a schedule": (context(None, "scheduled", "2013-03"), "2013-03-01/2013-04-01"),
    "a hand, in the time of the data": (context(None, "manual", "2013-03"), "2013-03-01/2013-04-01"),
    "a hand, today": (context(None, "manual", "2026-10"), "2013-12-01/2014-01-01"),
    "REST without a logical date": (context(), "2013-12-01/2014-01-01"),
}


@pytest.mark.parametrize(("run", "interval"), RUNS.values(), ids=RUNS.keys())
def test_run_interval_of_each_kind_of_run(run: Any, interval: str) -> None:
    assert str(run_interval(run, SPEC)) == interval


@pytest.mark.parametrize(
    "run",
    [context("2014-01"), context("2012-12"), context(None, "scheduled", "2014-01")],
    ids=["later", "earlier", "scheduled"],
)
def test_run_interval_without_data_names_the_bounds(run: Any) -> None:
    with pytest.raises(IntervalError, match=r"2013-01-01/2014-01-01") as raised:
        run_interval(run, SPEC)
    assert "the interval has no data" in str(raised.value)


@pytest.mark.parametrize("kind", [DagRunType.BACKFILL, "backfill"], ids=["in a worker", "in this process"])
def test_run_type_is_the_word_that_airflow_stores(kind: Any) -> None:
    assert run_type(context(run_type=kind)) == "backfill"


def test_run_interval_of_data_without_an_end_must_be_given() -> None:
    with pytest.raises(IntervalError, match="the run has no interval"):
        run_interval(context(), SPEC.model_copy(update={"data_until": None}))


def test_run_interval_of_half_a_month_is_refused() -> None:
    with pytest.raises(IntervalError, match="not made of whole months"):
        run_interval(context("2013-06-01/2013-06-16"), SPEC)
