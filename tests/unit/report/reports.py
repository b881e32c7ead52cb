"""Reports of made-up decisions: everything in the evidence, and next to nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contender.core.evidence import (
    Check,
    Curve,
    Estimate,
    Evidence,
    Finding,
    GroupFigures,
    Leak,
    SliceFigures,
    Verdict,
    VerdictName,
)
from contender.core.interval import Interval
from contender.core.policy import METRICS_OF, Budgets, FairnessRule, GatePolicy, Guardrail, SliceRule, Task
from contender.core.records import Record
from contender.core.results import ImageProof, Snapshot
from contender.stages.report.facts import Provenance, Report

EVIDENCE = "ee" * 32
RUN = "manual__2013-04-01T00:00:00+00:00"
POLICY = GatePolicy(
    metric="log_loss",
    guardrails=(Guardrail(metric="auc", margin=0.01),),
    slices=(SliceRule(column="origin", largest_regression=0.01),),
    fairness=(FairnessRule(column="carrier", max_difference=0.2),),
    max_calibration_error=0.05,
    max_prediction_shift=0.25,
    budgets=Budgets(max_p95_latency_ms=20, max_memory_mb=200, max_image_mb=400),
)


def provenance(**more: Any) -> Provenance:
    facts: dict[str, Any] = {
        "model": "flight_delay",
        "version": "3",
        "title": "Will this flight arrive 15 minutes late or more?",
        "owner": "ml-platform",
        "interval": Interval.parse("2013-03"),
        "train": Interval.parse("2013-01-01/2013-03-14"),
        "holdout": Interval.parse("2013-03-15/2013-04-01"),
        "training_set": Snapshot(table="flight_delay_training_set", version=4, digest="ab" * 32, rows=54_321),
        "code_revision": "0123456789abcdef",
        "lock_digest": "cd" * 32,
        "mlflow_run": "f" * 32,
        "dag_run": RUN,
        "parameters": {"learning_rate": 0.1, "max_iter": 200},
        "seed": 2013,
    }
    return Provenance(**(facts | more))


def verdict(name: VerdictName, reason: str) -> Verdict:
    passed = Finding(rule="uncontaminated", verdict="promote", reason="uncontaminated: trained on rows before it")
    return Verdict(
        verdict=name,
        findings=(passed, Finding(rule="improved", verdict=name, reason=reason)),
        evidence_digest=EVIDENCE,
    )


def record(kind: str, sequence: int = 1, **more: Any) -> Record:
    facts: dict[str, Any] = {
        "model": "flight_delay",
        "subject": "version 3",
        "actor": "airflow:manual",
        "verdict": None if kind == "promotion" else "hold",
        "reasons": () if kind == "promotion" else ("not shown to improve",),
        "evidence_digest": EVIDENCE,
        "run": RUN,
        "time": datetime(2013, 4, 1, 12, 30, tzinfo=UTC),
        "previous": "0" * 64,
        "hash": f"{sequence:064d}",
    }
    return Record(**(facts | {"kind": kind, "sequence": sequence} | more))


def bare(task: Task = "binary", **more: Any) -> Report:
    """A report of evidence with nothing in it that may be left out."""
    metric = METRICS_OF[task][0]
    evidence = Evidence(
        task=task,
        metric=metric,
        reference="prevalence",
        holdout_digest="aa" * 32,
        rows=0,
        clusters=0,
        challenger={},
        champion={},
        improvement={},
        no_interval="the holdout has 0 clusters",
    )
    facts: dict[str, Any] = {
        "evidence": evidence,
        "verdict": verdict("hold", "no interval: the holdout has 0 clusters"),
        "policy": GatePolicy(metric=metric),
        "provenance": provenance(),
    }
    return Report(**(facts | more))


def full(name: VerdictName = "promote", **more: Any) -> Report:
    """A report of evidence with everything in it."""
    better = Estimate(value=0.0142, low=0.0089, high=0.0201)
    evidence = Evidence(
        task="binary",
        metric="log_loss",
        reference="version 2",
        challenger_digest="c1" * 32,
        reference_digest="c2" * 32,
        holdout_digest="aa" * 32,
        rows=14_321,
        clusters=17,
        challenger={"log_loss": Estimate(value=0.4321), "auc": Estimate(value=0.744), "brier": Estimate(value=0.15)},
        champion={"log_loss": Estimate(value=0.4463), "auc": Estimate(value=0.717), "brier": Estimate(value=0.156)},
        improvement={
            "log_loss": better,
            "auc": Estimate(value=0.027, low=-0.004, high=0.05),
            "brier": Estimate(value=0.006),
        },
        look=2,
        alpha=0.025,
        label_coverage=0.972,
        slices=(
            SliceFigures(column="origin", value="JFK", rows=5000, clusters=17, improvement=better),
            SliceFigures(
                column="origin",
                value="LGA",
                rows=4000,
                clusters=17,
                improvement=Estimate(value=-0.002, low=-0.012, high=0.008),
            ),
            SliceFigures(column="origin", value="EWR", rows=12, clusters=3, not_enough="12 rows, 200 are needed"),
        ),
        fairness=(
            GroupFigures(
                column="carrier",
                measure="selection_rate",
                threshold=0.5,
                groups={"UA": 0.21, "B6": 0.3},
                challenger=0.09,
                champion=0.12,
                left_out=("HA", "OO"),
            ),
        ),
        calibration={"challenger": 0.021, "champion": 0.034},
        shift=0.08,
        leaks=(Leak(column="arr_delay", power=0.999), Leak(column="dep_delay", power=0.6978)),
        self_test=(
            Check(name="champion_against_itself", passed=True, expected="not promoted", got="hold: same model"),
            Check(name="permuted_labels", passed=False, expected="rejected", got="promote"),
        ),
        curves=curves(),
        image=ImageProof(
            image="contender/flight-delay:3",
            digest="sha256:" + "1" * 64,
            model_digest="c1" * 32,
            answered=50,
            largest_difference=1.2e-7,
            size_mb=312.5,
            p95_latency_ms=4.2,
            memory_mb=88.1,
        ),
    )
    facts: dict[str, Any] = {
        "evidence": evidence,
        "verdict": verdict(name, "improved: log_loss of 0.4321 against 0.4463"),
        "policy": POLICY,
        "provenance": provenance(),
        "followed": (record("decision", verdict=name), record("promotion", 2)) if name == "promote" else (),
    }
    return Report(**(facts | more))


def curves() -> tuple[Curve, ...]:
    grid = tuple(step / 10 for step in range(11))
    made = []
    for role, power in (("challenger", 0.4), ("champion", 0.6)):
        lines = {
            "roc": tuple(x**power for x in grid),
            "precision_recall": tuple(1 - power * x for x in grid),
            "calibration": tuple(x ** (1.2 * power + 0.4) for x in grid),
            "scores": tuple(0.2 - 0.02 * abs(5 - 10 * x) for x in grid),
        }
        made += [
            Curve(figure=kind, role=role, x=grid, y=y, rows=(100,) * 11 if kind == "calibration" else ())  # type: ignore[arg-type]
            for kind, y in lines.items()
        ]
    return tuple(made)
