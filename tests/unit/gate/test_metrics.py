from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.stages.gate import resampling
from contender.stages.gate.metrics import METRICS, brier
from contender.stages.gate.pairs import auc as pairs_of
from contender.stages.gate.resampling import Codes, Flags, Floats

SKLEARN = {
    "log_loss": sklearn.metrics.log_loss,
    "brier": sklearn.metrics.brier_score_loss,
    "auc": sklearn.metrics.roc_auc_score,
}


@st.composite
def holdouts(draw: st.DrawFn) -> tuple[Flags, Floats, Codes, int]:
    """Rows of both classes in up to 5 clusters, with few distinct scores so that ties are common."""
    clusters = draw(st.integers(1, 5))
    rows = draw(st.integers(2, 80))
    labels = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    labels[:2] = True, False
    steps = draw(st.sampled_from([2, 7, 1000]))
    scores = np.array(draw(st.lists(st.integers(0, steps), min_size=rows, max_size=rows))) / steps
    codes = np.array(draw(st.lists(st.integers(0, clusters - 1), min_size=rows, max_size=rows)), dtype=np.int64)
    return labels, scores, codes, clusters


@pytest.mark.parametrize("name", list(METRICS))
@settings(deadline=None, max_examples=150)
@given(holdout=holdouts(), data=st.data())
def test_statistics_with_cluster_multiplicities_equal_sklearn_on_repeated_rows(
    name: str, holdout: tuple[Flags, Floats, Codes, int], data: st.DataObject
) -> None:
    labels, scores, codes, clusters = holdout
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=clusters, max_size=clusters)), dtype=float)
    got = METRICS[name].statistics(labels, scores, codes, clusters).at(np.stack([weights, np.ones(clusters)]))
    repeats = weights[codes].astype(int)
    again, drawn = np.repeat(labels, repeats), np.repeat(scores, repeats)
    assert got[1] == pytest.approx(SKLEARN[name](labels, scores), abs=1e-12)
    if len(again) and 0 < again.sum() < len(again):
        assert got[0] == pytest.approx(SKLEARN[name](again, drawn), abs=1e-12)
    elif name == "auc" or not len(again):
        assert np.isnan(got[0])


@pytest.mark.parametrize("name", list(METRICS))
@settings(deadline=None, max_examples=50)
@given(holdout=holdouts(), seed=st.integers(0, 99))
def test_statistics_when_rows_are_permuted_are_bit_for_bit_the_same(
    name: str, holdout: tuple[Flags, Floats, Codes, int], seed: int
) -> None:
    labels, scores, codes, clusters = holdout
    order = np.random.default_rng(seed).permutation(len(labels))
    weights = resampling.draw(clusters, 20, seed)
    before = METRICS[name].statistics(labels, scores, codes, clusters).at(weights)
    after = METRICS[name].statistics(labels[order], scores[order], codes[order], clusters).at(weights)
    assert np.array_equal(before, after, equal_nan=True)


@pytest.mark.parametrize("name", list(METRICS))
def test_influence_at_a_point_equals_the_numerical_derivative(name: str) -> None:
    labels, scores, codes = _rows(clusters=6, each=50)
    statistics = METRICS[name].statistics(labels, scores, codes, 6)
    weights, step = np.array([[1.0, 2.0, 0.0, 1.0, 3.0, 1.0]]), 1e-6
    numerical = [(statistics.at(weights + step * unit) - statistics.at(weights - step * unit))[0] for unit in np.eye(6)]
    assert statistics.influence(weights)[0] == pytest.approx(np.array(numerical) / (2 * step), abs=1e-7)


def test_auc_with_many_rows_and_ties_over_blocks_equals_sklearn() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(20_000) < 0.3
    scores = np.round(rng.normal(size=20_000) + labels, 2) / 20 + 0.5
    codes = rng.integers(0, 30, 20_000)
    pairs = pairs_of(labels, scores, codes, 30)
    assert pairs.at(np.ones((1, 30)))[0] == pytest.approx(sklearn.metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert (pairs.concordant * 2 == np.rint(pairs.concordant * 2)).all()


@pytest.mark.parametrize(("name", "higher"), [("log_loss", False), ("brier", False), ("auc", True)])
def test_metric_direction_makes_the_better_model_positive(name: str, higher: bool) -> None:
    labels, scores, codes = _rows(clusters=4, each=100)
    good, bad = (METRICS[name].statistics(labels, kind, codes, 4) for kind in (scores, 1 - scores))
    assert METRICS[name].higher_is_better is higher
    assert METRICS[name].improvement(good, bad).at(np.ones((1, 4)))[0] > 0


def test_log_loss_of_certain_and_wrong_scores_is_finite_and_equals_sklearn() -> None:
    labels, scores = np.array([True, False, True]), np.array([0.0, 1.0, 1.0])
    expected = sklearn.metrics.log_loss(labels, scores)
    assert METRICS["log_loss"].value(labels, scores) == pytest.approx(expected, rel=1e-12)


def test_auc_value_of_one_class_is_nan() -> None:
    assert np.isnan(METRICS["auc"].value(np.array([True, True]), np.array([0.1, 0.2])))


def test_draw_with_a_seed_gives_whole_resamples_and_repeats() -> None:
    weights = resampling.draw(9, 50, seed=4)
    assert weights.shape == (50, 9)
    assert (weights.sum(axis=1) == 9).all()
    assert np.array_equal(weights, resampling.draw(9, 50, seed=4))
    assert not np.array_equal(weights, resampling.draw(9, 50, seed=5))


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
    got = resampling.estimate(pairs_of(labels, scores, codes, 8), resampling.draw(8, 500, 0), 0.05)
    assert got is not None
    assert got.low is None


def test_estimate_of_two_clusters_has_no_finite_reach_and_no_interval() -> None:
    labels, scores, codes = _rows(clusters=2, each=64)
    labels = np.arange(128) % 4 == 0
    scores = np.where(codes == 0, 0.25, 0.5)
    got = resampling.estimate(brier(labels, scores, codes, 2), resampling.draw(2, 500, 0), 0.05)
    assert got is not None
    assert got.low is None


def _rows(*, clusters: int, each: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(clusters)
    codes = np.repeat(np.arange(clusters), each)
    scores = rng.uniform(0.02, 0.98, len(codes))
    return rng.random(len(codes)) < scores, scores, codes
