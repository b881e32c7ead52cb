"""Simulated holdouts and made-up evidence for the tests of the gate."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from contender.core.evidence import Estimate, Evidence, Leak, Verdict
from contender.core.policy import GatePolicy, MetricName, Task
from contender.stages.gate.holdout import Holdout
from contender.stages.gate.measure import measure

POLICY = GatePolicy(resamples=200)


def logistic(logit: Any) -> Any:
    return 1 / (1 + np.exp(-logit))


def holdout(*, seed: int = 0, days: int = 12, each: int = 60, skill: float = 1.0) -> Holdout:
    """Labels, a challenger of the given skill, a reference of skill 0.5, and days with an effect of their own."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), each)
    signal = rng.normal(size=days * each)
    labels = rng.random(len(day)) < logistic(signal * 1.5 - 1 + rng.normal(0, 0.3, days)[day])
    return Holdout(
        task="binary",
        labels=labels.astype(int),
        challenger=logistic(signal * 1.5 * skill - 1),
        reference=logistic(signal * 0.75 - 1),
        clusters=pd.Series(pd.Timestamp("2013-06-15") + pd.to_timedelta(day, unit="D")).dt.date.to_numpy(),
        frame=pd.DataFrame({"signal": rng.normal(size=len(day)), "origin": rng.choice(["EWR", "JFK"], len(day))}),
        inputs=("signal",),
    )


def permuted(rows: Holdout, order: Any) -> Holdout:
    """The same rows in another order."""
    values = {field.name: getattr(rows, field.name) for field in fields(rows)}
    moved = {
        name: np.asarray(values[name])[order]
        for name in ("labels", "challenger", "reference", "clusters", "scale")
        if values[name] is not None
    }
    return replace(rows, frame=rows.frame.iloc[order], **moved)


def swapped(rows: Holdout) -> Holdout:
    """The models in each other's role."""
    return replace(rows, challenger=rows.reference, reference=rows.challenger)


def measured(rows: Holdout, policy: GatePolicy = POLICY, **more: Any) -> Evidence:
    facts: dict[str, Any] = {"reference": "version 1", "holdout_digest": "d", "seed": 7, "label_coverage": 1.0}
    return measure(rows, policy, **(facts | more))


def evidence(low: float | None, high: float | None, **more: Any) -> Evidence:
    """Made-up evidence with this interval of the improvement in log loss."""
    facts: dict[str, Any] = {
        "metric": "log_loss",
        "reference": "version 1",
        "holdout_digest": "d",
        "rows": 1000,
        "clusters": 12,
        "effective_clusters": 12.0,
        "label_coverage": 1.0,
        "leaks": (Leak(column="signal", power=0.6),),
        "challenger": {"log_loss": Estimate(value=0.4)},
        "champion": {"log_loss": Estimate(value=0.5)},
        "improvement": {
            "log_loss": Estimate(value=0.1 if low is None or high is None else (low + high) / 2, low=low, high=high)
        },
    }
    return Evidence(**(facts | more))


def reason(verdict: Verdict, rule: str) -> str:
    """What one rule said."""
    return {finding.rule: finding.reason for finding in verdict.findings}[rule]


TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression", "forecast")
METRIC: dict[Task, MetricName] = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "mae",
    "forecast": "mase",
}


def simulated(task: Task, **more: Any) -> Holdout:
    """A holdout of this task whose challenger is better."""
    rows = holdout(**more)
    if task == "binary":
        return rows
    rng = np.random.default_rng(11)
    signal, count = np.log(rows.challenger / (1 - rows.challenger)), len(rows.labels)
    if task == "multiclass":
        labels = rng.integers(0, 3, count)
        ours, theirs = (_softmax(skill * np.eye(3)[labels] + rng.normal(size=(count, 3))) for skill in (2.0, 0.5))
        return replace(rows, task=task, labels=labels, challenger=ours, reference=theirs)
    labels = signal + rng.normal(0, 0.5, count)
    ours, theirs = signal, signal + rng.normal(0, 1, count)
    scale = 1.0 + (np.arange(count) % 3) if task == "forecast" else None
    return replace(rows, task=task, labels=labels, challenger=ours, reference=theirs, scale=scale)


def _softmax(logits: Any) -> Any:
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)
