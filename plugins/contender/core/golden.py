"""What a model answers, and how far two answers are apart."""

from __future__ import annotations

import math

# A probability, a number, or the probability of each class.
Output = float | list[float]


def apart(answer: Output, expected: Output) -> float:
    """Largest absolute difference of two answers.

    Returns:
        Infinity where one is a list and the other not, or of another length; NaN where either has a NaN.

    >>> apart([0.25, 0.75], [0.5, 0.5])
    0.25
    """
    ours, theirs = (one if isinstance(one, list) else [one] for one in (answer, expected))
    if isinstance(answer, list) != isinstance(expected, list) or len(ours) != len(theirs):
        return math.inf
    differences = [abs(mine - other) for mine, other in zip(ours, theirs, strict=True)]
    return math.nan if any(map(math.isnan, differences)) else max(differences, default=0.0)
