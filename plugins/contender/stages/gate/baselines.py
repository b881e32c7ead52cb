"""What a first model must beat."""

from __future__ import annotations

import numpy as np

from contender.core.errors import DataError
from contender.stages.gate.resampling import Floats


def baseline_scores(kind: str, train_label_share: float, n: int) -> Floats:
    """Scores of the baseline that a first model must beat, shape (n,).

    Args:
        kind: `prevalence`: every row gets the training set's share of label 1.
        train_label_share: That share, strictly between 0 and 1.
        n: Rows of the holdout.

    Raises:
        DataError: The baseline is unknown, or the training set has one class only.
    """
    if kind != "prevalence":
        raise DataError("the baseline is unknown", where="gate.baseline", expected="prevalence", got=repr(kind))
    if not 0 < train_label_share < 1:
        raise DataError(
            "the training set has one class only, so it makes neither a model nor a baseline",
            where="training set",
            expected="a share of label 1 between 0 and 1",
            got=train_label_share,
            next_step="look at the labels of the training window, or choose a longer one",
        )
    return np.full(n, float(train_label_share))
