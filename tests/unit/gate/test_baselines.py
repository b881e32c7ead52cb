from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contender.core.errors import DataError
from contender.stages.gate.baselines import baseline_scores


def test_baseline_scores_of_prevalence_are_the_training_share() -> None:
    assert baseline_scores("prevalence", 0.24, 3).tolist() == [0.24, 0.24, 0.24]


def test_baseline_scores_of_prevalence_of_classes_are_their_shares_in_each_row() -> None:
    assert baseline_scores("prevalence", [0.5, 0.3, 0.2], 2).tolist() == [[0.5, 0.3, 0.2]] * 2


def test_baseline_scores_of_the_mean_are_the_training_mean() -> None:
    assert baseline_scores("mean", -1.5, 2).tolist() == [-1.5, -1.5]


def test_baseline_scores_of_the_naive_forecast_are_that_forecast() -> None:
    assert baseline_scores("naive", [3.0, 4.0], 2).tolist() == [3.0, 4.0]


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan"), [1.0, 0.0], [0.0, 0.0]], ids=str)
def test_baseline_scores_of_one_class_refuse(share: Any) -> None:
    with pytest.raises(DataError, match="one class only"):
        baseline_scores("prevalence", share, 3)


@pytest.mark.parametrize(
    ("kind", "known"),
    [("mean", np.nan), ("mean", [1.0, 2.0]), ("naive", [1.0, 2.0]), ("naive", [1.0, np.nan, 2.0]), ("naive", 1.0)],
    ids=str,
)
def test_baseline_scores_of_what_is_not_known_refuse(kind: str, known: Any) -> None:
    with pytest.raises(DataError, match=f"the baseline {kind} cannot be made"):
        baseline_scores(kind, known, 3)


def test_baseline_scores_of_an_unknown_kind_refuse() -> None:
    with pytest.raises(DataError, match=r"expected: prevalence, mean or naive; got: 'oracle'.*next: name one of them"):
        baseline_scores("oracle", 0.5, 3)
