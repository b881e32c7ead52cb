"""`Planted`: rows that are made up, so that a model without labels has something to be right about."""

from __future__ import annotations

from pydantic import Field

from contender.core.declared import Declared


class Planted(Declared):
    """Anomalies that are planted among the rows of a model that has no labels.

    The model learns to tell the rows from made-up ones, and its probability is how odd a row looks: unsupervised
    learning as a supervised problem (Hastie, Tibshirani & Friedman 2009, "The Elements of Statistical Learning",
    section 14.2.4). It finds what the planted rows are like: a combination of values that does not occur, or a value
    far out. It does not find an oddity that has the same values in the same combinations, such as a row sent twice.

    Attributes:
        per_row: How many are planted for each row. Half of them have each value from another row, which keeps every
            column as it is and breaks what holds between them; the other half have each number from anywhere in its
            column's range.
        widened: By how much of its width that range is widened at each end.
    """

    per_row: float = Field(default=1.0, gt=0, le=10)
    widened: float = Field(default=0.1, ge=0, le=1)
