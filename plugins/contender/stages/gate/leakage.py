"""Inputs that tell the label by themselves.

A column that was filled in after the fact, or computed from the label, makes a challenger look brilliant until it meets
rows of which nobody knows the outcome. Such a column mostly gives itself away: alone, it orders the labels nearly
without a fault. What this cannot find: a leak spread over several columns, one that tells only together with another
(an interaction), and a number whose order has nothing to do with the label's.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from contender.core.errors import DataError, some
from contender.core.evidence import Leak
from contender.stages.gate.holdout import Holdout, Rows, column_of, texts
from contender.stages.gate.resampling import Flags, Floats

STRONGEST = 5  # inputs that the evidence keeps
Learned = dict[str, tuple[pd.Series, Any]]  # by category column: its training values as text, and their labels


def strongest(holdout: Holdout, rows: Rows) -> tuple[Leak, ...]:
    """The inputs that tell most of the label by themselves, strongest first, at most STRONGEST.

    The power of a number is the area under the ROC curve of its values, whichever way they point, as if it were the
    model; missing values are put below all others or above, whichever tells more. A category is first replaced by the
    mean label of its training rows, a missing one being a category too. Of several classes it is the mean over the
    pairs of classes (Hand & Till 2001, "A simple generalisation of the area under the ROC curve", Machine Learning
    45); of a number to predict it is 0.5 + |Spearman's rank correlation| / 2.

    Raises:
        DataError: `holdout.frame` lacks an input, or there are categories and no training rows to learn them from.
    """
    if not holdout.inputs:
        return ()
    columns = {name: column_of(holdout.frame, name, "inputs") for name in holdout.inputs}
    learned = _learned(holdout, [name for name, values in columns.items() if not _is_number(values)])
    if holdout.task in {"binary", "multiclass"}:
        labels = rows.labels.astype(np.int64)
        pairs = [_apart(*pair, labels, columns, learned) for pair in combinations(np.unique(labels), 2)]
        powers = np.mean(pairs, axis=0) if pairs else np.full(len(columns), 0.5)
    else:
        powers = _following(rows.labels, _matrix(columns, learned))
    ordered = sorted(zip((-powers).round(6).tolist(), columns, strict=True))
    return tuple(Leak(column=name, power=-power) for power, name in ordered[:STRONGEST])


def _learned(holdout: Holdout, categories: list[str]) -> Learned:
    """What the training rows know of the categories; their labels are coded as the holdout's."""
    training, needed = holdout.training, {*categories, holdout.label}
    if not categories:
        return {}
    lacking = sorted(needed if training is None else needed - set(training.columns))
    if training is None or lacking:
        raise DataError(
            "the leak detector cannot learn what the categories tell of the label",
            where="training rows",
            expected=f"columns {some(sorted(needed))}",
            got=f"without {some(lacking)}",
            next_step="give the holdout its training rows and the name of their label column",
        )
    labels = training[holdout.label].to_numpy(dtype=np.float64, na_value=np.nan)
    return {name: (texts(training[name]), labels) for name in categories}


def _apart(low: int, high: int, labels: Any, columns: dict[str, pd.Series], learned: Learned) -> Floats:
    """Of each column the power to tell two classes apart, among their rows alone."""
    either = np.isin(labels, (low, high))
    among: Learned = {}
    for name, (values, known) in learned.items():
        of_two = np.isin(known, (low, high))
        among[name] = values[of_two], (known[of_two] == high).astype(np.float64)
    return _telling(labels[either] == high, _matrix({name: of[either] for name, of in columns.items()}, among))


def _matrix(columns: dict[str, pd.Series], learned: Learned) -> Floats:
    """One float64 column for each input; missing where nothing is known."""
    encoded = []
    for name, values in columns.items():
        if name not in learned:
            encoded.append(values.to_numpy(dtype=np.float64, na_value=np.nan))
            continue
        known, labels = learned[name]
        means = pd.Series(labels, index=known).groupby(level=0).mean()
        encoded.append(texts(values).map(means).to_numpy(dtype=np.float64, na_value=np.nan))
    return np.column_stack(encoded)


def _telling(positive: Flags, matrix: Floats) -> Floats:
    """Area under the ROC curve from the sum of the positives' ranks (Mann-Whitney), the larger way round."""
    count, rest = int(positive.sum()), int((~positive).sum())
    areas = [(ranks[positive].sum(axis=0) - count * (count + 1) / 2) / (count * rest) for ranks in _ranked(matrix)]
    powers: Floats = np.max([np.maximum(area, 1 - area) for area in areas], axis=0)
    return powers


def _following(labels: Floats, matrix: Floats) -> Floats:
    """0.5 + |Spearman's rank correlation| / 2; a constant follows nothing."""
    truth = _ranked(labels[:, None])[0] - (len(labels) + 1) / 2
    correlations = []
    for ranks in _ranked(matrix):
        centred = ranks - (len(labels) + 1) / 2
        spread = np.sqrt(np.sum(np.square(centred), axis=0) * np.sum(np.square(truth)))
        correlations.append(np.abs(truth.T @ centred)[0] / np.where(spread > 0, spread, 1.0))
    powers: Floats = 0.5 + np.max(correlations, axis=0) / 2
    return powers


def _ranked(matrix: Floats) -> list[Floats]:
    """Ranks by column, ties at their mean: missing values first and, where there are any, missing values last."""
    missing = np.isnan(matrix)
    first: Floats = pd.DataFrame(matrix).rank(na_option="top").to_numpy()
    if not missing.any():
        return [first]
    count = missing.sum(axis=0)
    return [first, np.where(missing, len(matrix) - (count - 1) / 2, first - count)]


def _is_number(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values))
