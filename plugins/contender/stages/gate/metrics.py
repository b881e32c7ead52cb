"""The metrics by which models are compared, each with its direction and its sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from contender.stages.gate.pairs import auc
from contender.stages.gate.resampling import Codes, Difference, Flags, Floats, Statistics, divide


@dataclass(frozen=True)
class Ratio:
    """A mean over rows: `w·sums / w·counts`, both of shape (clusters,)."""

    sums: Floats
    counts: Floats

    def at(self, weights: Floats) -> Floats:
        """See `Statistics.at`."""
        return divide(weights @ self.sums, weights @ self.counts)

    def influence(self, weights: Floats) -> Floats:
        """See `Statistics.influence`."""
        residuals = self.sums - self.at(weights)[:, None] * self.counts
        return divide(residuals, (weights @ self.counts)[:, None])


@dataclass(frozen=True)
class Metric:
    """A figure of merit of binary scores.

    Attributes:
        name: As in `GatePolicy.metric`.
        higher_is_better: Its direction.
        statistics: Makes its sufficient statistics from labels, scores, cluster codes and the number of clusters.
    """

    name: str
    higher_is_better: bool
    statistics: Callable[[Flags, Floats, Codes, int], Statistics]

    def improvement(self, challenger: Statistics, reference: Statistics) -> Statistics:
        """How much better the challenger is on the same rows: positive where it is, whatever the direction."""
        return Difference(challenger, reference) if self.higher_is_better else Difference(reference, challenger)

    def value(self, labels: Flags, scores: Floats) -> float:
        """The metric of all rows taken as one cluster; NaN where it has no value.

        Example:
            >>> METRICS["auc"].value(np.array([True, False, True]), np.array([0.9, 0.4, 0.4]))
            0.75
        """
        codes = np.zeros(len(labels), dtype=np.int64)
        return float(self.statistics(labels, scores, codes, 1).at(np.ones((1, 1)))[0])


def log_loss(labels: Flags, scores: Floats, codes: Codes, clusters: int) -> Ratio:
    """Mean negative log-likelihood, in nats; 0 and 1 are moved inside by the float64 epsilon, as in scikit-learn."""
    epsilon = np.finfo(np.float64).eps
    likelihood = np.clip(np.where(labels, scores, 1.0 - scores), epsilon, 1.0)
    return _mean_of(-np.log(likelihood), codes, clusters)


def brier(labels: Flags, scores: Floats, codes: Codes, clusters: int) -> Ratio:
    """Mean squared difference of score and label."""
    return _mean_of(np.square(scores - labels), codes, clusters)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("log_loss", higher_is_better=False, statistics=log_loss),
        Metric("brier", higher_is_better=False, statistics=brier),
        Metric("auc", higher_is_better=True, statistics=auc),
    )
}


def _mean_of(losses: Floats, codes: Codes, clusters: int) -> Ratio:
    return Ratio(
        sums=_exact_sums(losses, codes, clusters),
        counts=np.bincount(codes, minlength=clusters).astype(np.float64),
    )


def _exact_sums(values: Floats, codes: Codes, clusters: int) -> Floats:
    """Sums by cluster that do not depend on the order of the rows, not even in the last bit.

    The values are cut into two parts on grids so coarse that float64 adds them without rounding (Demmel & Nguyen
    2013, "Fast reproducible floating-point summation"); what is left after both is below the last bit of the sum.
    """
    totals = np.zeros(clusters)
    rest = values
    for _ in range(2):
        largest = float(np.max(np.abs(rest), initial=0.0)) * len(values)
        if largest == 0.0:
            break
        grid = 2.0 ** (np.ceil(np.log2(largest)) - 52)
        part = np.rint(rest / grid) * grid
        totals += np.bincount(codes, weights=part, minlength=clusters)
        rest = rest - part
    return totals
