from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contender.core.errors import IntervalError
from contender.core.interval import Interval

moments = st.datetimes(datetime(2010, 1, 1), datetime(2020, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2013-06", "2013-06-01/2013-07-01"),
        ("2013-12", "2013-12-01/2014-01-01"),
        ("2013-06-03", "2013-06-03/2013-06-04"),
        ("2013-06-01/2013-07-01", "2013-06-01/2013-07-01"),
        ("2013-06-01T12:00:00Z/2013-06-02", "2013-06-01T12:00:00+00:00/2013-06-02"),
        ("2013-06-01T00:00:00+02:00/2013-06-02", "2013-05-31T22:00:00+00:00/2013-06-02"),
    ],
)
def test_parse_of_each_form_gives_the_utc_interval(text: str, written: str) -> None:
    assert str(Interval.parse(text)) == written


@pytest.mark.parametrize("text", ["", "June", "2013-13", "2013-07-01/2013-06-01", "2013-06-01/2013-06-01"])
def test_parse_of_what_is_no_interval_refuses(text: str) -> None:
    with pytest.raises(IntervalError, match="the interval cannot be read") as caught:
        Interval.parse(text)
    assert caught.value.got == repr(text)


@given(start=moments, end=moments)
def test_parse_of_the_written_form_gives_the_interval_back(start: datetime, end: datetime) -> None:
    if start < end:
        interval = Interval(start=start, end=end)
        assert Interval.parse(str(interval)) == interval


@given(start=moments, length=st.timedeltas(timedelta(microseconds=1), timedelta(days=800)))
def test_months_cover_the_interval_without_gap_or_overlap(start: datetime, length: timedelta) -> None:
    interval = Interval(start=start, end=start + length)
    months = interval.months()
    assert (months[0].start, months[-1].end) == (interval.start, interval.end)
    assert all(one.end == two.start for one, two in pairwise(months))
    assert all((month.end - timedelta(microseconds=1)).month == month.start.month for month in months)


def test_contains_is_half_open() -> None:
    june = Interval.parse("2013-06")
    assert june.start in june
    assert june.end not in june


def test_interval_without_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs a time zone"):
        Interval(start=datetime(2013, 6, 1), end=datetime(2013, 7, 1))  # noqa: DTZ001


def test_interval_of_airflow_s_own_times_keeps_its_zone_through_arithmetic() -> None:
    interval = Interval(start=pendulum.datetime(2013, 1, 1), end=pendulum.datetime(2014, 1, 1))
    assert type(interval.start) is datetime
    assert interval.end - timedelta(days=365) == interval.start
