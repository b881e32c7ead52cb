"""Every metric against scikit-learn, on all rows and on rows repeated as often as their cluster was drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.core.policy import METRICS_OF, MetricName, Task
from contender.stages.gate import pairs, resampling
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.resampling import Codes, Floats, Statistics

EVERY = [(task, name) for task, metrics in METRICS.items() for name in metrics]
every_metric = pytest.mark.parametrize(("task", "name"), EVERY, ids=[f"{task}-{name}" for task, name in EVERY])
CLASSES = 3

# (task, metric) to the reference; `labels`, `scores` and `scale` of the rows.
Reference = Callable[[Any, Any, Any], float]
OF_NUMBERS: dict[str, Reference] = {
    "mae": lambda labels, scores, scale: sk.mean_absolute_error(labels, scores),
    "rmse": lambda labels, scores, scale: sk.root_mean_squared_error(labels, scores),
    "r2": lambda labels, scores, scale: sk.r2_score(labels, scores) if len(set(labels)) > 1 else np.nan,
    "wape": lambda labels, scores, scale: (
        sk.mean_absolute_error(labels, scores) / np.mean(np.abs(labels)) if np.any(labels) else np.nan
    ),
    "mase": lambda labels, scores, scale: sk.mean_absolute_error(labels / scale, scores / scale),
    "bias": lambda labels, scores, scale: float(np.mean(scores - labels)),
}
SKLEARN: dict[str, dict[str, Reference]] = {
    "binary": {
        "log_loss": lambda labels, scores, scale: sk.log_loss(labels, scores, labels=[False, True]),
        "brier": lambda labels, scores, scale: sk.brier_score_loss(labels, scores, labels=[False, True], pos_label=1),
        "auc": lambda labels, scores, scale: sk.roc_auc_score(labels, scores) if len(set(labels)) > 1 else np.nan,
        "accuracy": lambda labels, scores, scale: sk.accuracy_score(labels, scores >= 0.5),
        "f1": lambda labels, scores, scale: sk.f1_score(labels, scores >= 0.5, zero_division=np.nan),
    },
    "multiclass": {
        "log_loss": lambda labels, scores, scale: sk.log_loss(labels, scores, labels=range(CLASSES)),
        "brier": lambda labels, scores, scale: sk.brier_score_loss(labels, scores, labels=range(CLASSES)),
        "auc": lambda labels, scores, scale: (
            sk.roc_auc_score(labels, scores, multi_class="ovr") if len(set(labels)) == CLASSES else np.nan
        ),
        "accuracy": lambda labels, scores, scale: sk.accuracy_score(labels, np.argmax(scores, axis=1)),
        "macro_f1": lambda labels, scores, scale: sk.f1_score(labels, np.argmax(scores, axis=1), average="macro"),
    },
    "regression": OF_NUMBERS,
    "forecast": OF_NUMBERS,
}


class Rows(NamedTuple):
    """A holdout with one model's scores."""

    labels: Any
    scores: Any
    scale: Floats
    codes: Codes
    clusters: int

    def statistics(self, task: Task, name: str) -> Statistics:
        return METRICS[task][name].statistics(self.labels, self.scores, self.codes, self.clusters, self.scale)

    def take(self, rows: Any) -> Rows:
        return Rows(self.labels[rows], self.scores[rows], self.scale[rows], self.codes[rows], self.clusters)


def rows_of(task: Task, rng: np.random.Generator, rows: int, clusters: int, steps: int) -> Rows:
    """Rows whose scores have few distinct values where `steps` is small, so that ties are common."""
    codes, scale = rng.integers(0, clusters, rows), rng.integers(1, 4, rows) / 3
    if task == "binary":
        return Rows(rng.random(rows) < 0.4, rng.integers(0, steps + 1, rows) / steps, scale, codes, clusters)
    if task == "multiclass":
        scores = rng.integers(0, steps, (rows, CLASSES)) + 1.0
        return Rows(rng.integers(0, CLASSES, rows), scores / scores.sum(axis=1)[:, None], scale, codes, clusters)
    labels, scores = (rng.integers(-steps, steps + 1, rows) * 0.37 + 5 for _ in range(2))
    return Rows(labels, scores, scale, codes, clusters)


class Drawn(NamedTuple):
    """What hypothesis draws of a holdout; the rest follows from the seed."""

    rows: int
    clusters: int
    steps: int
    seed: int

    def of(self, task: Task) -> Rows:
        return rows_of(task, np.random.default_rng(self.seed), self.rows, self.clusters, self.steps)


holdouts = st.builds(Drawn, st.integers(1, 80), st.integers(1, 5), st.sampled_from([1, 7, 1000]), st.integers(0, 10**6))


def test_metrics_of_each_task_are_those_a_policy_may_name() -> None:
    assert {task: tuple(metrics) for task, metrics in METRICS.items()} == METRICS_OF
    assert {name for metrics in METRICS.values() for name in metrics} == set(get_args(MetricName))
    assert all(name == metric.name for metrics in METRICS.values() for name, metric in metrics.items())


