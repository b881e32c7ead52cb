from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from contender.core.errors import DataError, RowsNotConserved, StaleFeatures
from contender.core.interval import Interval
from contender.core.spec import View
from contender.stages import features
from flight_delay.dag import SPEC

FEBRUARY, MARCH = Interval.parse("2013-02"), Interval.parse("2013-03")
TWO = SPEC.model_copy(update={"views": (View(name="hourly", max_age_hours=6), View(name="facts", max_age_hours=None))})
NEWEST = FEBRUARY.end - timedelta(hours=6)


def test_require_fresh_at_the_limit_passes() -> None:
    features.require_fresh(TWO, {"hourly": NEWEST, "facts": FEBRUARY.start}, FEBRUARY)


@pytest.mark.parametrize(
    ("newest", "where", "got"),
    [
        (
            {"hourly": NEWEST - timedelta(seconds=1), "facts": FEBRUARY.start},
            "hourly",
            "newest row at 2013-02-28T17:59:59",
        ),
        ({"hourly": NEWEST, "facts": None}, "facts", "no row"),
        ({"facts": FEBRUARY.start}, "hourly", "no row"),
    ],
    ids=["too old", "facts without a row", "no row"],
)
def test_require_fresh_of_a_stale_view_names_it(newest: dict[str, datetime | None], where: str, got: str) -> None:
    with pytest.raises(StaleFeatures) as raised:
        features.require_fresh(TWO, newest, FEBRUARY)
    assert raised.value.where == where
    assert raised.value.got.startswith(got)


def times(*pairs: tuple[int, int | None]) -> pd.DataFrame:
    start = pd.Timestamp(2013, 2, 1, tz=UTC)
    event, known = zip(*pairs, strict=True)
    known_at = [None if hours is None else start + pd.Timedelta(hours=hours) for hours in known]
    return pd.DataFrame(
        {
            "event_timestamp": [start + pd.Timedelta(hours=hours) for hours in event],
            "created_timestamp": pd.to_datetime(known_at, utc=True),
        }
    )


def test_require_known_times_at_or_after_the_event_passes() -> None:
    features.require_known_times({"view": times((1, 1), (1, 2))})


@pytest.mark.parametrize("frame", [times((1, 1), (2, 1)), times((1, None))], ids=["before", "missing"])
def test_require_known_times_of_rows_known_too_early_names_the_view(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"feature rows known before they happened; where: view; .* got: 1 rows"):
        features.require_known_times({"view": frame})


BEFORE = pd.DataFrame({"key": ["a", "b", "c"]})


def test_require_conserved_in_another_order_passes() -> None:
    features.require_conserved(BEFORE, BEFORE.iloc[::-1], "key", "join")


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (["a", "c"], r"2 rows; lost 1 \(b\), extra 0 \(\)"),
        (["a", "b", "b", "c"], r"4 rows; lost 0 \(\), extra 1 \(b\)"),
        (["a", "b", "d"], r"3 rows; lost 1 \(c\), extra 1 \(d\)"),
    ],
    ids=["lost", "multiplied", "swapped"],
)
def test_require_conserved_of_a_join_that_changed_rows_says_which(after: list[str], said: str) -> None:
    with pytest.raises(RowsNotConserved, match=said):
        features.require_conserved(BEFORE, pd.DataFrame({"key": after}), "key", "join")


def test_months_are_the_whole_months_of_the_training_window() -> None:
    found = features.months(SPEC, MARCH)
    assert [f"{month.start:%Y-%m}" for month in found] == ["2013-01", "2013-02", "2013-03"]
    assert all(month.is_whole_months() for month in found)


def test_noted_gives_back_what_was_noted() -> None:
    notes = pd.concat([features.note(month, f"digest {month}") for month in MARCH.months()])
    assert features.noted(notes) == {MARCH.start: f"digest {MARCH}"}


def test_newest_of_no_rows_is_none() -> None:
    assert features.newest([pd.DataFrame({"event_timestamp": pd.to_datetime([], utc=True)})]) is None
