"""The plot of a fitted model: what it leans on. How good it is, the gate measures, and its report draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from contender.core.naming import DUE_AT
from contender.core.spec import ModelSpec
from contender.stages.train import LOSSES, inputs, loss, newest_from, scores

IMPORTANCE_ROWS = 3000
SHOWN = 20


def importance(content: bytes, training: pd.DataFrame, spec: ModelSpec) -> Figure:
    """Increase of the task's loss when one column is permuted (permutation importance, Breiman 2001).

    On rows that the model was fitted on, so that it says which columns the model uses, not what they are worth on new
    rows: the holdout's labels are for the gate, which counts each look at them.

    Args:
        content: ONNX bytes.
        training: Training rows; at most `IMPORTANCE_ROWS` of the newest `validation_days` are drawn.
        spec: The model.
    """
    random = np.random.default_rng(spec.seed)
    newest = training[training[DUE_AT] >= newest_from(training, spec)]
    some = newest.sample(min(IMPORTANCE_ROWS, len(newest)), random_state=spec.seed)
    frame = inputs(some, spec.columns)
    before = loss(some, scores(content, frame), spec)
    increase = {}
    for name in frame.columns:
        permuted = frame.assign(**{name: random.permutation(frame[name].to_numpy())})
        increase[name] = loss(some, scores(content, permuted), spec) - before
    top = sorted(increase.items(), key=lambda item: item[1])[-SHOWN:]
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)  # no window system, no global state: tasks share a forked process's modules
    ax = figure.subplots()
    ax.barh([name for name, _ in top], [value for _, value in top])
    ax.set_xlabel(f"increase of {LOSSES[spec.task]} when permuted")
    return figure
