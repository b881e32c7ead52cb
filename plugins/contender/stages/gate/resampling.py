"""The cluster bootstrap from sufficient statistics.

Rows of one cluster (a day of flights) are not independent, so an interval resamples whole clusters, with
replacement, as many as there are (Field & Welsh 2007, "Bootstrapping clustered data", JRSS B 69; Davison & Hinkley
1997, "Bootstrap Methods and their Application", section 3.8). A resample is then nothing but a multiplicity for
each cluster, and every metric here can be computed from a few numbers for each cluster and these multiplicities
`w`: the rows are read once, and 2,000 resamples are one small matrix product.

Intervals are symmetric studentised ones (Hall 1988, "On symmetric bootstrap confidence intervals", JRSS B 50; each
resample with a standard error of its own, linearised by cluster), not percentile ones. A holdout has 7 to 30
clusters, where percentile intervals are too short: simulated with 15 clusters of unequal size and day effects, mild
and heavy-tailed, equal models were promoted on 4.0 to 5.8 % of the holdouts by percentiles, 2.6 to 4.0 % by
percentiles expanded to the t quantile (Hesterberg 2015, The American Statistician 69), 1.4 to 2.4 % by these; nominal
is 2.5 %. The price: a fifth to a half wider than expanded percentiles with 15 clusters, a tenth to a quarter with 30.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from contender.core.evidence import Estimate

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]


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
class Difference:
    """`first - second`, paired: both get the same resamples."""

    first: Statistics
    second: Statistics

    def at(self, weights: Floats) -> Floats:
        """See `Statistics.at`."""
        return self.first.at(weights) - self.second.at(weights)

    def influence(self, weights: Floats) -> Floats:
        """See `Statistics.influence`."""
        return self.first.influence(weights) - self.second.influence(weights)


def draw(clusters: int, resamples: int, seed: int) -> Floats:
    """Multiplicities of the clusters in each resample, shape (resamples, clusters); each row sums to `clusters`."""
    shares = np.full(clusters, 1.0 / clusters)
    return np.random.default_rng(seed).multinomial(clusters, shares, size=resamples).astype(np.float64)


def estimate(statistics: Statistics, weights: Floats, alpha: float) -> Estimate | None:
    """The figure on all rows with its symmetric studentised interval.

    Args:
        statistics: A metric's statistics, or the difference of two.
        weights: Resamples as `draw` gives them, the same for every figure that is to be compared; none at all where
            no interval is wanted.
        alpha: One minus the confidence.

    Returns:
        `None` where the figure has no value (AUC of one class). The interval is left out where it has no value in
        some resample: then so few clusters hold one of the classes that no resampling can be relied on.
    """
    once = np.ones((1, weights.shape[1]))
    value = float(statistics.at(once)[0])
    if np.isnan(value):
        return None
    if not len(weights):
        return Estimate(value=value)
    deviations = np.abs(statistics.at(weights) - value)
    studentised = np.full_like(deviations, np.inf)
    # A resample of one cluster repeated has no spread of its own: it tells nothing, so it counts as the widest.
    errors = _standard_errors(statistics, weights)
    np.divide(deviations, errors, out=studentised, where=errors != 0)
    studentised[deviations == 0] = 0.0
    reach = float(np.quantile(studentised, 1.0 - alpha, method="higher"))
    if not np.isfinite(reach):
        return Estimate(value=value)
    margin = reach * float(_standard_errors(statistics, once)[0])
    return Estimate(value=value, low=value - margin, high=value + margin)


def _standard_errors(statistics: Statistics, weights: Floats) -> Floats:
    """Linearised standard error of each resample, with the usual C / (C - 1) for estimated centres."""
    clusters = weights.shape[1]
    spread = np.sum(weights * np.square(statistics.influence(weights)), axis=1)
    errors: Floats = np.sqrt(spread * (clusters / (clusters - 1) if clusters > 1 else np.nan))
    return errors


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is zero: a resample without rows of a class has no AUC."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
