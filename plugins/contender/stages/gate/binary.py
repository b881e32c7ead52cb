"""Metrics of the probability of label 1.

Every function takes labels (bool) and scores, both of shape (n,), the rows' cluster codes, the number of clusters,
and a scale that none of them needs; a row is decided positive where its score is at least `THRESHOLD`.
"""

from __future__ import annotations

import numpy as np

from contender.stages.gate import pairs, sums
from contender.stages.gate.pairs import Pairs
from contender.stages.gate.resampling import Codes, Flags, Floats
from contender.stages.gate.sums import Sums

THRESHOLD = 0.5


def log_loss(labels: Flags, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean negative log-likelihood, in nats."""
    return sums.mean(negative_log(np.where(labels, scores, 1.0 - scores)), codes, clusters)


def brier(labels: Flags, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean squared difference of score and label."""
    return sums.mean(np.square(scores - labels), codes, clusters)


def auc(labels: Flags, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Pairs:
    """Area under the ROC curve."""
    return pairs.count(labels, scores, codes, clusters)


def accuracy(labels: Flags, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Share of rows decided rightly."""
    return sums.mean((scores >= THRESHOLD) == labels, codes, clusters)


def f1(labels: Flags, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Harmonic mean of precision and recall; no value where no row is positive and none is decided so."""
    decided = scores >= THRESHOLD
    both, either = 2 * (decided & labels), labels.astype(np.int64) + decided
    return Sums(sums.by_cluster(codes, clusters, both, either), sums.ratio)


def negative_log(likelihood: Floats) -> Floats:
    """In nats; a likelihood of 0 is moved inside by the float64 epsilon, as in scikit-learn."""
    return -np.log(np.clip(likelihood, np.finfo(np.float64).eps, 1.0))
