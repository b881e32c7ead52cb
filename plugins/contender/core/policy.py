"""`GatePolicy`: what a challenger must show before it replaces the champion."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contender.core.declared import Declared
from contender.core.misfits import Misfit, refuse, repeated

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,62}$")]
Task = Literal["binary", "multiclass", "regression", "forecast"]
MetricName = Literal[
    "log_loss", "brier", "auc", "accuracy", "f1", "macro_f1", "mae", "rmse", "r2", "wape", "mase", "bias"
]
# A test compares this with what contender/stages/gate/metrics.py measures.
METRICS_OF: dict[Task, tuple[MetricName, ...]] = {
    "binary": ("log_loss", "brier", "auc", "accuracy", "f1"),
    "multiclass": ("log_loss", "brier", "auc", "accuracy", "macro_f1"),
    "regression": ("mae", "rmse", "r2", "bias"),
    "forecast": ("mae", "rmse", "wape", "mase", "bias"),
}
Baseline = Literal["prevalence", "mean", "naive"]
BASELINES_OF: dict[Task, tuple[Baseline, ...]] = {
    "binary": ("prevalence",),
    "multiclass": ("prevalence",),
    "regression": ("mean",),
    "forecast": ("naive", "mean"),
}
# An end of an interval that fewer resamples lie beyond is decided by a handful of draws: the tail's share that ten
# estimate has a relative standard error of 1/√10, a third.
FEWEST_BEYOND = 10
FairnessMeasure = Literal["selection_rate", "true_positive_rate", "false_positive_rate"]
Approval = Literal["none", "on_promote", "always"]


class Guardrail(Declared):
    """A metric that need not improve but must not get worse.

    Attributes:
        metric: Any metric of the task but the deciding one.
        margin: Largest allowed worsening in the metric's own unit; the interval of the difference must lie on the
            allowed side of it.
    """

    metric: MetricName
    margin: float = Field(ge=0)


class SliceRule(Declared):
    """Slices of the holdout by one column; no slice may get worse than allowed.

    Attributes:
        column: Column of the training set whose values make the slices.
        minimum_rows: Slices of fewer rows, or of fewer clusters than the policy's `minimum_clusters`, are reported as
            "not enough data" and decide nothing.
        largest_regression: How much worse than the champion's a slice's deciding metric may be.
    """

    column: Identifier
    minimum_rows: int = Field(default=200, ge=1)
    largest_regression: float = Field(default=0.0, ge=0)


class FairnessRule(Declared):
    """Groups by one column; a rate of the challenger's decisions may not differ by more than the limit among them.

    Attributes:
        column: Column of the training set whose values make the groups. It need not be an input of the model.
        measure: `selection_rate` (demographic parity), `true_positive_rate` (equal opportunity) or
            `false_positive_rate`.
        threshold: Scores at or above it are decided positive.
        minimum_rows: Smaller groups are left out, and named.
        max_difference: Largest allowed difference between the highest and the lowest rate.
    """

    column: Identifier
    measure: FairnessMeasure = "selection_rate"
    threshold: float = Field(default=0.5, gt=0, lt=1)
    minimum_rows: int = Field(default=200, ge=1)
    max_difference: float = Field(gt=0, le=1)


class Budgets(Declared):
    """What the built image may cost, measured on the running image; `None` sets no limit.

    Attributes:
        max_p95_latency_ms: 95th percentile of the time to answer a request of one row.
        max_memory_mb: Memory of the container after it has answered, in 10^6 bytes.
        max_image_mb: Size of the image in 10^6 bytes.
    """

    max_p95_latency_ms: float | None = Field(default=None, gt=0)
    max_memory_mb: float | None = Field(default=None, gt=0)
    max_image_mb: float | None = Field(default=None, gt=0)

    def limited(self) -> bool:
        """Whether any limit is set."""
        return any(limit is not None for limit in self.model_dump().values())


class GatePolicy(Declared):
    """When a challenger replaces the champion.

    Attributes:
        metric: The metric that decides. Its direction comes from the metric.
        minimum_improvement: Superiority: the lower end of the interval of the improvement must exceed this.
        margin: Non-inferiority instead: the challenger may be this much worse, shown by the interval's lower end
            (e.g. because it is cheaper). `None`: superiority is asked for.
        alpha: One minus the confidence of the interval at the first look at a holdout; later looks get less, see
            `contender/stages/gate/looks.py`.
        resamples: Bootstrap resamples behind it.
        cluster: Column of the holdout whose values are resampled whole, because their rows are not independent: a
            day, a customer.
        minimum_clusters: Fewer clusters than this carry no interval: the verdict is `hold`. Clusters of unlike size
            count for less, see `contender/stages/gate/clusters.py`.
        baseline: What the first model must beat: `prevalence` (the training set's class shares), `mean` (of the
            training labels), `naive` (the forecast in the training set's column `naive`).
        guardrails, slices, fairness: See their classes.
        max_calibration_error: Largest expected calibration error of the challenger; `None` sets no limit.
        max_prediction_shift: Largest population stability index between the challenger's and the champion's scores on
            the holdout; more is held for a person to look at. `None` sets no limit.
        minimum_label_coverage: Smallest share of the holdout's examples that must have a label.
        max_single_feature_power: One input that tells the label this well by itself (0.5 to 1, as AUC) is a leak.
        budgets: See its class.
        require_image: Whether a model may be promoted when no engine was there to build and prove its image.
        approval: Whether a person is asked: `none`, `on_promote` (before the champion is replaced), `always` (each
            verdict is confirmed by a person).
    """

    metric: MetricName = "log_loss"
    minimum_improvement: float = Field(default=0.0, ge=0)
    margin: float | None = Field(default=None, gt=0)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    resamples: int = Field(default=2000, ge=200, le=100_000)
    cluster: Identifier = "day"
    minimum_clusters: int = Field(default=7, ge=2)
    baseline: Baseline = "prevalence"
    guardrails: tuple[Guardrail, ...] = ()
    slices: tuple[SliceRule, ...] = ()
    fairness: tuple[FairnessRule, ...] = ()
    max_calibration_error: float | None = Field(default=None, gt=0, le=1)
    max_prediction_shift: float | None = Field(default=None, gt=0)
    minimum_label_coverage: float = Field(default=0.8, ge=0, le=1)
    max_single_feature_power: float = Field(default=0.98, gt=0.5, le=1)
    budgets: Budgets = Budgets()
    require_image: bool = False
    approval: Approval = "none"

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        refuse(self._contradictions())
        return self

    def _contradictions(self) -> Iterator[Misfit]:
        if self.margin is not None and self.minimum_improvement > 0:
            yield Misfit(
                "margin, minimum_improvement",
                "one of them: the first asks for non-inferiority, the second for superiority",
                f"{self.margin}, {self.minimum_improvement}",
            )
        guarded = [guardrail.metric for guardrail in self.guardrails]
        if self.metric in guarded or len(set(guarded)) < len(guarded):
            yield Misfit("guardrails", f"other metrics than {self.metric!r}, each once", ", ".join(guarded))
        if self.metric == "bias":
            yield Misfit("metric", "one that can decide: a model that always answers the mean has no bias", "'bias'")
        if floor(self.resamples * self.alpha) < FEWEST_BEYOND:
            needed = ceil(FEWEST_BEYOND / self.alpha)
            yield Misfit("resamples", f"at least {needed} with alpha={self.alpha}", self.resamples)
        yield from repeated("slices", (rule.column for rule in self.slices))
        yield from repeated("fairness", (f"{rule.column} by {rule.measure}" for rule in self.fairness))

    def misfits(self, task: Task) -> Iterator[Misfit]:
        """What this policy asks for that cannot be had of a model of this task, each with what can."""
        metrics, baselines = METRICS_OF[task], BASELINES_OF[task]
        if foreign := [metric for metric in self.metrics() if metric not in metrics]:
            field = "gate.metric" if self.metric in foreign else "gate.guardrails"
            yield Misfit(field, f"of a {task} model one of {', '.join(metrics)}", ", ".join(foreign))
        if self.baseline not in baselines:
            yield Misfit("gate.baseline", f"of a {task} model one of {', '.join(baselines)}", repr(self.baseline))
        if self.fairness and task != "binary":
            groups = ", ".join(rule.column for rule in self.fairness)
            yield Misfit("gate.fairness", f"none of a {task} model, which does not decide between two", groups)
        if self.max_calibration_error is not None and task not in ("binary", "multiclass"):
            expected = f"None of a {task} model, which gives no probabilities"
            yield Misfit("gate.max_calibration_error", expected, self.max_calibration_error)

    def metrics(self) -> tuple[MetricName, ...]:
        """The deciding metric and those of the guardrails."""
        return (self.metric, *(guardrail.metric for guardrail in self.guardrails))
