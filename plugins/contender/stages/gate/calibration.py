"""How far the probabilities are from the observed shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contender.core.policy import Task
from contender.stages.gate.resampling import Flags, Floats
from contender.stages.gate.sums import by_cluster

BINS = 10


@dataclass(frozen=True)
class Bins:
    """Rows with neighbouring scores; one entry for each bin, in order of score.

    Attributes:
        rows: Their number.
        scores: Their mean score.
        outcomes: Their mean outcome.
    """

    rows: npt.NDArray[np.int64]
    scores: Floats
    outcomes: Floats


def expected_calibration_error(task: Task, labels: Any, scores: Floats) -> float | None:
    """Mean distance of a bin's mean score from the share of its rows in which it came true, weighted by rows.

    The definition is Naeini, Cooper & Hauskrecht 2015 ("Obtaining well calibrated probabilities using Bayesian
    binning", AAAI); of several classes the class with the highest score is taken (Guo et al. 2017, "On calibration of
    modern neural networks", ICML). Bins of equal mass instead of equal width (Nguyen & O'Connor 2015, EMNLP; Roelofs
    et al. 2022, "Mitigating bias in calibration error estimation", AISTATS): with rare labels nearly all scores would
    share one bin. A perfectly calibrated model has not 0 but about √(2 p (1 - p) BINS / (π n)) by chance, where `p`
    is the share of label 1: 0.009 at 14,000 rows and `p` = 0.23, 0.034 at 1,000.

    Returns:
        0 to 1, rounded to 6 digits; `None` for tasks without probabilities.
    """
    if task not in {"binary", "multiclass"}:
        return None
    found = binned(*claimed(task, labels, scores), BINS)
    return round(float(np.sum(found.rows * np.abs(found.scores - found.outcomes)) / found.rows.sum()), 6)


def claimed(task: Task, labels: Any, scores: Floats) -> tuple[Floats, Floats]:
    """Of each row the probability that the model claims, and whether it came true (0 or 1)."""
    if task == "binary":
        return scores, labels.astype(np.float64)
    return scores.max(axis=1), (scores.argmax(axis=1) == labels).astype(np.float64)


def binned(scores: Floats, outcomes: Floats, bins: int) -> Bins:
    """Rows in at most `bins` bins of equal mass by score; equal scores share a bin, so that there may be fewer.

    The order of the rows does not matter, not even to the last bit.
    """
    edges = quantiles(scores, bins)
    codes = np.searchsorted(edges, scores, side="right")
    rows = np.bincount(codes, minlength=len(edges) + 1)
    sums, filled = by_cluster(codes, len(rows), scores, outcomes), rows > 0
    claims, came_true = (sums[filled] / rows[filled, None]).T
    return Bins(rows=rows[filled], scores=claims, outcomes=came_true)


def quantiles(values: Floats, parts: int) -> Floats:
    """The distinct values at which so many parts of equal mass begin, but for the first."""
    return np.unique(np.sort(values)[(np.arange(1, parts) * len(values)) // parts])


def in_class(labels: Any, scores: Floats) -> tuple[Flags, Floats]:
    """Of each row and class whether the row is of the class, and its score for it: several classes as one yes or no."""
    flags: Flags = labels[:, None] == np.arange(scores.shape[1])
    return flags.ravel(), scores.ravel()
