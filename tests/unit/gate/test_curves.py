from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics

from contender.core.evidence import Curve
from contender.core.policy import Task
from contender.stages.gate.curves import POINTS, curves
from contender.stages.gate.holdout import checked
from tests.unit.gate.simulated import TASKS, holdout, permuted, simulated


def _curves(task: Task, **more: Any) -> dict[tuple[str, str], Curve]:
    found = curves(task, checked(simulated(task, **more)))
    return {(curve.figure, curve.role): curve for curve in found}


@pytest.mark.parametrize("task", TASKS)
def test_curves_are_short_rounded_and_of_both_models(task: Task) -> None:
    found = _curves(task)
    figures = {"residuals", "scores"} if task in {"regression", "forecast"} else {
        "roc", "precision_recall", "calibration", "scores"
    }  # fmt: skip
    assert set(found) == {(figure, role) for figure in figures for role in ("challenger", "champion")}
    for curve in found.values():
        assert 0 < len(curve.x) == len(curve.y) <= POINTS
        assert all(round(value, 6) == value for value in (*curve.x, *curve.y))
        assert len(curve.rows) in {0, len(curve.x)}


@pytest.mark.parametrize("task", TASKS)
def test_curves_when_rows_are_permuted_are_the_same(task: Task) -> None:
    rows = simulated(task)
    order = np.random.default_rng(3).permutation(len(rows.labels))
    assert curves(task, checked(rows)) == curves(task, checked(permuted(rows, order)))


def test_roc_has_about_the_area_that_sklearn_finds() -> None:
    rows = holdout(days=20, each=200)
    roc = _curves("binary", days=20, each=200)["roc", "challenger"]
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    area = sklearn.metrics.auc(roc.x, roc.y)
    assert area == pytest.approx(sklearn.metrics.roc_auc_score(rows.labels, rows.challenger), abs=2e-3)


def test_roc_of_few_distinct_scores_has_each_of_them() -> None:
    labels, scores = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.9, 0.5, 0.5, 0.1])
    rows = checked(_of(labels, scores))
    roc = next(curve for curve in curves("binary", rows) if curve.figure == "roc")
    false, true, _ = sklearn.metrics.roc_curve(labels, scores, drop_intermediate=False)
    assert roc.x == pytest.approx(false, abs=1e-6)
    assert roc.y == pytest.approx(true, abs=1e-6)


def test_precision_recall_points_lie_on_the_curve_of_sklearn() -> None:
    rows = holdout()
    found = _curves("binary")["precision_recall", "challenger"]
    precision, recall, _ = sklearn.metrics.precision_recall_curve(rows.labels, rows.challenger)
    on_it = {(round(float(x), 6), round(float(y), 6)) for x, y in zip(recall, precision, strict=True)}
    assert set(zip(found.x, found.y, strict=True)) <= on_it
    assert found.x[-1] == 1


def test_curves_of_one_class_leave_out_what_has_no_value() -> None:
    found = curves("binary", checked(_of(np.ones(50), np.linspace(0.1, 0.9, 50))))
    assert {curve.figure for curve in found} == {"calibration", "scores"}


def test_scores_are_counted_on_the_same_steps_for_both_models() -> None:
    found = _curves("regression")
    ours, theirs = found["scores", "challenger"], found["scores", "champion"]
    assert ours.x == theirs.x
    assert sum(ours.rows) == sum(theirs.rows) == 720
    assert sum(ours.y) == pytest.approx(1, abs=1e-4)


def test_residuals_of_a_model_that_answers_too_much_lie_below_zero() -> None:
    rows = simulated("regression")
    found = curves("regression", checked(_of(rows.labels, rows.labels + 2, "regression")))
    assert set(next(curve for curve in found if curve.figure == "residuals").y) == {-2.0}


def _of(labels: Any, scores: Any, task: Task = "binary") -> Any:
    import pandas as pd

    from contender.stages.gate.holdout import Holdout

    frame = pd.DataFrame(index=range(len(labels)))
    return Holdout(
        task=task, labels=labels, challenger=scores, reference=scores, clusters=np.arange(len(labels)), frame=frame
    )
