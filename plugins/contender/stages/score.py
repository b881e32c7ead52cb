"""Score: the form in which predictions are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from contender.core.naming import DUE_AT, EVENT_TIME, identifiers
from contender.core.spec import ModelSpec


def predictions(examples: pd.DataFrame, scores: np.ndarray, version: str, spec: ModelSpec) -> pd.DataFrame:
    """One row for each example.

    Args:
        examples: The examples that were scored.
        scores: What the model answered, as `contender.stages.train.scores` gives it.
        version: The model's version in the registry.
        spec: The model.

    Returns:
        `example_id`, `event_timestamp`, `due_at`, what `answered` gives, `version`.
    """
    return pd.DataFrame(
        {
            "example_id": examples["example_id"],
            EVENT_TIME: examples[EVENT_TIME],
            DUE_AT: examples[DUE_AT],
            **answered(scores, spec),
            "version": pd.Series(version, index=examples.index, dtype="string"),
        }
    )


def answered_columns(spec: ModelSpec) -> list[str]:
    """Names of an answer's columns.

    Returns:
        `probability` of a binary model; `predicted`, the name of the likeliest class, and `probability_<class>` of each
        class of a multiclass one; `value` of the others.
    """
    if spec.task == "multiclass":
        return ["predicted", *identifiers(f"probability_{name}" for name in spec.classes)]
    return ["probability" if spec.task == "binary" else "value"]


def answered(scores: np.ndarray, spec: ModelSpec) -> dict[str, pd.Series]:
    """The columns of an answer, float64 but for `predicted`."""
    names = answered_columns(spec)
    if spec.task != "multiclass":
        return {names[0]: pd.Series(scores)}
    likeliest = pd.array([spec.classes[code] for code in scores.argmax(axis=1)], dtype="string")
    chances = zip(names[1:], scores.T, strict=True)
    return {names[0]: pd.Series(likeliest), **{name: pd.Series(of) for name, of in chances}}
