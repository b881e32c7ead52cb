"""Points of the lines that the report draws: few, rounded, and the same whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from contender.core.evidence import Curve, Role
from contender.core.policy import Task
from contender.stages.gate.calibration import Bins, binned, claimed, in_class
from contender.stages.gate.holdout import Rows
from contender.stages.gate.resampling import Flags, Floats

POINTS = 50  # of one line, at most
BINS = 20  # of calibration and residuals
DIGITS = 6
Figure = Literal["roc", "precision_recall", "calibration", "scores", "residuals"]


def curves(task: Task, rows: Rows) -> tuple[Curve, ...]:
    """All lines of both models.

    - `roc`: false positive rate, true positive rate; `precision_recall`: recall, precision; of several classes the
      micro-average, each row and class being one yes or no.
    - `calibration`: mean score and share that came true in bins of equal mass; of several classes the highest score.
    - `residuals`: mean prediction and mean of label minus prediction in bins of equal mass (a binned residual plot:
      Gelman & Hill 2007, "Data Analysis Using Regression", section 5.6).
    - `scores`: middle of each of POINTS equal steps over the range of both models, and the share of rows in it; of
      several classes the highest score.
    """
    roles: tuple[tuple[Role, Floats], ...] = (("challenger", rows.challenger), ("champion", rows.reference))
    drawn = [curve for role, scores in roles for curve in _of_one(task, role, rows.labels, scores)]
    shown = [(role, scores.max(axis=1) if scores.ndim > 1 else scores) for role, scores in roles]
    low, high = (0.0, 1.0) if task in {"binary", "multiclass"} else _range([scores for _, scores in shown])
    return (*drawn, *(_histogram(role, scores, low, high) for role, scores in shown))


def _of_one(task: Task, role: Role, labels: Any, scores: Floats) -> Iterator[Curve]:
    if task in {"regression", "forecast"}:
        yield _binned("residuals", role, binned(scores, labels - scores, BINS))
        return
    flags, flat = (labels, scores) if task == "binary" else in_class(labels, scores)
    if 0 < flags.sum() < len(flags):
        yield from _ranked(role, flags, flat)
    yield _binned("calibration", role, binned(*claimed(task, labels, scores), BINS))


def _ranked(role: Role, labels: Flags, scores: Floats) -> Iterator[Curve]:
    """Both curves over the thresholds, which are the distinct scores, from the highest down."""
    order = np.argsort(-scores)
    falling = scores[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # of the rows that share a score
    taken, found = last + 1.0, np.cumsum(labels[order])[last]
    recall, precision = found / found[-1], found / taken
    wrong = (taken - found) / (taken[-1] - found[-1])
    # Along the curve, not along the thresholds: its bend may lie among a handful of rows.
    kept = _spread(recall + wrong)
    yield _curve("roc", role, np.append(0.0, wrong[kept]), np.append(0.0, recall[kept]))
    kept = _spread(recall)
    yield _curve("precision_recall", role, recall[kept], precision[kept])


def _spread(along: Floats) -> Any:
    """Places of at most POINTS - 1 entries of a rising sequence, evenly spread by its values, the last among them."""
    return np.unique(np.searchsorted(along, np.linspace(0.0, 1.0, POINTS)[1:] * along[-1]).clip(max=len(along) - 1))


def _histogram(role: Role, scores: Floats, low: float, high: float) -> Curve:
    counts, edges = np.histogram(scores, bins=POINTS, range=(low, high))
    return _curve("scores", role, (edges[1:] + edges[:-1]) / 2, counts / len(scores), counts)


def _range(scores: list[Floats]) -> tuple[float, float]:
    return float(min(of.min() for of in scores)), float(max(of.max() for of in scores))


def _binned(figure: Figure, role: Role, bins: Bins) -> Curve:
    return _curve(figure, role, bins.scores, bins.outcomes, bins.rows)


def _curve(figure: Figure, role: Role, x: Any, y: Any, rows: Any = ()) -> Curve:
    points = [tuple(np.round(values, DIGITS).tolist()) for values in (x, y)]
    return Curve(figure=figure, role=role, x=points[0], y=points[1], rows=tuple(int(count) for count in rows))
