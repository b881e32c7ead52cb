"""What a first model must beat."""

from __future__ import annotations

from typing import Any

import numpy as np

from contender.core.errors import DataError
from contender.stages.gate.resampling import Floats


def baseline_scores(kind: str, known: Any, rows: int) -> Floats:
    """Scores of the baseline that a first model must beat, which knows of the training set only this.

    Args:
        kind: As in `GatePolicy.baseline`.
        known: `prevalence`: the training set's share of label 1, strictly between 0 and 1, or of each class, several
            of them above 0. `mean`: the mean of its labels. `naive`: the naive forecast of each holdout row, as it
            was known before the row.
        rows: Those of the holdout.

    Returns:
        Shape (rows,), or (rows, classes) where `known` has a share of each class.

    Raises:
        DataError: The baseline is unknown, the training set has one class only, or what is known is not finite or
            has not as many values as there are rows.
    """
    values = np.asarray(known, dtype=np.float64)
    if kind == "prevalence":
        return np.tile(_shares(values), (rows, 1) if values.ndim else rows)
    expected = {"mean": (), "naive": (rows,)}.get(kind)
    if expected is None:
        raise DataError(
            "the baseline is unknown", where="gate.baseline", expected="prevalence, mean or naive", got=repr(kind),
            next_step="name one of them in the spec's gate policy",
        )  # fmt: skip
    if values.shape != expected or not np.isfinite(values).all():
        raise DataError(
            f"the baseline {kind} cannot be made",
            where="gate.baseline",
            expected="the mean of the training labels"
            if kind == "mean"
            else f"a finite forecast of each of {rows} rows",
            got=f"{values.size} values, {int((~np.isfinite(values)).sum())} of them not finite",
            next_step="look at the labels of the training window, or choose another baseline",
        )
    return np.full(rows, float(values)) if kind == "mean" else values


def _shares(shares: Floats) -> Floats:
    """The same shares, of at least two classes."""
    possible = np.atleast_1d(shares)
    if possible.max() < 1 and possible.min() >= 0 and possible.max() > 0:
        return shares
    raise DataError(
        "the training set has one class only, so it makes neither a model nor a baseline",
        where="training set",
        expected="a share of label 1 between 0 and 1",
        got=shares,
        next_step="look at the labels of the training window, or choose a longer one",
    )
