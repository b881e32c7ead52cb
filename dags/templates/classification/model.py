"""`classification` as pure functions: its estimator and its search space.

The rows, the features and the examples follow from the spec in `dag.py`. To compute them otherwise, write a function
`read`, `features` or `examples` here: it takes the place of the platform's (`contender/stages/defaults/tabular.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contender.stages.defaults import boosting

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from sklearn.pipeline import Pipeline


def read(table: str, source: str = "") -> pd.DataFrame:
    """The rows that come with scikit-learn, numbered; `make new-model` leaves this function out.

    Args:
        table: `classification`.
        source: Not used.
    """
    from sklearn.datasets import load_breast_cancer

    from contender.core.naming import identifiers

    found = load_breast_cancer(as_frame=True)
    rows = found.data.set_axis(identifiers(found.data.columns), axis=1).astype("float64")
    return rows.assign(row=range(len(rows)), malignant=found.target.map({0: "malignant", 1: "benign"}).astype("string"))


def estimator(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """Boosted trees that give the probability of the second class.

    Anything with scikit-learn's `fit` and `predict_proba` may take its place, as long as it converts to ONNX.

    Args:
        parameters: What a trial tries; without any, the estimator's defaults.
        numbers, categories: Input columns of each kind.
        seed: Seed of the estimator.
    """
    return boosting.classifier(parameters, numbers=numbers, categories=categories, seed=seed)


def search_space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Distributions of the parameters that a trial draws."""
    return boosting.search_space()
