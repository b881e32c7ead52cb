"""Metrics of the probabilities of K classes.

Every function takes labels 0 to K - 1 of shape (n,), scores of shape (n, K), the rows' cluster codes, the number of
clusters, and a scale that none of them needs; a row is decided for the class of its highest score, the first of equals.
"""

from __future__ import annotations

import numpy as np

from contender.stages.gate import pairs, sums
from contender.stages.gate.binary import negative_log
from contender.stages.gate.resampling import Codes, Combination, Floats, divide
from contender.stages.gate.sums import Sums, Totals


def log_loss(labels: Codes, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean negative log-likelihood, in nats."""
    return sums.mean(negative_log(scores[np.arange(len(labels)), labels]), codes, clusters)


def brier(labels: Codes, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean over rows of the squared differences, summed over classes: 0 to 2 (Brier 1950), as in scikit-learn."""
    hits = labels[:, None] == np.arange(scores.shape[1])
    return sums.mean(np.sum(np.square(scores - hits), axis=1), codes, clusters)


def auc(labels: Codes, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Combination:
    """Mean over classes of the area under the ROC curve, each class against the rest; no value if a class is absent."""
    classes = scores.shape[1]
    of_class = (pairs.count(labels == k, scores[:, k], codes, clusters) for k in range(classes))
    return Combination(tuple(of_class), (1.0 / classes,) * classes)


def accuracy(labels: Codes, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Share of rows decided rightly."""
    return sums.mean(np.argmax(scores, axis=1) == labels, codes, clusters)


def macro_f1(labels: Codes, scores: Floats, codes: Codes, clusters: int, scale: Floats | None = None) -> Sums:
    """Mean of the classes' F1, over the classes that some row has or is decided for, as in scikit-learn."""
    decided = np.argmax(scores, axis=1)
    classes = range(scores.shape[1])
    both = (2 * ((decided == k) & (labels == k)) for k in classes)
    either = ((decided == k).astype(np.int64) + (labels == k) for k in classes)
    return Sums(sums.by_cluster(codes, clusters, *both, *either), _mean_ratio)


def _mean_ratio(totals: Totals) -> Totals:
    both, either = np.split(totals, 2)
    present = either.real != 0
    return divide(np.sum(np.where(present, divide(both, either), 0.0), axis=0), np.sum(present, axis=0))
