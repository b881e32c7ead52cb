"""`origin_departures` as pure functions: its series, its estimator and its search space.

The flights are those of `flight_delay`; features and examples follow from the series by the spec's panel.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from contender.stages.defaults import boosting
from flight_delay.model import with_departures

if TYPE_CHECKING:
    import optuna
    from sklearn.pipeline import Pipeline

# No flight of 2013 left later than 22 hours after its time: so long after the first rows of a table that was cut out of
# a longer one, planes leave whose rows are not in it.
LATEST = timedelta(days=1)


def series(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """How many flights left each origin in each hour, by their real times: that is what was known when the hour ended.

    Args:
        tables: `flights`, of any length of time.

    Returns:
        `origin`, `time_hour` (beginning of the hour, UTC), `departures` (float64): for each origin every hour from the
        first scheduled departure to the last, 0 where nothing left, missing in the first 24 hours.
    """
    flights = with_departures(tables["flights"])
    left = flights[flights["departed_at"].notna()]
    first, last = flights["time_hour"].min(), flights["time_hour"].max()
    hours = pd.date_range(first, last, freq="h", name="time_hour").as_unit("us")
    origins = sorted(flights["origin"].unique())
    counted = left.groupby(["origin", left["departed_at"].dt.floor("h").rename("time_hour")]).size()
    laid = counted.reindex(pd.MultiIndex.from_product([origins, hours]), fill_value=0).astype("float64")
    found = laid.rename_axis(["origin", "time_hour"]).rename("departures").reset_index()
    found["departures"] = found["departures"].mask(found["time_hour"] < first + LATEST, np.nan)
    return found.astype({"origin": "string"})


def estimator(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """Boosted trees that give the number of departures.

    Args:
        parameters: What a trial tries; what is left out keeps `DEFAULTS`.
        numbers, categories: Input columns of each kind.
        seed: Seed of the estimator.
    """
    return boosting.regressor(DEFAULTS | parameters, numbers=numbers, categories=categories, seed=seed)


# By the measure of the gate; the trials say on the backtest whether the squared error serves it better.
DEFAULTS = {"loss": "absolute_error", "learning_rate": 0.05, "max_iter": 200, "max_leaf_nodes": 31}


def search_space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Distributions of the parameters that a trial draws."""
    from optuna.distributions import CategoricalDistribution

    return {"loss": CategoricalDistribution(["absolute_error", "squared_error"]), **boosting.search_space()}
