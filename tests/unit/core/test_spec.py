from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from contender.core import schema
from contender.core.errors import IntervalError, SpecError
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Table, View, Windows

WINDOWS: dict[str, Any] = {"history_days": 180, "holdout_starts_after_days": 14, "gap_hours": 24, "lookback_days": 28}
DATA_FROM = datetime(2013, 1, 1, tzinfo=UTC)


def _spec(**more: Any) -> ModelSpec:
    facts: dict[str, Any] = {
        "schema_version": schema.VERSION,
        "name": "churn",
        "title": "Who leaves",
        "owner": "growth",
        "data_from": DATA_FROM,
        "tables": (Table(name="visits", time_column="at", key=("id",)),),
        "views": (View(name="habits", max_age_hours=24),),
        "columns": (
            Column(name="hour", source="request", minimum=0, maximum=23),
            Column(name="plan", kind="category", source="request"),
            Column(name="visits_7d", source="habits"),
        ),
        "label": "left",
        "windows": Windows(**WINDOWS),
    }
    return ModelSpec(**(facts | more))


def test_spec_names_features_and_inputs_in_the_order_of_columns() -> None:
    spec = _spec()
    assert spec.features() == ["habits:visits_7d"]
    assert spec.inputs("number") == ["hour", "visits_7d"]
    assert spec.inputs("category") == ["plan"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"name": "Churn"}, "where: name"),
        ({"ownr": "growth"}, "unknown field 'ownr'; did you mean 'owner'"),
        ({"columns": ()}, "where: columns"),
        ({"columns": (Column(name="age", source="habit"),)}, "comes from 'habit'; there are: habits, request"),
        ({"columns": (Column(name="age", source="request"),) * 2}, "column names must differ; repeated: age"),
        ({"tables": (Table(name="visits", time_column=None, key=("id",)),) * 2}, "table names must differ"),
        ({"data_until": DATA_FROM}, "is not after data_from"),
        ({"schedule": "@daily"}, "Input should be '@monthly', '@quarterly' or '@yearly'"),
        ({"data_from": datetime(2013, 1, 1)}, "where: data_from"),  # noqa: DTZ001
        ({"label_share": 0}, "where: label_share"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_spec_that_cannot_work_is_refused_by_name(more: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        _spec(**more)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"kind": "category", "minimum": 1}, "takes no minimum or maximum"),
        ({"minimum": 2, "maximum": 1}, "minimum 2.0 is above maximum 1.0"),
    ],
    ids=["category with bounds", "bounds crossed"],
)
def test_column_with_impossible_bounds_is_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Column(**({"name": "age", "source": "request"} | facts))


def test_spec_with_a_metric_of_another_task_names_those_of_its_own() -> None:
    with pytest.raises(SpecError, match=r"rmse cannot be measured of a binary model; there are: log_loss, brier, auc"):
        _spec(gate=GatePolicy(metric="rmse"))


def test_spec_with_a_baseline_of_another_task_is_refused() -> None:
    with pytest.raises(SpecError, match=r"the baseline 'naive' does not fit a binary model; there are: prevalence"):
        _spec(gate=GatePolicy(baseline="naive"))


def test_windows_with_a_gap_longer_than_the_history_are_refused() -> None:
    with pytest.raises(SpecError, match="swallows the whole"):
        Windows(**(WINDOWS | {"history_days": 1}))


def test_split_leaves_the_gap_and_ends_with_the_interval() -> None:
    split = Windows(**WINDOWS).split(Interval.parse("2013-12"), DATA_FROM)
    assert str(split.holdout) == "2013-12-15/2014-01-01"
    assert str(split.train) == "2013-07-05/2013-12-14"


def test_split_starts_no_earlier_than_the_data() -> None:
    assert Windows(**WINDOWS).split(Interval.parse("2013-02"), DATA_FROM).train.start == DATA_FROM


@pytest.mark.parametrize("text", ["2012-12", "2013-01-01/2013-01-10"], ids=["before the data", "too short"])
def test_split_of_an_interval_without_rows_refuses(text: str) -> None:
    with pytest.raises(IntervalError, match="leaves no rows to train on or to hold out"):
        Windows(**WINDOWS).split(Interval.parse(text), DATA_FROM)
