from __future__ import annotations

import pytest

from contender.core.errors import DataError
from contender.stages.gate.baselines import baseline_scores


def test_baseline_scores_of_prevalence_are_the_training_share() -> None:
    assert baseline_scores("prevalence", 0.24, 3).tolist() == [0.24, 0.24, 0.24]


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_baseline_scores_of_one_class_refuse(share: float) -> None:
    with pytest.raises(DataError, match="one class only"):
        baseline_scores("prevalence", share, 3)


def test_baseline_scores_of_an_unknown_kind_refuse() -> None:
    with pytest.raises(DataError, match="'oracle'"):
        baseline_scores("oracle", 0.5, 3)
