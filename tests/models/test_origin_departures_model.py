"""`origin_departures`: a flight counts where and when it left, nothing is known too early, and the model behaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core.errors import NoValues
from contender.core.interval import Interval
from contender.stages import train
from contender.stages.defaults.functions import functions_of
from flight_delay import model as owner
from origin_departures import model, request
from origin_departures.dag import SPEC

FEBRUARY = Interval.parse("2013-02")
WHOLE = Interval.parse("2013-01-01/2013-03-01")
FUNCTIONS = functions_of(model, SPEC)
HISTORY = SPEC.views[0].name
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    flights = owner.read("flights")
    return {"flights": flights[flights["time_hour"] < pd.Timestamp(WHOLE.end)].reset_index(drop=True)}


@pytest.fixture(scope="module")
def series(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return model.series(tables)


def test_series_counts_each_flight_that_left_once_in_its_hour(
    tables: dict[str, pd.DataFrame], series: pd.DataFrame
) -> None:
    left = owner.with_departures(tables["flights"])["departed_at"]
    first, last = series["time_hour"].min() + model.LATEST, series["time_hour"].max() + HOUR
    assert series["departures"].sum() == ((left >= first) & (left < last)).sum()
    assert tables["flights"]["dep_delay"].isna().sum() > 1_000  # cancelled: in no hour


def test_series_has_each_hour_of_each_origin_and_zeros_at_night(series: pd.DataFrame) -> None:
    assert set(series.groupby("origin").size()) == {series["time_hour"].nunique()}
    assert (series.groupby("origin")["time_hour"].diff().dropna() == HOUR).all()
    night = series[series["time_hour"].dt.hour.isin([7, 8])]["departures"]  # 2 and 3 o'clock in New York
    assert (night.dropna() == 0).mean() > 0.95
    assert series["departures"].isna().sum() == 3 * 24


def test_series_of_a_part_of_the_table_is_that_of_the_whole_where_it_has_a_value(
    tables: dict[str, pd.DataFrame], series: pd.DataFrame
) -> None:
    flights = tables["flights"]
    part = model.series({"flights": flights[flights["time_hour"] >= pd.Timestamp(FEBRUARY.start)]})
    both = part.dropna().merge(series, on=["origin", "time_hour"], suffixes=("", "_whole"))
    assert len(both) == len(part.dropna()) > 3 * 24 * 26
    assert (both["departures"] == both["departures_whole"]).all()


@pytest.mark.parametrize("moment", ["2013-02-08T19:00", "2013-02-09T15:00", "2013-02-20T12:00"])
def test_features_known_at_a_time_are_those_of_what_had_left_by_then(
    tables: dict[str, pd.DataFrame], moment: str
) -> None:
    at, flights = pd.Timestamp(moment, tz="UTC"), tables["flights"]
    left = owner.with_departures(flights)["departed_at"]
    observed = {"flights": flights.assign(dep_delay=flights["dep_delay"].where(left < at))}
    known, then = (FUNCTIONS.features(of, FEBRUARY)[HISTORY] for of in (tables, observed))
    known, then = (frame[frame["created_timestamp"] <= at].reset_index(drop=True) for frame in (known, then))
    assert len(known) > 3 * 24 * 7
    pd.testing.assert_frame_equal(known, then)


@pytest.fixture(scope="module")
def joined(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Labelled examples with the features known when they were asked."""
    examples = train.labelled(FUNCTIONS.examples(tables, WHOLE, known_by=WHOLE), SPEC)
    history = FUNCTIONS.features(tables, WHOLE)[HISTORY].drop(columns="created_timestamp")
    left, right = (frame.sort_values("event_timestamp") for frame in (examples, history))
    found = pd.merge_asof(left, right, on="event_timestamp", by="origin")
    return found.sort_values(["due_at", "origin"], ignore_index=True)


def test_lags_are_the_same_hour_a_day_and_a_week_before(joined: pd.DataFrame, series: pd.DataFrame) -> None:
    value = series.set_index(["origin", "time_hour"])["departures"]
    rows = joined[joined["due_at"] >= pd.Timestamp(FEBRUARY.start)].sample(200, random_state=SPEC.seed)
    for column, hours in {"lag_1": 24, "lag_2": 25, "lag_25": 48, "lag_145": 168, "naive": 168, "lag_313": 336}.items():
        before = [value[origin, due - hours * HOUR] for origin, due in zip(rows["origin"], rows["due_at"], strict=True)]
        assert rows[column].tolist() == before, column
    assert (rows["due_at"] - rows["event_timestamp"] == 23 * HOUR).all()


def test_request_resolved_asks_about_what_an_example_of_that_time_is(joined: pd.DataFrame) -> None:
    asked = request.Request(origin="JFK", asked_at=datetime(2013, 2, 10, 12, tzinfo=UTC))
    when, keys, values = request.resolve(asked)
    row = joined[(joined["event_timestamp"] == when) & (joined["origin"] == keys["origin"])].iloc[0]
    assert row["due_at"] == pd.Timestamp("2013-02-11T11:00", tz="UTC")
    assert values == {"origin": row["origin"]}


@pytest.fixture(scope="module")
def split(joined: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return train.slices(joined, SPEC.windows.split(FEBRUARY, SPEC.data_from))


@pytest.fixture(scope="module")
def answer(split: tuple[pd.DataFrame, pd.DataFrame]) -> Any:
    fitted = train.fit(model.estimator, {}, split[0], SPEC)
    return lambda rows: train.answers(fitted, train.inputs(rows, SPEC.columns), SPEC.task)


def test_model_direction_a_busier_past_means_more_departures(answer: Any, split: Any) -> None:
    day = split[1][split[1]["due_at"].dt.hour.between(13, 23)]
    own_hour = ["lag_1", "lag_25", "lag_49", "lag_145", "lag_313", "naive"]
    quiet, busy = (answer(day.assign(**dict.fromkeys(own_hour, value))) for value in (4.0, 25.0))
    assert busy.mean() > quiet.mean() + 5


def test_model_knows_night_from_day(answer: Any, split: Any) -> None:
    hour = split[1]["due_at"].dt.hour
    assert answer(split[1][hour.isin([7, 8])]).mean() < 1
    assert answer(split[1][hour.isin([13, 21])]).mean() > 10


def test_model_invariance_rows_are_answered_the_same_in_any_order(answer: Any, split: Any) -> None:
    order = np.random.default_rng(3).permutation(len(split[1]))
    np.testing.assert_array_equal(answer(split[1].iloc[order]), answer(split[1])[order])


def test_model_answers_without_any_history(answer: Any, split: Any) -> None:
    found = answer(split[1].head(20).assign(**dict.fromkeys(SPEC.inputs("number"), np.nan)))
    assert ((found > -1) & (found < 40)).all()


def test_backtest_of_february_has_values_of_every_lag_in_every_fold(split: Any) -> None:
    assert 0 < train.trial_score(model.estimator, {"max_iter": 5}, split[0], SPEC) < 20


def test_backtest_whose_oldest_fold_lacks_a_lag_is_refused_with_its_name(split: Any) -> None:
    begins = train.newest_from(split[0], SPEC, 2)
    early = split[0]["due_at"] < begins
    rows = split[0].assign(lag_313=split[0]["lag_313"].mask(early))
    with pytest.raises(NoValues, match=r"rows known before fold 3 of 3.*got: none of lag_313 in .*shorter lags"):
        train.trial_score(model.estimator, {"max_iter": 5}, rows, SPEC)
