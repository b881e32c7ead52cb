from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core import schema
from contender.core.errors import DataError, SpecError
from contender.core.interval import Interval
from contender.core.panel import Panel
from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Table, View, Windows
from contender.stages.defaults import panel

FEBRUARY = Interval.parse("2013-02")


def forecast(**more: Any) -> ModelSpec:
    made = Panel(**({"step": "day", "lags": (1, 2, 7), "means": (3,), "season": 7} | more))
    return ModelSpec(
        schema_version=schema.VERSION,
        name="sales", title="What next?", owner="shop", task="forecast", data_from=datetime(2013, 1, 1, tzinfo=UTC),
        tables=(Table(name="sales", time_column="day_of", key=("shop", "day_of"), entity=("shop",)),),
        views=(View(name="sales_history", max_age_hours=72),),
        columns=tuple(Column(name=name, source="sales_history") for name in made.features()),
        label="sold", panel=made, gate=GatePolicy(metric="mae", baseline="naive"),
        windows=Windows(history_days=60, holdout_starts_after_days=14, gap_hours=0, lookback_days=30),
    )  # fmt: skip


def rows() -> pd.DataFrame:
    days = pd.date_range("2013-01-01", "2013-02-28", tz="UTC").as_unit("us")
    parts = [
        pd.DataFrame({"shop": shop, "day_of": days, "sold": base + np.arange(len(days), dtype="float64")})
        for shop, base in (("north", 0), ("south", 1000))
    ]
    return pd.concat(parts, ignore_index=True).astype({"shop": "string"})


@pytest.mark.parametrize("horizon", [1, 3, 8], ids=["next step", "in three", "beyond a season"])
def test_features_joined_as_of_the_question_are_what_brute_force_finds(horizon: int) -> None:
    spec, frame = forecast(horizon=horizon), rows()
    history = panel.features({"sales": frame}, FEBRUARY, spec)["sales_history"]
    asked = panel.examples({"sales": frame}, FEBRUARY, FEBRUARY, spec)
    values = frame.set_index(["shop", "day_of"])["sold"]
    checked = 0
    for example in asked.itertuples():
        known = history[(history["shop"] == example.shop) & (history["event_timestamp"] <= example.event_timestamp)]
        if known.empty:
            continue
        row = known.sort_values("event_timestamp").iloc[-1]
        past = [
            values.get((example.shop, example.due_at - pd.Timedelta(days=horizon - 1 + back)), np.nan)
            for back in range(1, 20)
        ]
        np.testing.assert_array_equal(row[["lag_1", "lag_2", "lag_7"]].astype(float), [past[0], past[1], past[6]])
        assert row["mean_3"] == np.mean(past[:3])
        seasons = -(-horizon // 7)
        assert row["naive"] == values[example.shop, example.due_at - pd.Timedelta(days=7 * seasons)]
        checked += 1
    assert checked >= 2 * (27 - horizon)


def test_examples_are_labelled_once_their_step_has_ended() -> None:
    found = panel.examples({"sales": rows()}, FEBRUARY, Interval.parse("2013-02-01/2013-02-20"), forecast())
    known = found["label_known_at"].notna()
    assert known.sum() == 2 * 19
    assert found.loc[known, "due_at"].max() == pd.Timestamp("2013-02-19", tz="UTC")
    assert found.loc[~known, "sold"].isna().all()


def test_features_of_a_missing_step_are_missing_and_not_shifted() -> None:
    frame = rows()
    gone = frame[~((frame["shop"] == "north") & (frame["day_of"] == pd.Timestamp("2013-02-10", tz="UTC")))]
    found = panel.features({"sales": gone}, FEBRUARY, forecast())["sales_history"]
    north = found[found["shop"] == "north"].set_index("event_timestamp")
    assert np.isnan(north.loc[pd.Timestamp("2013-02-11", tz="UTC"), "lag_1"])
    assert np.isnan(north.loc[pd.Timestamp("2013-02-12", tz="UTC"), "lag_2"])
    assert north.loc[pd.Timestamp("2013-02-12", tz="UTC"), "lag_1"] == 41


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(day_of=frame["day_of"] + pd.Timedelta(hours=3)), "times that do not begin a day"),
        (lambda frame: pd.concat([frame, frame.head(1)]), "two rows of one step"),
    ],
    ids=["off the step", "twice"],
)
def test_features_of_series_without_steps_are_refused(change: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        panel.features({"sales": change(rows())}, FEBRUARY, forecast())


def test_scale_is_the_naive_error_of_each_series_in_training() -> None:
    spec = forecast()
    training = pd.DataFrame({"shop": ["a", "a", "b"], "sold": [1.0, 2.0, 5.0], "naive": [0.0, 0.0, 1.0]})
    holdout = pd.DataFrame({"shop": ["b", "a", "new"]})
    found = panel.scale(training, holdout, spec)
    assert found is not None
    assert found.tolist() == [4.0, 1.5, 2.75]


def test_spec_with_a_panel_of_another_task_is_refused() -> None:
    with pytest.raises(SpecError, match="where: panel; expected: none of a regression model"):
        ModelSpec(**(dict(forecast()) | {"task": "regression", "gate": GatePolicy(metric="mae", baseline="mean")}))


@pytest.mark.parametrize(("horizon", "season", "lag"), [(1, 1, 1), (1, 7, 7), (7, 7, 1), (8, 7, 7), (3, 7, 5)])
def test_naive_lag_reaches_back_to_the_newest_whole_season(horizon: int, season: int, lag: int) -> None:
    assert Panel(step="day", horizon=horizon, season=season).naive_lag == lag
