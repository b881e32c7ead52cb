"""The metrics by which models are compared, each with its direction and its sufficient statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from contender.core.policy import Task
from contender.stages.gate import binary, multiclass, regression
from contender.stages.gate.resampling import Codes, Combination, Floats, Nearer, Statistics


class Measure(Protocol):
    """Makes a metric's sufficient statistics; the tasks' modules say what shapes labels and scores have."""

    def __call__(
        self, labels: Any, scores: Any, codes: Codes, clusters: int, scale: Floats | None = None
    ) -> Statistics:
        """From rows with cluster codes 0 to `clusters` - 1."""
        ...


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        name: As in `GatePolicy.metric`.
        higher_is_better: Its direction.
        statistics: Makes its sufficient statistics.
        signed: Whether values on both sides of zero are bad: then distances from zero are compared.
    """

    name: str
    higher_is_better: bool
    statistics: Measure
    signed: bool = False

    def improvement(self, challenger: Statistics, reference: Statistics) -> Combination | Nearer:
        """How much better the challenger is on the same rows: positive where it is, whatever the direction."""
        if self.signed:
            return Nearer(challenger, reference)
        return Combination((challenger, reference), (1.0, -1.0) if self.higher_is_better else (-1.0, 1.0))

    def value(self, labels: Any, scores: Any, scale: Floats | None = None) -> float:
        """The metric of all rows taken as one cluster; NaN where it has no value.

        Example:
            >>> METRICS["binary"]["auc"].value(np.array([True, False, True]), np.array([0.9, 0.4, 0.4]))
            0.75
        """
        codes = np.zeros(len(labels), dtype=np.int64)
        return float(self.statistics(labels, scores, codes, 1, scale).at(np.ones((1, 1)))[0])


def _named(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: dict[Task, dict[str, Metric]] = {
    "binary": _named(
        Metric("log_loss", False, binary.log_loss),
        Metric("brier", False, binary.brier),
        Metric("auc", True, binary.auc),
        Metric("accuracy", True, binary.accuracy),
        Metric("f1", True, binary.f1),
    ),
    "multiclass": _named(
        Metric("log_loss", False, multiclass.log_loss),
        Metric("brier", False, multiclass.brier),
        Metric("auc", True, multiclass.auc),
        Metric("accuracy", True, multiclass.accuracy),
        Metric("macro_f1", True, multiclass.macro_f1),
    ),
    "regression": _named(
        Metric("mae", False, regression.mae),
        Metric("rmse", False, regression.rmse),
        Metric("r2", True, regression.r2),
        Metric("bias", False, regression.bias, signed=True),
    ),
    "forecast": _named(
        Metric("mae", False, regression.mae),
        Metric("rmse", False, regression.rmse),
        Metric("wape", False, regression.wape),
        Metric("mase", False, regression.mase),
        Metric("bias", False, regression.bias, signed=True),
    ),
}
