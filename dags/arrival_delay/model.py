"""`arrival_delay` as pure functions: its examples, its estimator and its search space.

The tables and the features are those of `flight_delay`, which owns them; so is the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contender.core.interval import Interval
from contender.stages.defaults import boosting
from flight_delay.model import examples_with

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from sklearn.pipeline import Pipeline


def examples(tables: dict[str, pd.DataFrame], window: Interval, known_by: Interval) -> pd.DataFrame:
    """One row for each flight due in the window; arguments and columns are those of `flight_delay`.

    The label is `arr_delay`: minutes after the scheduled arrival, negative where early; missing where the flight was
    cancelled or diverted, or had not landed by the end of `known_by`.
    """
    return examples_with(tables, window, known_by, label="arr_delay")


def estimator(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """Boosted trees that give the minutes.

    Args:
        parameters: What a trial tries; what is left out keeps `DEFAULTS`.
        numbers, categories: Input columns of each kind.
        seed: Seed of the estimator.
    """
    return boosting.regressor(DEFAULTS | parameters, numbers=numbers, categories=categories, seed=seed)


# The gate decides by the mean absolute error, which the median makes least. Whether trees find it better by its own
# loss or by the squared one is for the trials to say, on days of the training window.
DEFAULTS = {
    "loss": "absolute_error", "learning_rate": 0.05, "max_iter": 200, "max_leaf_nodes": 31, "min_samples_leaf": 200,
    "l2_regularization": 10.0,
}  # fmt: skip


def search_space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Distributions of the parameters that a trial draws."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    return {
        "loss": CategoricalDistribution(["absolute_error", "squared_error"]),
        "learning_rate": FloatDistribution(0.02, 0.12, log=True),
        "max_leaf_nodes": IntDistribution(15, 63),
        "min_samples_leaf": IntDistribution(50, 500, log=True),
    }