@every_metric
@settings(deadline=None, max_examples=100)
@given(drawn=holdouts)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
def test_statistics_with_cluster_multiplicities_equal_sklearn_on_repeated_rows(
    task: Task, name: str, drawn: Drawn
) -> None:
    rows, reference = drawn.of(task), SKLEARN[task][name]
    weights = np.stack([np.ones(rows.clusters), np.random.default_rng(drawn.seed).integers(0, 4, rows.clusters)])
    got = rows.statistics(task, name).at(weights)
    for value, multiplicities in zip(got, weights, strict=True):
        again = rows.take(np.repeat(np.arange(drawn.rows), multiplicities[rows.codes].astype(int)))
        expected = reference(again.labels, again.scores, again.scale) if len(again.labels) else np.nan
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@every_metric
@settings(deadline=None, max_examples=50)
@given(drawn=holdouts)
def test_statistics_when_rows_are_permuted_are_bit_for_bit_the_same(task: Task, name: str, drawn: Drawn) -> None:
    rows = drawn.of(task)
    order = np.random.default_rng(drawn.seed).permutation(drawn.rows)
    weights = resampling.draw(rows.clusters, 20, drawn.seed)
    before, after = (some.statistics(task, name).at(weights) for some in (rows, rows.take(order)))
    assert np.array_equal(before, after, equal_nan=True)


@every_metric
def test_influence_at_a_point_equals_the_numerical_derivative(task: Task, name: str) -> None:
    statistics = rows_of(task, np.random.default_rng(6), 300, 6, 1000).statistics(task, name)
    weights, step = np.array([[1.0, 2.0, 0.0, 1.0, 3.0, 1.0]]), 1e-5
    numerical = [(statistics.at(weights + step * unit) - statistics.at(weights - step * unit))[0] for unit in np.eye(6)]
    assert statistics.influence(weights)[0] == pytest.approx(np.array(numerical) / (2 * step), rel=1e-5, abs=1e-8)


def test_influence_of_an_errorless_model_is_zero() -> None:
    rows = rows_of("regression", np.random.default_rng(0), 50, 5, 9)
    statistics = rows._replace(scores=rows.labels).statistics("regression", "rmse")
    assert np.array_equal(statistics.influence(np.ones((1, 5))), np.zeros((1, 5)))


def test_auc_with_many_rows_and_ties_over_blocks_equals_sklearn() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(20_000) < 0.3
    scores = np.round(rng.normal(size=20_000) + labels, 2) / 20 + 0.5
    counted = pairs.count(labels, scores, rng.integers(0, 30, 20_000), 30)
    assert counted.at(np.ones((1, 30)))[0] == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert (counted.concordant * 2 == np.rint(counted.concordant * 2)).all()


@every_metric
def test_metric_direction_makes_the_better_model_positive(task: Task, name: str) -> None:
    rng = np.random.default_rng(4)
    rows = rows_of(task, rng, 400, 4, 1000)
    if task == "binary":
        good, bad = np.where(rows.labels, 0.8, 0.2), rng.random(400)
    elif task == "multiclass":
        good, bad = np.eye(CLASSES)[rows.labels] * 0.7 + 0.1, rows.scores
    else:
        good, bad = rows.labels + rng.normal(0.1, 0.1, 400), rows.labels - rng.normal(3, 1, 400)
    own, other = (rows._replace(scores=scores).statistics(task, name) for scores in (good, bad))
    assert METRICS[task][name].improvement(own, other).at(np.ones((1, 4)))[0] > 0
    assert METRICS[task][name].improvement(other, own).at(np.ones((1, 4)))[0] < 0


def test_log_loss_of_certain_and_wrong_scores_is_finite_and_equals_sklearn() -> None:
    labels, scores = np.array([True, False, True]), np.array([0.0, 1.0, 1.0])
    assert METRICS["binary"]["log_loss"].value(labels, scores) == pytest.approx(sk.log_loss(labels, scores), rel=1e-12)


def test_auc_value_of_one_class_is_nan() -> None:
    assert np.isnan(METRICS["binary"]["auc"].value(np.array([True, True]), np.array([0.1, 0.2])))


def test_r2_value_of_constant_labels_is_nan() -> None:
    assert np.isnan(METRICS["regression"]["r2"].value(np.full(7, 0.1), np.arange(7.0)))


def test_r2_of_labels_far_from_zero_keeps_its_digits() -> None:
    rng = np.random.default_rng(8)
    labels = 1e9 + rng.normal(size=1000)
    scores = labels + rng.normal(0, 0.5, 1000)
    assert METRICS["regression"]["r2"].value(labels, scores) == pytest.approx(sk.r2_score(labels, scores), rel=1e-9)


def test_mase_without_a_scale_has_no_value() -> None:
    assert np.isnan(METRICS["forecast"]["mase"].value(np.ones(3), np.zeros(3)))
