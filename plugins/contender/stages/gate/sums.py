"""Metrics that are smooth functions of sums over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contender.stages.gate.resampling import Codes, Floats, divide

# Totals of each sum in each resample, shape (sums, resamples), real or complex.
Totals = npt.NDArray[Any]
# So small that its square vanishes beside 1, and the error of the derivative with it.
STEP = 1e-20


@dataclass(frozen=True)
class Sums:
    """`figure(sums' totals)`: a mean, a ratio, a root of one.

    Attributes:
        sums: One row for each cluster and one column for each sum, shape (clusters, sums).
        figure: From totals to the metric, shape (resamples,); NaN where it has no value. It has to be analytic,
            because its gradient is taken by complex steps (Squire & Trapp 1998, "Using complex variables to estimate
            derivatives of real functions", SIAM Review 40), which unlike differences lose no digits.
    """

    sums: Floats
    figure: Callable[[Totals], Totals]

    def at(self, weights: Floats) -> Floats:
        """See `Statistics.at`."""
        return self.figure((weights @ self.sums).T)

    def influence(self, weights: Floats) -> Floats:
        """See `Statistics.influence`: the delta method, the gradient times each cluster's sums."""
        totals = (weights @ self.sums).T
        steps = 1j * STEP * np.eye(len(totals))[:, :, None]
        gradient = np.stack([self.figure(totals + step).imag for step in steps], axis=1) / STEP
        influence: Floats = gradient @ self.sums.T
        return influence


def mean(values: Floats, codes: Codes, clusters: int) -> Sums:
    """The mean over rows."""
    return Sums(by_cluster(codes, clusters, values, np.ones(len(codes))), ratio)


def ratio(totals: Totals) -> Totals:
    """The first total in units of the second."""
    return divide(totals[0], totals[1])


def by_cluster(codes: Codes, clusters: int, *columns: npt.NDArray[Any]) -> Floats:
    """Sums of each column by cluster, shape (clusters, columns), that do not depend on the order of the rows."""
    return np.stack([_exact_sums(column.astype(np.float64), codes, clusters) for column in columns], axis=1)


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
