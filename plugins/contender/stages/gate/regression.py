"""Metrics of a predicted number, forecasts among them.

Every function takes labels and scores of shape (n,), the rows' cluster codes, the number of clusters, and the scale
of each row's series, which only `mase` needs.
"""

from __future__ import annotations

import numpy as np

from contender.stages.gate import sums
from contender.stages.gate.resampling import Codes, Floats, divide
from contender.stages.gate.sums import Sums, Totals

# Share of the squares that a spread must exceed not to be a rounding error of the difference that computes it.
ROUNDING = 1e-12


def mae(labels: Floats, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean absolute error."""
    return sums.mean(np.abs(scores - labels), codes, clusters)


def rmse(labels: Floats, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Root of the mean squared error."""
    squares = sums.by_cluster(codes, clusters, np.square(scores - labels), np.ones(len(labels)))
    return Sums(squares, lambda totals: np.sqrt(sums.ratio(totals)))


def r2(labels: Floats, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Share of the labels' variance that is explained; no value where the labels are constant."""
    # About the median, so that the spread is no difference of two large numbers; about the mean would depend on the
    # rows' order, and on rounding where all labels are the same.
    centred = labels - np.median(labels)
    columns = np.square(scores - labels), np.square(centred), centred, np.ones(len(labels))
    return Sums(sums.by_cluster(codes, clusters, *columns), _explained)


def wape(labels: Floats, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Absolute errors as a share of the absolute labels (weighted absolute percentage error)."""
    return Sums(sums.by_cluster(codes, clusters, np.abs(scores - labels), np.abs(labels)), sums.ratio)


def mase(labels: Floats, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean absolute scaled error; no value without a scale.

    A series' scale is the mean absolute error of its naive forecast in the training window (Hyndman & Koehler 2006,
    "Another look at measures of forecast accuracy", International Journal of Forecasting 22).
    """
    return sums.mean(np.abs(scores - labels) / (np.nan if scale is None else scale), codes, clusters)


def bias(labels: Floats, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean of score minus label: above zero where the model predicts too much."""
    return sums.mean(scores - labels, codes, clusters)


def _explained(totals: Totals) -> Totals:
    errors, squares, deviations, rows = totals
    spread = squares - divide(np.square(deviations), rows)
    return 1.0 - divide(errors, np.where(spread.real > ROUNDING * squares.real, spread, 0.0))
