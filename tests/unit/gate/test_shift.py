from __future__ import annotations

import numpy as np
import pytest

from contender.stages.gate.shift import BINS, agreement, population_stability_index

RNG = np.random.default_rng(2)


def test_population_stability_index_of_the_same_scores_is_zero() -> None:
    scores = RNG.random(1000)
    assert population_stability_index(scores, scores) == 0


def test_population_stability_index_equals_the_definition_on_deciles() -> None:
    expected, scores = np.arange(1000) / 1000, np.square(np.arange(1000) / 1000)
    p = np.histogram(scores, bins=np.linspace(0, 1, BINS + 1))[0] / 1000
    assert population_stability_index(scores, expected) == pytest.approx(np.sum((p - 0.1) * np.log(p / 0.1)), abs=1e-3)


@pytest.mark.parametrize("rows", [300, 1000])
def test_population_stability_index_of_two_samples_has_the_stated_mean_by_chance(rows: int) -> None:
    found = [population_stability_index(RNG.random(rows), RNG.random(rows)) for _ in range(200)]
    assert np.mean(found) == pytest.approx((BINS - 1) * 2 / rows, rel=0.25)


def test_population_stability_index_of_scores_beyond_all_expected_ones_is_finite_and_large() -> None:
    assert 2 < population_stability_index(np.full(100, 0.9), RNG.random(100) / 2) < 20


def test_population_stability_index_against_a_constant_has_two_bins() -> None:
    constant = np.full(100, 0.3)
    assert population_stability_index(constant, constant) == 0
    assert population_stability_index(RNG.random(100), constant) > 0.25


def test_population_stability_index_of_classes_is_that_of_the_class_that_shifted_most() -> None:
    before = RNG.dirichlet([1, 1, 1], 500)
    after = before[:, [0, 2, 1]]
    largest = max(population_stability_index(after[:, k], before[:, k]) for k in range(3))
    assert population_stability_index(after, before) == largest


def test_agreement_is_the_correlation_and_near_zero_for_other_rows() -> None:
    scores = RNG.random(2000)
    other = scores + RNG.normal(size=2000)
    assert agreement(scores, other) == pytest.approx(np.corrcoef(scores, other)[0, 1], abs=1e-6)
    assert agreement(scores, -scores) == -1
    elsewhere = agreement(RNG.permutation(scores), scores)
    assert elsewhere is not None
    assert abs(elsewhere) < 3 / np.sqrt(2000)


def test_agreement_of_classes_is_the_one_furthest_from_zero() -> None:
    scores = RNG.dirichlet([1, 1, 1], 300)
    assert agreement(scores, scores[:, [0, 2, 1]]) == 1


def test_agreement_with_a_model_that_answers_alike_is_none() -> None:
    assert agreement(RNG.random(9), np.full(9, 0.1)) is None
    assert agreement(np.full((9, 2), 0.5), np.full((9, 2), 0.5)) is None
