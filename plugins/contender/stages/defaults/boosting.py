"""Boosted trees on mixed columns, in the form that converts to ONNX without a fault.

Categories become ordinal codes, unknown ones -1, and missing numbers are left to the trees. scikit-learn's own handling
of categories is converted wrongly, which `contender.stages.train.store` would refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

if TYPE_CHECKING:
    import optuna

DEFAULTS: dict[str, Any] = {"learning_rate": 0.05, "max_iter": 200, "max_leaf_nodes": 31, "min_samples_leaf": 20}


def classifier(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """An unfitted classifier of any number of classes.

    Args:
        parameters: Arguments of `HistGradientBoostingClassifier`; what is left out keeps `DEFAULTS`.
        numbers, categories: Input columns of each kind.
        seed: Seed of the estimator.
    """
    boost = HistGradientBoostingClassifier(**(DEFAULTS | parameters), early_stopping=False, random_state=seed)
    return _encoded(boost, numbers, categories)


def regressor(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """An unfitted estimator of a number; arguments as `classifier`, of `HistGradientBoostingRegressor`."""
    boost = HistGradientBoostingRegressor(**(DEFAULTS | parameters), early_stopping=False, random_state=seed)
    return _encoded(boost, numbers, categories)


def search_space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Distributions of the parameters that a trial draws."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        "learning_rate": FloatDistribution(0.02, 0.2, log=True),
        "max_leaf_nodes": IntDistribution(7, 63),
        "min_samples_leaf": IntDistribution(5, 200, log=True),
        "l2_regularization": FloatDistribution(0.01, 30.0, log=True),
    }


def _encoded(boost: Any, numbers: list[str], categories: list[str]) -> Pipeline:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    encode = ColumnTransformer(
        [("categories", codes, categories), ("numbers", "passthrough", numbers)], verbose_feature_names_out=False
    )
    return Pipeline([("encode", encode), ("model", boost)])
