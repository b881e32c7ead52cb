"""How differently two models score the same rows, and whether they are the same rows."""

from __future__ import annotations

import numpy as np

from contender.stages.gate.calibration import quantiles
from contender.stages.gate.resampling import Floats

BINS = 10


def population_stability_index(scores: Floats, expected: Floats) -> float:
    """PSI of the scores on the deciles of the expected ones: Σ (p - q) ln(p / q) over the bins' shares p and q.

    A common reading: below 0.1 little, above 0.25 much (Siddiqi 2006, "Credit Risk Scorecards"). For two independent
    samples of one distribution its mean is about (bins - 1)(1/n + 1/m) (Yurdakul & Naranjo 2020, "Statistical
    properties of the population stability index", Journal of Risk Model Validation 14): 0.18 at 100 rows, 0.018 at
    1,000: a smaller limit forbids chance. Two models on the same rows stay below that, because they share the rows. An
    empty bin counts as half a row. Equal expected scores share a bin; a model with few distinct scores has fewer bins.

    Args:
        scores: The challenger's, shape (n,), or (n, classes): then the class that shifted most counts.
        expected: The champion's, of the same shape.

    Returns:
        0 where both score alike, without an upper bound; rounded to 6 digits.
    """
    if scores.ndim > 1:
        return max(population_stability_index(scores[:, k], expected[:, k]) for k in range(scores.shape[1]))
    edges = quantiles(expected, BINS)
    p, q = (
        np.maximum(np.bincount(np.searchsorted(edges, of, side="right"), minlength=len(edges) + 1), 0.5)
        for of in (scores, expected)
    )
    p, q = p / p.sum(), q / q.sum()
    return round(float(np.sum((p - q) * np.log(p / q))), 6)


def agreement(scores: Floats, expected: Floats) -> float | None:
    """Pearson's correlation of both models' scores, of several classes the one furthest from 0; rounded to 6 digits.

    Two models of one question agree in part, and one that the world has left behind may disagree, but scores that were
    joined to other rows are unrelated: within about ±1/√n of 0.

    Args:
        scores, expected: Of one shape, (n,) or (n, classes).

    Returns:
        -1 to 1; `None` where a model answers every row alike.
    """
    if scores.ndim > 1:
        found = [agreement(scores[:, k], expected[:, k]) for k in range(scores.shape[1])]
        return max((one for one in found if one is not None), key=abs, default=None)
    ours, theirs = scores - scores.mean(), expected - expected.mean()
    spread = float(np.sqrt(np.sum(np.square(ours)) * np.sum(np.square(theirs))))
    return round(float(np.sum(ours * theirs)) / spread, 6) if np.ptp(scores) > 0 and np.ptp(expected) > 0 else None
