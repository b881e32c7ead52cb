from __future__ import annotations

import numpy as np
import pytest

from contender.stages.gate.calibration import BINS, binned, expected_calibration_error
from tests.unit.gate.simulated import logistic

RNG = np.random.default_rng(1)


def test_expected_calibration_error_of_a_constant_is_its_distance_from_the_share() -> None:
    labels = np.arange(100) < 30
    assert expected_calibration_error("binary", labels, np.full(100, 0.5)) == pytest.approx(0.2)
    assert expected_calibration_error("binary", labels, np.full(100, 0.3)) == pytest.approx(0)


def test_expected_calibration_error_of_a_calibrated_model_is_about_what_chance_makes_it() -> None:
    share, rows, found = 0.23, 14_000, []
    for _ in range(20):
        scores = logistic(RNG.normal(-1.4, 1, rows))
        error = expected_calibration_error("binary", RNG.random(rows) < scores, scores)
        assert error is not None
        found.append(error)
    by_chance = np.sqrt(2 * share * (1 - share) * BINS / (np.pi * rows))
    assert np.mean(found) == pytest.approx(by_chance, rel=0.3)


def test_expected_calibration_error_of_an_overconfident_model_is_larger() -> None:
    logit = RNG.normal(size=5000)
    labels = RNG.random(5000) < logistic(logit)
    fit, loud = (expected_calibration_error("binary", labels, logistic(logit * k)) for k in (1, 3))
    assert fit is not None
    assert loud is not None
    assert loud > 5 * fit


def test_expected_calibration_error_of_several_classes_looks_at_the_highest_score() -> None:
    scores = np.tile([0.6, 0.3, 0.1], (10, 1))
    labels = np.array([0] * 8 + [1, 2])
    assert expected_calibration_error("multiclass", labels, scores) == pytest.approx(0.2)


@pytest.mark.parametrize("task", ["regression", "forecast"])
def test_expected_calibration_error_of_a_number_is_none(task: str) -> None:
    assert expected_calibration_error(task, np.ones(3), np.ones(3)) is None  # type: ignore[arg-type]


def test_binned_puts_about_as_many_rows_in_each_bin_and_equal_scores_in_one() -> None:
    scores = RNG.random(1000)
    assert set(binned(scores, scores, 10).rows.tolist()) <= {99, 100, 101}
    tied = np.repeat([0.1, 0.2, 0.9], [700, 200, 100])
    found = binned(tied, (tied > 0.15).astype(float), 10)
    assert found.rows.tolist() == [700, 200, 100]
    assert found.outcomes.tolist() == [0, 1, 1]
    assert found.scores == pytest.approx([0.1, 0.2, 0.9])


def test_binned_when_rows_are_permuted_is_bit_for_bit_the_same() -> None:
    scores, outcomes = np.round(RNG.random(997), 2), RNG.normal(size=997)
    order = RNG.permutation(997)
    before, after = binned(scores, outcomes, 10), binned(scores[order], outcomes[order], 10)
    assert before.scores.tolist() == after.scores.tolist()
    assert before.outcomes.tolist() == after.outcomes.tolist()


def test_binned_of_one_row_is_one_bin() -> None:
    assert binned(np.array([0.4]), np.array([1.0]), 10).rows.tolist() == [1]
