"""Plots of a stored model on its holdout: ROC, precision and recall, calibration, importance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay, log_loss

from contender.core.spec import ModelSpec
from contender.stages.train import inputs, scores

IMPORTANCE_ROWS = 3000
SHOWN = 20


def figures(content: bytes, rows: pd.DataFrame, spec: ModelSpec) -> dict[str, Figure]:
    """Figures by name.

    Args:
        content: ONNX bytes.
        rows: Labelled rows, the holdout.
        spec: The model.
    """
    labels = rows[spec.label].astype("int64").to_numpy()
    predicted = scores(content, inputs(rows, spec.columns))
    curves: dict[str, Any] = {
        "roc": lambda ax: RocCurveDisplay.from_predictions(labels, predicted, ax=ax, plot_chance_level=True),
        "precision_recall": lambda ax: PrecisionRecallDisplay.from_predictions(labels, predicted, ax=ax),
        "calibration": lambda ax: CalibrationDisplay.from_predictions(labels, predicted, n_bins=10, ax=ax),
        "importance": lambda ax: _importance(content, rows, spec, ax),
    }
    return {name: _drawn(draw) for name, draw in curves.items()}


def _drawn(draw: Any) -> Figure:
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)  # no window system, no global state: tasks share a forked process's modules
    draw(figure.subplots())
    return figure


def _importance(content: bytes, rows: pd.DataFrame, spec: ModelSpec, ax: Any) -> None:
    """Increase of the log loss when one column is permuted (permutation importance, Breiman 2001)."""
    random = np.random.default_rng(spec.seed)
    some = rows.sample(min(IMPORTANCE_ROWS, len(rows)), random_state=spec.seed)
    labels, frame = some[spec.label].astype("int64"), inputs(some, spec.columns)
    before = log_loss(labels, scores(content, frame), labels=[0, 1])
    increase = {}
    for name in frame.columns:
        permuted = frame.assign(**{name: random.permutation(frame[name].to_numpy())})
        increase[name] = log_loss(labels, scores(content, permuted), labels=[0, 1]) - before
    top = sorted(increase.items(), key=lambda item: item[1])[-SHOWN:]
    ax.barh([name for name, _ in top], [value for _, value in top])
    ax.set_xlabel("increase of log loss when permuted")
