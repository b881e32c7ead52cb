"""Tables for new models of each kind, from data that scikit-learn brings along; a series is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine


def cancer() -> pd.DataFrame:
    """569 tumours, 30 measures, `diagnosis` (malignant or benign)."""
    found = load_breast_cancer(as_frame=True)
    rows: pd.DataFrame = found.data
    return rows.assign(diagnosis=found.target.map({0: "malignant", 1: "benign"}))


def wine() -> pd.DataFrame:
    """178 wines, 13 measures, `grower` (one of three)."""
    found = load_wine(as_frame=True)
    rows: pd.DataFrame = found.data
    return rows.assign(grower=found.target.map(lambda number: f"grower {number}"))


def diabetes() -> pd.DataFrame:
    """442 patients, 10 measures, `target` (a number)."""
    rows: pd.DataFrame = load_diabetes(as_frame=True, scaled=False).frame
    return rows


def sales() -> pd.DataFrame:
    """Two shops' daily sales over two years: `shop`, `day`, `sold`."""
    days = pd.date_range("2012-01-01", "2013-12-31")
    draw = np.random.default_rng(1)
    parts = [
        pd.DataFrame(
            {"shop": shop, "day": days.strftime("%Y-%m-%d"), "sold": 50 + days.dayofweek + draw.normal(size=len(days))}
        )
        for shop in ("north", "south")
    ]
    return pd.concat(parts)


# For each template a table of its kind and what `make new-model` is told of it.
TABLES: Mapping[str, tuple[Callable[[], pd.DataFrame], Mapping[str, Any]]] = {
    "classification": (cancer, {"label": "diagnosis"}),
    "multiclass": (wine, {"label": "grower"}),
    "regression": (diabetes, {"label": "target"}),
    "batch_only": (cancer, {"label": "diagnosis"}),
    "forecasting": (sales, {"label": "sold", "time": "day", "entity": ("shop",)}),
    "anomaly": (wine, {"drop": ("grower",)}),
}
