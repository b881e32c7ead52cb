from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core import schema
from contender.core.errors import DataError
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Shares, Table, View, Windows
from contender.stages import train
from contender.stages.defaults import tabular

JUNE = Interval.parse("2013-06")


def timed(**more: Any) -> ModelSpec:
    facts: dict[str, Any] = {
        "schema_version": schema.VERSION,
        "name": "churn", "title": "Who leaves?", "owner": "growth", "classes": ("no", "yes"),
        "data_from": datetime(2013, 1, 1, tzinfo=UTC),
        "tables": (Table(name="churn", time_column="at", key=("who", "at"), entity=("who",)),),
        "views": (View(name="churn_features", max_age_hours=None),),
        "columns": (Column(name="age", source="churn_features"),),
        "label": "left",
        "windows": Windows(history_days=60, holdout_starts_after_days=14, gap_hours=0, lookback_days=0),
    }  # fmt: skip
    return ModelSpec(**(facts | more))


def timeless(**more: Any) -> ModelSpec:
    return timed(
        tables=(Table(name="churn", time_column=None, key=("who",)),), views=(),
        columns=(Column(name="age", source="request"),), windows=Shares(holdout=0.25),
        gate=GatePolicy(cluster="example_id"), **more,
    )  # fmt: skip


def rows(count: int = 100) -> pd.DataFrame:
    times = pd.date_range("2013-05-25", periods=count, freq="12h", tz="UTC").as_unit("us")
    return pd.DataFrame(
        {
            "who": pd.array([f"c{number % 7}" for number in range(count)], dtype="string"),
            "at": times,
            "age": np.arange(count, dtype="float64"),
            "left": pd.array(["yes" if number % 3 == 0 else "no" for number in range(count)], dtype="string"),
        }
    )


def test_features_are_the_rows_of_the_interval_known_from_their_own_time_on() -> None:
    (found,) = tabular.features({"churn": rows()}, JUNE, timed()).values()
    assert list(found.columns) == ["who", "age", "event_timestamp", "created_timestamp"]
    assert (found["event_timestamp"] == found["created_timestamp"]).all()
    assert found["event_timestamp"].min() == pd.Timestamp("2013-06-01", tz="UTC")
    assert found["event_timestamp"].max() < JUNE.end


def test_examples_of_a_window_have_codes_days_and_the_entity() -> None:
    found = tabular.examples({"churn": rows()}, JUNE, JUNE, timed())
    given = rows()[lambda frame: (frame["at"] >= JUNE.start) & (frame["at"] < JUNE.end)]
    assert found["left"].tolist() == [float(name == "yes") for name in given["left"]]
    assert found["example_id"].iloc[0] == "c0@2013-06-01T00:00:00"
    assert found["day"].iloc[0] == "2013-06-01"
    assert found["who"].tolist() == given["who"].tolist()
    assert (found["due_at"] == found["label_known_at"]).all()


def test_examples_whose_label_is_not_known_yet_have_none() -> None:
    spec = timed(label_delay_hours=72)
    found = tabular.examples({"churn": rows()}, JUNE, JUNE, spec)
    late = found["due_at"] + timedelta(hours=72) > JUNE.end
    assert found["left"].isna().tolist() == late.tolist()
    assert found["label_known_at"].isna().tolist() == late.tolist()


def test_examples_with_a_label_of_no_class_are_refused_by_name() -> None:
    frame = rows().assign(left=pd.array(["maybe", *rows()["left"][1:]], dtype="string"))
    with pytest.raises(DataError, match=r"churn\.left; expected: no, yes; got: maybe"):
        tabular.examples({"churn": frame}, Interval.parse("2013-05"), JUNE, timed())


def test_examples_without_a_time_are_held_out_by_their_key_in_every_run() -> None:
    frame = rows(2000).assign(who=[f"c{number}" for number in range(2000)])
    held_out: list[set[str]] = []
    for month, part in (("2013-06", frame), ("2014-02", frame.iloc[::-1]), ("2014-02", frame.head(1500))):
        interval, spec = Interval.parse(month), timeless()
        split = spec.windows.split(interval, spec.data_from)
        found = tabular.examples({"churn": part}, interval, interval, spec)
        fitted_on, newer = train.slices(found, split)
        assert len(fitted_on) + len(newer) == len(part)
        assert newer["due_at"].min() >= split.holdout.start
        held_out.append(set(newer["example_id"]))
    assert held_out[0] == held_out[1]
    assert held_out[2] <= held_out[0]
    assert 0.2 < len(held_out[0]) / 2000 < 0.3


def test_examples_in_another_order_are_the_same() -> None:
    straight, turned = (
        tabular.examples({"churn": frame}, JUNE, JUNE, timed()) for frame in (rows(), rows().iloc[::-1])
    )
    pd.testing.assert_frame_equal(straight, turned)
