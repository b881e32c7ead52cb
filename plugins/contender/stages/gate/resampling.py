"""The cluster bootstrap from sufficient statistics.

Rows of one cluster (a day of flights) are not independent, so an interval resamples whole clusters, with
replacement, as many as there are (Field & Welsh 2007, "Bootstrapping clustered data", JRSS B 69; Davison & Hinkley
1997, "Bootstrap Methods and their Application", section 3.8). A resample is then nothing but a multiplicity for
each cluster, and every metric here can be computed from a few numbers for each cluster and these multiplicities
`w`: the rows are read once, and 2,000 resamples are one small matrix product.

Intervals are symmetric studentised ones (Hall 1988, "On symmetric bootstrap confidence intervals", JRSS B 50; each
resample with a standard error of its own, linearised by cluster), not percentile ones. A holdout has 7 to 30
clusters, where percentile intervals are too short: on simulated holdouts of 10 to 30 clusters of unequal size, with day
effects mild and heavy-tailed, percentiles held the truth in 88 to 93 % at a nominal 95 %, equal-tailed studentised
ones in 89 to 94 %, these in 94 to 99 % (the log loss of unequal models in 94.5 to 97 %); the side that promotes missed
equal models in at most 2.6 %, nominal 2.5 %. The price is that they are the longer, the heavier the tails are: see
docs/decisions/0017-coverage-with-few-clusters.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from contender.core.evidence import Estimate

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

MAX_CLUSTERS = 250


class Statistics(Protocol):
    """All that a metric needs to know of the rows, by cluster."""

    def at(self, weights: Floats) -> Floats:
        """The metric for each resample; NaN where it has no value.

        Args:
            weights: Multiplicity of each cluster in each resample, shape (resamples, clusters).
        """
        ...

    def influence(self, weights: Floats) -> Floats:
        """First-order effect of one more copy of each cluster on the metric, shape of `weights`."""
        ...


@dataclass(frozen=True)
class Combination:
    """Weighted sum of figures that get the same resamples: a paired difference, a mean over classes."""

    parts: tuple[Statistics, ...]
    factors: tuple[float, ...]

    def at(self, weights: Floats) -> Floats:
        """See `Statistics.at`."""
        return self._sum([part.at(weights) for part in self.parts])

    def influence(self, weights: Floats) -> Floats:
        """See `Statistics.influence`."""
        return self._sum([part.influence(weights) for part in self.parts])

    def _sum(self, figures: list[Floats]) -> Floats:
        return np.tensordot(self.factors, figures, axes=1)


@dataclass(frozen=True)
class Nearer:
    """How much nearer to zero the first figure is than the second: `|second| - |first|`.

    This has no derivative where either is zero, the very place where unbiased models are, so no bootstrap of it can be
    relied on (Andrews 2000, Econometrica 68). But it is `(|sum + difference| - |sum - difference|) / 2` of the two
    figures' sum and difference, which are smooth, and monotone in each of them: its interval is its range over a
    rectangle that holds both at once, between two of the corners. That is never too short, and somewhat too long.
    """

    first: Statistics
    second: Statistics

    @property
    def parts(self) -> tuple[Statistics, Statistics]:
        """Sum and difference."""
        both = (self.second, self.first)
        return Combination(both, (1.0, 1.0)), Combination(both, (1.0, -1.0))

    def at(self, weights: Floats) -> Floats:
        """See `Statistics.at`."""
        return np.abs(self.second.at(weights)) - np.abs(self.first.at(weights))

    @staticmethod
    def over(total: Estimate, difference: Estimate) -> Estimate:
        """Value and range over the rectangle of both intervals."""

        def nearer(a: float, b: float) -> float:
            return (abs(a + b) - abs(a - b)) / 2

        value = nearer(total.value, difference.value)
        if total.low is None or total.high is None or difference.low is None or difference.high is None:
            return Estimate(value=value)
        corners = [nearer(a, b) for a in (total.low, total.high) for b in (difference.low, difference.high)]
        return Estimate(value=value, low=min(corners), high=max(corners))


def grouped(codes: Codes, clusters: int, seed: int) -> tuple[Codes, int]:
    """More than MAX_CLUSTERS clusters put together at random, as evenly as can be, into so many groups of clusters.

    This is the method of random groups (Wolter 2007, "Introduction to Variance Estimation", chapter 2): groups of
    independent clusters are independent, so their spread tells the error as the clusters' own does, with
    MAX_CLUSTERS - 1 degrees of freedom: t quantiles at 95 % are then 0.5 % above the normal ones. Work and memory
    stay bounded where each row is a cluster of its own.

    Args:
        codes: Cluster of each row, 0 to `clusters` - 1; which rows share a group depends on it and not on their order.
        clusters: Their number.
        seed: Of the assignment.

    Returns:
        Group of each row and the number of groups; as given where there are few enough clusters.
    """
    if clusters <= MAX_CLUSTERS:
        return codes, clusters
    group: Codes = np.random.default_rng(seed).permutation(clusters) % MAX_CLUSTERS
    return group[codes], MAX_CLUSTERS


def draw(clusters: int, resamples: int, seed: int) -> Floats:
    """Multiplicities of the clusters in each resample, shape (resamples, clusters); each row sums to `clusters`."""
    shares = np.full(clusters, 1.0 / clusters)
    return np.random.default_rng(seed).multinomial(clusters, shares, size=resamples).astype(np.float64)


def estimate(figure: Statistics | Nearer, weights: Floats, alpha: float) -> Estimate | None:
    """The figure on all rows with its interval: `simultaneous` of one."""
    return simultaneous([figure], weights, alpha)[0]


def simultaneous(figures: Sequence[Statistics | Nearer], weights: Floats, alpha: float) -> list[Estimate | None]:
    """Each figure on all rows, with intervals that hold for all of them at once, from the same resamples.

    Their common reach is the quantile of the largest studentised deviation among them (max-t: Romano & Wolf 2005,
    "Stepwise multiple testing as formalized data snooping", Econometrica 73): it takes their dependence into account,
    so that it is shorter than Bonferroni's, and for one figure it is that figure's own.

    Args:
        figures: Metrics' statistics, or improvements.
        weights: Resamples as `draw` gives them, the same for every figure that is to be compared; none at all where
            no interval is wanted.
        alpha: One minus the confidence that all intervals hold.

    Returns:
        For each figure its estimate; `None` where it has no value (AUC of one class). The interval is left out where
        a figure has no value in some resample: then so few clusters hold one of the classes that no resampling can be
        relied on. Such a figure does not widen the others'.
    """
    parts = [figure.parts if isinstance(figure, Nearer) else (figure,) for figure in figures]
    boxes = iter(_rectangle([part for group in parts for part in group], weights, alpha))
    return [_joined(figure, [next(boxes) for _ in group]) for figure, group in zip(figures, parts, strict=True)]


def _joined(figure: Statistics | Nearer, estimates: list[Estimate | None]) -> Estimate | None:
    if not isinstance(figure, Nearer):
        return estimates[0]
    total, difference = estimates
    return None if total is None or difference is None else figure.over(total, difference)


def _rectangle(figures: list[Statistics], weights: Floats, alpha: float) -> list[Estimate | None]:
    once = np.ones((1, weights.shape[1]))
    values = [float(figure.at(once)[0]) for figure in figures]
    reaches: dict[int, Floats] = {}
    for index, (figure, value) in enumerate(zip(figures, values, strict=True)):
        studentised = _studentised(figure, value, weights)
        if len(weights) and np.isfinite(_quantile(studentised, alpha)):
            reaches[index] = studentised
    reach = _quantile(np.max(list(reaches.values()), axis=0), alpha) if reaches else np.inf
    estimates: list[Estimate | None] = []
    for index, (figure, value) in enumerate(zip(figures, values, strict=True)):
        if np.isnan(value):
            estimates.append(None)
        elif index not in reaches or not np.isfinite(reach):
            estimates.append(Estimate(value=value))
        else:
            margin = reach * float(_standard_errors(figure, once)[0])
            estimates.append(Estimate(value=value, low=value - margin, high=value + margin))
    return estimates


def _studentised(figure: Statistics, value: float, weights: Floats) -> Floats:
    """Distance of each resample from the figure on all rows, in standard errors of the resample."""
    deviations = np.abs(figure.at(weights) - value)
    # A resample of one cluster repeated has no spread of its own: it tells nothing, so it counts as the widest.
    studentised = np.full_like(deviations, np.inf)
    errors = _standard_errors(figure, weights)
    np.divide(deviations, errors, out=studentised, where=errors != 0)
    studentised[deviations == 0] = 0.0
    return studentised


def _quantile(studentised: Floats, alpha: float) -> float:
    return float(np.quantile(studentised, 1.0 - alpha, method="higher"))


def _standard_errors(statistics: Statistics, weights: Floats) -> Floats:
    """Linearised standard error of each resample, with the usual C / (C - 1) for estimated centres."""
    clusters = weights.shape[1]
    spread = np.sum(weights * np.square(statistics.influence(weights)), axis=1)
    errors: Floats = np.sqrt(spread * (clusters / (clusters - 1) if clusters > 1 else np.nan))
    return errors


def divide(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Quotient, NaN where the denominator is zero: a resample without rows of a class has no AUC."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    result = np.full(shape, np.nan, dtype=np.result_type(numerator, denominator, np.float64))
    np.divide(numerator, denominator, out=result, where=denominator.real != 0)
    return result
