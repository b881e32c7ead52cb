"""Score: the form in which predictions are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from contender.core.naming import DUE_AT, EVENT_TIME


def predictions(examples: pd.DataFrame, probabilities: np.ndarray, version: str) -> pd.DataFrame:
    """One row for each example: `example_id`, `event_timestamp`, `due_at`, `probability` (float64), `version`."""
    return pd.DataFrame(
        {
            "example_id": examples["example_id"],
            EVENT_TIME: examples[EVENT_TIME],
            DUE_AT: examples[DUE_AT],
            "probability": probabilities,
            "version": pd.Series(version, index=examples.index, dtype="string"),
        }
    )
