"""AUC from the concordant pairs of every two clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contender.stages.gate.resampling import Codes, Flags, Floats, divide

# Negatives between two kept rows of cumulative counts in `Pairs`: a larger block means a smaller matrix product,
# less memory and more single look-ups; of 8 to 128 on a million rows, 32 was the fastest with 30 clusters and 64
# with 100, 128 with 250.
BLOCK = 32


@dataclass(frozen=True)
class Pairs:
    """AUC as the share of concordant pairs: `wᵀAw / ((w·positives)(w·negatives))`.

    This is the Mann-Whitney form of the area under the ROC curve (Hanley & McNeil 1982, Radiology 143), exact also
    for resamples, because a pair's order does not depend on which other rows were drawn.

    Attributes:
        concordant: A[i, j] = pairs of a positive of cluster i above a negative of cluster j, ties as one half.
        positives, negatives: Rows of each class by cluster.
    """

    concordant: Floats
    positives: Floats
    negatives: Floats

    def at(self, weights: Floats) -> Floats:
        """See `Statistics.at`."""
        return divide(
            np.sum((weights @ self.concordant) * weights, axis=1),
            (weights @ self.positives) * (weights @ self.negatives),
        )

    def influence(self, weights: Floats) -> Floats:
        """See `Statistics.influence`."""
        positives, negatives = (weights @ self.positives)[:, None], (weights @ self.negatives)[:, None]
        gained = weights @ (self.concordant + self.concordant.T)
        lost = self.at(weights)[:, None] * (self.positives * negatives + self.negatives * positives)
        return divide(gained - lost, positives * negatives)


def count(labels: Flags, scores: Floats, codes: Codes, clusters: int) -> Pairs:
    """Count the concordant pairs of every two clusters in O(n log n + n·BLOCK + n·clusters/BLOCK).

    With the negatives in order of score, a positive lies above the first `k` of them. How many of these belong to
    each cluster is read from cumulative counts kept at every BLOCK-th negative, which all positives of a cluster
    share in one matrix product, and from the at most BLOCK - 1 negatives since. Counting once up to the first and
    once up to the last tied negative, and taking the mean, gives ties their half. All sums are whole numbers below
    2^53 up to 10^8 rows, hence exact.
    """
    upper, lower = scores[labels], scores[~labels]
    upward, downward = np.argsort(upper), np.argsort(lower)
    upper, lower = upper[upward], lower[downward]
    above, below = codes[labels][upward], codes[~labels][downward]
    first, last = (np.searchsorted(lower, upper, side=side) for side in ("left", "right"))
    concordant = _count_pairs(above, below, first, clusters)
    if not np.array_equal(first, last):
        concordant = (concordant + _count_pairs(above, below, last, clusters)) / 2
    positives, negatives = (np.bincount(of, minlength=clusters).astype(np.float64) for of in (above, below))
    return Pairs(concordant=concordant, positives=positives, negatives=negatives)


def _count_pairs(above: Codes, below: Codes, reach: npt.NDArray[np.intp], clusters: int) -> Floats:
    """For each pair (i, j) the sum over positives of cluster i of negatives of cluster j among the first `reach`."""
    blocks = len(below) // BLOCK + 1
    in_block = np.bincount(np.arange(len(below)) // BLOCK * clusters + below, minlength=blocks * clusters)
    before = np.zeros((blocks, clusters))
    np.cumsum(in_block.reshape(blocks, clusters)[:-1], axis=0, out=before[1:])
    block, rest = np.divmod(reach, BLOCK)
    ending = np.bincount(block * clusters + above, minlength=blocks * clusters).reshape(blocks, clusters)
    counts: Floats = ending.T.astype(np.float64) @ before
    start, row = block * BLOCK, above * clusters
    for offset in range(BLOCK - 1):
        reaching = np.flatnonzero(rest > offset)
        cells = row[reaching] + below[start[reaching] + offset]
        counts += np.bincount(cells, minlength=clusters * clusters).reshape(clusters, clusters)
    return counts
