from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core.errors import DataError, NoLabels
from contender.stages.gate.holdout import Holdout, checked
from tests.unit.gate.simulated import holdout


def _numbers(task: Any = "regression", n: int = 6, **more: Any) -> Holdout:
    rng = np.random.default_rng(0)
    facts: dict[str, Any] = {
        "labels": rng.normal(size=n),
        "challenger": rng.normal(size=n),
        "reference": rng.normal(size=n),
        "clusters": np.arange(n) % 3,
        "frame": pd.DataFrame(index=range(n)),
    }
    return Holdout(task=task, **(facts | more))


def _classes(**more: Any) -> Holdout:
    scores = np.full((6, 3), 1 / 3)
    return _numbers("multiclass", labels=np.array([0, 1, 2] * 2), challenger=scores, reference=scores, **more)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("challenger", np.nan),
        ("reference", np.nan),
        ("challenger", 1.5),
        ("reference", -0.1),
        ("challenger", np.inf),
        ("labels", 2),
        ("labels", np.nan),
        ("clusters", None),
    ],
)
def test_checked_with_an_unusable_value_names_column_and_row(column: str, value: float) -> None:
    rows = holdout()
    values = np.asarray(getattr(rows, column)).astype(object if column == "clusters" else float)
    values[3] = value
    with pytest.raises(DataError, match=rf"{column}.* of 1 of 720 holdout rows cannot be measured.*rows 3;"):
        checked(replace(rows, **{column: values}))


@pytest.mark.parametrize("task", ["regression", "forecast"])
@pytest.mark.parametrize("column", ["labels", "challenger", "reference"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_checked_with_a_number_that_is_not_finite_names_column_and_row(task: str, column: str, value: float) -> None:
    rows = _numbers(task)
    getattr(rows, column)[2] = value
    with pytest.raises(DataError, match=rf"{column}.* of 1 of 6 .*rows 2; expected: a finite number"):
        checked(rows)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan])
def test_checked_with_a_scale_that_is_not_positive_refuses(scale: float) -> None:
    with pytest.raises(DataError, match=r"scale of 1 of 6 .* a positive number"):
        checked(_numbers("forecast", scale=np.array([1, 1, 1, 1, 1, scale])))


def test_checked_of_a_forecast_keeps_its_scale() -> None:
    scale = checked(_numbers("forecast", scale=[1, 2, 3, 4, 5, 6])).scale
    assert scale is not None
    assert scale.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("row", "problem"),
    [([0.5, 0.5, 0.5], "probabilities that sum to 1"), ([1.2, -0.2, 0], "sum to 1"), ([np.nan, 0.5, 0.5], "sum to 1")],
)
def test_checked_of_classes_with_scores_that_are_no_distribution_refuses(row: list[float], problem: str) -> None:
    rows = _classes()
    scores = rows.challenger.copy()
    scores[1] = row
    with pytest.raises(DataError, match=rf"challenger scores of 1 of 6 .*rows 1; .*{problem}"):
        checked(replace(rows, challenger=scores))


@pytest.mark.parametrize("label", [3, -1, 0.5, np.nan])
def test_checked_of_classes_with_a_label_without_a_column_refuses(label: float) -> None:
    rows = replace(_classes(), labels=np.array([0, 1, 2, 0, 1, label]))
    with pytest.raises(DataError, match=r"labels of 1 of 6 .*a class from 0 to 2"):
        checked(rows)


@pytest.mark.parametrize(
    "rows",
    [
        replace(_classes(), challenger=np.full((6, 2), 0.5)),
        replace(_classes(), challenger=np.full(6, 0.5), reference=np.full(6, 0.5)),
        replace(holdout(days=1, each=6), challenger=np.full((6, 2), 0.5)),
    ],
    ids=["other classes", "one column", "two columns of a binary model"],
)
def test_checked_with_scores_of_the_wrong_shape_refuses(rows: Holdout) -> None:
    with pytest.raises(DataError, match=r"the models' scores cannot be those of a.*next: compare models of one task"):
        checked(rows)


def test_checked_with_missing_nullable_labels_refuses() -> None:
    rows = holdout()
    labels = pd.Series(rows.labels, dtype="Int64")
    labels[5] = pd.NA
    with pytest.raises(DataError, match="labels of 1 of 720"):
        checked(replace(rows, labels=labels))


def test_checked_of_an_empty_holdout_refuses() -> None:
    empty = dict.fromkeys(("labels", "challenger", "reference", "clusters"), np.array([]))
    with pytest.raises(NoLabels, match="no labelled row"):
        checked(Holdout(task="binary", frame=pd.DataFrame(), **empty))


@pytest.mark.parametrize("column", ["challenger", "frame"])
def test_checked_with_lengths_that_differ_refuses(column: str) -> None:
    rows = holdout()
    with pytest.raises(DataError, match=r"differ in length.*next: take labels, scores and frame from the same rows"):
        checked(replace(rows, **{column: getattr(rows, column)[1:]}))
