from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from contender.core import schema
from contender.core.errors import IntervalError, SpecError
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Panel, Shares, Source, Table, Tuning, View, Windows

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
        ({"ownr": "growth"}, "expected: 'owner', or one of .* unknown field 'ownr'"),
        ({"columns": ()}, "where: columns"),
        ({"columns": (Column(name="age", source="habit"),)},
         "where: columns.age.source; expected: one of habits, request; got: 'habit'"),
        ({"columns": (Column(name="age", source="request"),) * 2}, "where: columns; .* more than once: age"),
        ({"tables": (Table(name="visits", time_column=None, key=("id",)),) * 2},
         "where: tables; .* more than once: visits"),
        ({"data_until": DATA_FROM}, "where: data_until; expected: a time after data_from"),
        ({"schedule": "@daily"}, "Input should be '@monthly', '@quarterly' or '@yearly'"),
        ({"data_from": datetime(2013, 1, 1)}, "where: data_from"),  # noqa: DTZ001
        ({"label_share": 0}, "where: label_share"),
        ({"views": (View(name="habits", max_age_hours=24),) * 2}, "where: views; .* more than once: habits"),
        ({"views": (View(name="habits", max_age_hours=1), View(name="visits", max_age_hours=1))}, "once: visits"),
        ({"views": (View(name="habits", max_age_hours=1), View(name="visits_quarantine", max_age_hours=1))},
         "what the platform makes of them; .* more than once: visits_quarantine"),
        ({"views": (View(name="habits", max_age_hours=1), View(name="churn_training_set", max_age_hours=1))},
         "more than once: churn_training_set"),
        ({"views": (View(name="habits", max_age_hours=1), View(name="request", max_age_hours=1))},
         "where: views; expected: another name.*; got: 'request'"),
        ({"label": "plan"}, "where: label; expected: a column that is no input.*; got: plan"),
        ({"columns": (Column(name="due_at", source="request"),)}, "where: columns.due_at; expected: another name"),
        ({"windows": Windows(**(WINDOWS | {"history_days": 18}))},
         r"where: windows.history_days; expected: more than 18, .* of 31 days \(@monthly\); got: 18"),
        ({"windows": Windows(**(WINDOWS | {"history_days": 39})), "tuning": Tuning(validation_days=7, folds=3)},
         r"where: windows.history_days; expected: more than 39, which holdout \(17\), gap, folds \(21\)"),
        ({"windows": Windows(**(WINDOWS | {"history_days": 84})), "label_delay_hours": 720},
         r"where: windows.history_days; expected: more than 84, which holdout \(17\), gap, folds \(7\) and label"),
        ({"windows": Windows(**(WINDOWS | {"holdout_starts_after_days": 28}))},
         "where: windows.holdout_starts_after_days; expected: less than 28"),
        ({"windows": Shares(), "label_delay_hours": 24},
         "where: label_delay_hours, windows; expected: 0: rows by Shares"),
        ({"task": "forecast", "gate": GatePolicy(metric="mae", baseline="mean"),
          "panel": Panel(step="day", lags=(1, 2)),
          "columns": (Column(name="lag_3", source="habits"),)},
         "where: columns.lag_3; expected: one of the panel's lag_1, lag_2, naive; got: 'lag_3'"),
        ({"columns": (Column(name="slice", kind="category", source="request"),)}, "where: columns.slice;"),
        ({"label": "day"}, "where: label; expected: another name.*; got: 'day'"),
        ({"task": "forecast", "gate": GatePolicy(metric="mae", baseline="mean"), "panel": Panel(step="day", lags=(1,)),
          "columns": (Column(name="lag_1", source="habits"),), "label_delay_hours": 24},
         "where: label_delay_hours; expected: 0: a panel"),
        ({"windows": Shares()}, "where: windows; expected: Windows: .*; got: Shares, visits.at"),
        ({"tables": (Table(name="visits", time_column=None, key=("id",), source=Source(url="a.csv", format="csv")),)},
         "where: windows; expected: Shares: the rows of visits have no time_column; got: Windows"),
        ({"title": 1, "label_share": 0}, "where: title, label_share"),
        ({"label": "plan", "classes": ("a", "b", "c")}, "where: label, classes; .*; got: plan, a, b, c;"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)  # fmt: skip
def test_spec_that_cannot_work_is_refused_by_name(more: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        _spec(**more)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"kind": "category", "minimum": 1}, "expected: none, as it is a category"),
        ({"minimum": 2, "maximum": 1}, r"expected: a minimum not above the maximum; got: \(2.0, 1.0\)"),
    ],
    ids=["category with bounds", "bounds crossed"],
)
def test_column_with_impossible_bounds_is_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Column(**({"name": "age", "source": "request"} | facts))


def test_spec_with_a_metric_of_another_task_names_those_of_its_own() -> None:
    with pytest.raises(
        SpecError, match=r"where: gate.metric; expected: of a binary model one of log_loss, brier, auc.*; got: rmse"
    ):
        _spec(gate=GatePolicy(metric="rmse"))


def test_spec_with_a_baseline_of_another_task_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"where: gate.baseline; expected: of a binary model one of prevalence; got: 'naive'"
    ):
        _spec(gate=GatePolicy(baseline="naive"))


def test_windows_with_a_gap_longer_than_the_history_are_refused() -> None:
    with pytest.raises(SpecError, match="where: gap_hours; expected: less than history_days=1; got: 24"):
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


@pytest.mark.parametrize("bound", [float("nan"), float("inf")])
def test_column_with_a_bound_that_is_no_number_is_refused(bound: float) -> None:
    with pytest.raises(SpecError, match="where: maximum; expected: Input should be a finite number"):
        Column(name="age", source="request", maximum=bound)


def test_split_of_a_label_that_comes_late_lies_earlier_by_as_much() -> None:
    late = _spec(label_delay_hours=24 * 30)
    split = late.split(Interval.parse("2013-12"))
    assert str(split.holdout) == "2013-11-15/2013-12-02"
    assert str(split.train) == "2013-06-05/2013-10-16"  # whose labels were known when the holdout began


def test_split_that_a_late_label_leaves_nothing_says_so_of_the_runs_own_interval() -> None:
    with pytest.raises(IntervalError, match=r"got: 2013-01-01/2013-02-01; .*known 30 days, 0:00:00 after their rows"):
        _spec(label_delay_hours=24 * 30).split(Interval.parse("2013-01"))


def test_writes_are_all_tables_that_are_the_models_own() -> None:
    shared = Table(name="plans", time_column=None, key=("id",), owner="upsell")
    spec = _spec(tables=(*_spec().tables, shared))
    assert spec.writes() == ("visits", "habits", "visits_quarantine", "churn_training_set", "churn_predictions")
