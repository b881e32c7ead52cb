"""Intervals from cluster resamples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contender.stages.gate import pairs, resampling
from contender.stages.gate.binary import brier, log_loss
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.resampling import Combination
from contender.stages.gate.sums import Sums, ratio


def test_draw_with_a_seed_gives_whole_resamples_and_repeats() -> None:
    weights = resampling.draw(9, 50, seed=4)
    assert weights.shape == (50, 9)
    assert (weights.sum(axis=1) == 9).all()
    assert np.array_equal(weights, resampling.draw(9, 50, seed=4))
    assert not np.array_equal(weights, resampling.draw(9, 50, seed=5))


def test_grouped_of_few_clusters_leaves_them() -> None:
    codes = np.arange(resampling.MAX_CLUSTERS)
    got, groups = resampling.grouped(codes, len(codes), seed=0)
    assert (got is codes, groups) == (True, len(codes))


def test_grouped_of_many_clusters_is_balanced_seeded_and_independent_of_row_order() -> None:
    codes = np.random.default_rng(0).integers(0, 1003, 5000)
    got, groups = resampling.grouped(codes, 1003, seed=0)
    assert groups == resampling.MAX_CLUSTERS
    members = np.unique(np.stack([codes, got]), axis=1)
    assert members.shape[1] == len(np.unique(codes))
    assert set(np.bincount(resampling.grouped(np.arange(1003), 1003, seed=0)[0])) == {4, 5}
    order = np.random.default_rng(1).permutation(5000)
    assert np.array_equal(resampling.grouped(codes[order], 1003, seed=0)[0], got[order])
    assert not np.array_equal(resampling.grouped(codes, 1003, seed=1)[0], got)


def test_estimate_of_independent_rows_in_groups_agrees_with_the_textbook_interval() -> None:
    rng = np.random.default_rng(5)
    labels = rng.random(50_000) < 0.4
    scores = rng.uniform(0.05, 0.95, 50_000)
    losses = np.square(scores - labels)
    codes, groups = resampling.grouped(np.arange(50_000), 50_000, seed=0)
    got = resampling.estimate(brier(labels, scores, codes, groups), resampling.draw(groups, 4000, 0), 0.05)
    assert _width(got) == pytest.approx(2 * 1.97 * losses.std(ddof=1) / np.sqrt(50_000), rel=0.15)


def test_estimate_of_independent_rows_agrees_with_the_textbook_interval() -> None:
    rng = np.random.default_rng(5)
    labels = rng.random(400) < 0.4
    scores = rng.uniform(0.05, 0.95, 400)
    losses = np.square(scores - labels)
    got = resampling.estimate(brier(labels, scores, np.arange(400), 400), resampling.draw(400, 4000, 0), 0.05)
    assert got is not None
    assert got.value == pytest.approx(losses.mean())
    assert got.high is not None
    assert got.high - got.value == pytest.approx(1.966 * losses.std(ddof=1) / 20, rel=0.05)


def test_estimate_without_resamples_has_no_interval() -> None:
    labels, scores, codes = _rows(clusters=3, each=20)
    got = resampling.estimate(brier(labels, scores, codes, 3), np.empty((0, 3)), 0.05)
    assert got is not None
    assert (got.low, got.high) == (None, None)


def test_estimate_of_auc_where_one_cluster_holds_all_positives_has_no_interval() -> None:
    labels, scores, codes = _rows(clusters=8, each=20)
    labels &= codes == 0
    got = resampling.estimate(pairs.count(labels, scores, codes, 8), resampling.draw(8, 500, 0), 0.05)
    assert got is not None
    assert got.low is None


def test_estimate_of_two_clusters_has_no_finite_reach_and_no_interval() -> None:
    labels, scores, codes = _rows(clusters=2, each=64)
    labels = np.arange(128) % 4 == 0
    scores = np.where(codes == 0, 0.25, 0.5)
    got = resampling.estimate(brier(labels, scores, codes, 2), resampling.draw(2, 500, 0), 0.05)
    assert got is not None
    assert got.low is None


def test_simultaneous_of_one_figure_is_its_estimate() -> None:
    labels, scores, codes = _rows(clusters=12, each=20)
    figure, weights = brier(labels, scores, codes, 12), resampling.draw(12, 500, 0)
    assert resampling.simultaneous([figure], weights, 0.05) == [resampling.estimate(figure, weights, 0.05)]


def test_simultaneous_of_the_same_figure_twice_costs_nothing() -> None:
    labels, scores, codes = _rows(clusters=12, each=20)
    figure, weights = brier(labels, scores, codes, 12), resampling.draw(12, 500, 0)
    assert resampling.simultaneous([figure, figure], weights, 0.05) == [resampling.estimate(figure, weights, 0.05)] * 2


def test_simultaneous_of_independent_figures_is_wider_than_alone_and_not_than_bonferroni() -> None:
    figures = [brier(*_rows(clusters=60, each=20, seed=seed), 60) for seed in range(5)]
    weights = resampling.draw(60, 20_000, 0)
    together = resampling.simultaneous(figures, weights, 0.05)
    for figure, joint in zip(figures, together, strict=True):
        alone, bonferroni = (resampling.estimate(figure, weights, alpha) for alpha in (0.05, 0.01))
        assert _width(alone) < _width(joint) <= 1.05 * _width(bonferroni)


def test_simultaneous_of_many_holdouts_holds_every_truth_at_once_as_often_as_it_says() -> None:
    rng, weights, held, alone = np.random.default_rng(9), resampling.draw(15, 400, 0), 0, 0
    for _ in range(400):
        means = rng.normal(size=(15, 8)) + rng.normal(size=(15, 1))
        figures = [Sums(np.stack([column, np.ones(15)], axis=1), ratio) for column in means.T]
        held += all(_holds_zero(found) for found in resampling.simultaneous(figures, weights, 0.1))
        alone += all(_holds_zero(resampling.estimate(figure, weights, 0.1)) for figure in figures)
    assert 0.87 <= held / 400 <= 0.94
    assert alone / 400 < 0.75


def test_simultaneous_with_a_figure_without_interval_leaves_the_others_as_they_are() -> None:
    labels, scores, codes = _rows(clusters=8, each=20)
    weights = resampling.draw(8, 500, 0)
    rare = pairs.count(labels & (codes == 0), scores, codes, 8)
    void = pairs.count(np.zeros_like(labels), scores, codes, 8)
    loss = log_loss(labels, scores, codes, 8)
    without, nothing, kept = resampling.simultaneous([rare, void, loss], weights, 0.05)
    assert without is not None
    assert without.low is None
    assert nothing is None
    assert kept == resampling.estimate(loss, weights, 0.05)


def test_simultaneous_of_nothing_is_nothing() -> None:
    assert resampling.simultaneous([], resampling.draw(8, 500, 0), 0.05) == []


@pytest.mark.parametrize("name", ["mae", "rmse", "r2", "bias"])
def test_estimate_of_a_model_against_itself_is_exactly_zero(name: str) -> None:
    rng = np.random.default_rng(1)
    labels, codes = rng.normal(size=300), rng.integers(0, 10, 300)
    metric = METRICS["regression"][name]
    own = metric.statistics(labels, labels + rng.normal(1, 1, 300), codes, 10)
    got = resampling.estimate(metric.improvement(own, own), resampling.draw(10, 500, 0), 0.05)
    assert got is not None
    assert (got.value, got.low, got.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("challenger", "reference", "sign"),
    [(0.1, 2.0, 1), (-0.1, 2.0, 1), (0.1, -2.0, 1), (2.0, -0.1, -1), (-2.0, 0.1, -1), (1.0, -1.0, 0), (0.0, 0.0, 0)],
)
def test_estimate_of_the_improvement_in_bias_compares_distances_from_zero(
    challenger: float, reference: float, sign: int
) -> None:
    rng = np.random.default_rng(3)
    labels, codes = rng.normal(size=2000), np.repeat(np.arange(20), 100)
    metric = METRICS["regression"]["bias"]
    own, other = (
        metric.statistics(labels, labels + rng.normal(bias, 1, 2000), codes, 20) for bias in (challenger, reference)
    )
    improvement = metric.improvement(own, other)
    got = resampling.estimate(improvement, resampling.draw(20, 2000, 0), 0.05)
    assert got is not None
    assert got.low is not None
    assert got.high is not None
    assert got.value == pytest.approx(improvement.at(np.ones((1, 20)))[0], abs=1e-12)
    assert got.low <= abs(reference) - abs(challenger) <= got.high
    assert (got.low > 0) - (got.high < 0) == sign


def test_combination_of_parts_weighs_their_values_and_influences() -> None:
    labels, scores, codes = _rows(clusters=4, each=30)
    parts = brier(labels, scores, codes, 4), log_loss(labels, scores, codes, 4)
    both, weights = Combination(parts, (2.0, -1.0)), resampling.draw(4, 10, 0)
    assert np.array_equal(both.at(weights), 2 * parts[0].at(weights) - parts[1].at(weights))
    assert np.array_equal(both.influence(weights), 2 * parts[0].influence(weights) - parts[1].influence(weights))


def _holds_zero(estimate: Any) -> bool:
    return bool(estimate.low <= 0 <= estimate.high)


def _width(estimate: Any) -> float:
    return float(estimate.high - estimate.low)


def _rows(*, clusters: int, each: int, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(clusters + seed)
    codes = np.repeat(np.arange(clusters), each)
    scores = rng.uniform(0.02, 0.98, len(codes))
    return rng.random(len(codes)) < scores, scores, codes
