"""Planting anomalies among the rows of a training set, see `contender.core.planted`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from contender.core.naming import DUE_AT
from contender.core.planted import Planted
from contender.core.spec import Column, ModelSpec
from contender.core.windows import Split

KEY = "example_id"


def with_planted(rows: pd.DataFrame, split: Split, spec: ModelSpec) -> pd.DataFrame:
    """The rows, all with label 0, and the planted ones with label 1.

    Training rows and holdout rows are made up of their own kind alone, so that no value of the holdout is seen before
    it; the ranges are those of the training rows.

    Args:
        rows: Joined examples.
        split: Where the holdout begins.
        spec: The model, with `planted`.

    Returns:
        The rows of the frame first. A planted row has time, cluster and entity of the row that it was made beside.
    """
    if spec.planted is None:
        return rows
    ordered = rows.sort_values(KEY, ignore_index=True)
    held_out = ordered[DUE_AT] >= split.holdout.start
    draw = np.random.default_rng(spec.seed)
    parts = [_planted(ordered[of], ordered[~held_out], spec.planted, spec, draw) for of in (~held_out, held_out)]
    return pd.concat([rows, *parts], ignore_index=True)


def _planted(
    beside: pd.DataFrame, training: pd.DataFrame, how: Planted, spec: ModelSpec, draw: np.random.Generator
) -> pd.DataFrame:
    count = round(len(beside) * how.per_row)
    made = beside.iloc[np.arange(count) % max(len(beside), 1)].reset_index(drop=True)
    shuffled = np.arange(count) % 2 == 0
    for column in spec.columns:
        mixed = beside[column.name].iloc[draw.integers(0, max(len(beside), 1), count)].reset_index(drop=True)
        made[column.name] = mixed.where(shuffled, _scattered(training[column.name], column, how, count, draw))
    keys = [f"planted/{number}/{key}" for number, key in enumerate(made[KEY])]
    made[KEY], made[spec.label] = pd.array(keys, dtype="string"), 1.0
    return made


def _scattered(known: pd.Series, column: Column, how: Planted, count: int, draw: np.random.Generator) -> pd.Series:
    """Values from anywhere: a number from the widened range, a category from those there are."""
    values = known.dropna()
    if values.empty:
        return pd.Series(np.nan, index=range(count)).astype(known.dtype)
    if column.kind == "category":
        there = values.drop_duplicates().sort_values()
        return there.iloc[draw.integers(0, len(there), count)].reset_index(drop=True)
    low, high = float(values.min()), float(values.max())
    slack = (high - low) * how.widened
    return pd.Series(draw.uniform(low - slack, high + slack, count))
