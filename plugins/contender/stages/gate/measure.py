"""Challenger and reference measured on one holdout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from contender.core.evidence import Estimate, Evidence, Role
from contender.core.policy import GatePolicy, Task
from contender.stages.gate import resampling
from contender.stages.gate.calibration import expected_calibration_error
from contender.stages.gate.clusters import effective, too_few
from contender.stages.gate.curves import curves
from contender.stages.gate.fairness import groups
from contender.stages.gate.holdout import Holdout, Rows, checked
from contender.stages.gate.leakage import strongest
from contender.stages.gate.looks import alpha_at, used_up
from contender.stages.gate.metrics import METRICS, Metric
from contender.stages.gate.resampling import Codes, Floats
from contender.stages.gate.shift import agreement, population_stability_index
from contender.stages.gate.slices import slice_figures


def measure(
    holdout: Holdout,
    policy: GatePolicy,
    *,
    reference: str,
    holdout_digest: str,
    seed: int,
    look: int = 1,
    label_coverage: float | None = None,
    contaminated: str = "",
    challenger_digest: str = "",
    reference_digest: str = "",
    in_full: bool = True,
) -> Evidence:
    """Measure both models and their difference on the same rows and the same resamples.

    The order of the rows does not matter, not even to the last bit.

    Args:
        holdout: The rows and both models' answers.
        policy: Names what to measure, confidence, resamples and the fewest clusters.
        reference: What the challenger is compared with: `version 3`, or the name of the baseline.
        holdout_digest: Digest of the holdout's rows.
        seed: Of the resamples.
        look: The how manieth comparison on this holdout window it is; it sets the intervals' confidence.
        label_coverage: Share of the holdout's examples that have a label; `None` where it is not known.
        contaminated: What `contamination` said.
        challenger_digest, reference_digest: Digests of the two models.
        in_full: Whether to gather also what no rule of the policy asks for and only the report shows: the task's other
            metrics, calibration, shift and the curves.

    Returns:
        The evidence. With one class only, too few clusters or a holdout that is used up it has figures but no
        intervals, and `no_interval` says why. A metric without a value on these rows is left out.

    Raises:
        NoLabels: There are no rows.
        DataError: The rows cannot be measured, see `holdout.checked`, `slices`, `fairness` and `leakage`.
    """
    rows, alpha = checked(holdout), alpha_at(policy.alpha, look)
    why_not = _no_interval(rows, policy, look)
    codes, count = resampling.grouped(rows.codes, rows.clusters, seed)
    weights = np.empty((0, count)) if why_not else resampling.draw(count, policy.resamples, seed)
    known = METRICS[holdout.task]
    asked = known.values() if in_full else [known[name] for name in policy.metrics() if name in known]
    figures = _figures(asked, rows, codes, weights, alpha)
    why_not = why_not or _valueless(figures["improvement"].get(policy.metric), rows, policy)
    return Evidence(
        task=holdout.task,
        metric=policy.metric,
        reference=reference,
        challenger_digest=challenger_digest,
        reference_digest=reference_digest,
        holdout_digest=holdout_digest,
        rows=len(rows.labels),
        clusters=rows.clusters,
        effective_clusters=effective(rows.codes),
        challenger=figures["challenger"],
        champion=figures["champion"],
        improvement=figures["improvement"],
        look=look,
        alpha=alpha,
        no_interval=why_not,
        same_model=_same(rows, challenger_digest, reference_digest),
        contaminated=contaminated,
        label_coverage=label_coverage,
        slices=slice_figures(holdout, rows, policy, codes, weights, alpha),
        **_besides(holdout, rows, policy, first=reference == policy.baseline, in_full=in_full),
    )


def _besides(holdout: Holdout, rows: Rows, policy: GatePolicy, *, first: bool, in_full: bool) -> dict[str, Any]:
    """What needs no resamples."""
    calibrated = in_full or policy.max_calibration_error is not None
    shifted = not first and (in_full or policy.max_prediction_shift is not None)
    return {
        "fairness": groups(holdout, rows, policy.fairness),
        "calibration": _calibration(holdout.task, rows) if calibrated else {},
        "shift": population_stability_index(rows.challenger, rows.reference) if shifted else None,
        "agreement": None if first else agreement(rows.challenger, rows.reference),
        "leaks": strongest(holdout, rows),
        "curves": curves(holdout.task, rows) if in_full else (),
    }


def _figures(
    metrics: Iterable[Metric], rows: Rows, codes: Codes, weights: Floats, alpha: float
) -> dict[str, dict[str, Estimate]]:
    """Estimates of challenger, champion and improvement by metric."""
    figures: dict[str, dict[str, Estimate]] = {"challenger": {}, "champion": {}, "improvement": {}}
    for metric in metrics:
        own, other = (
            metric.statistics(rows.labels, scores, codes, weights.shape[1], rows.scale)
            for scores in (rows.challenger, rows.reference)
        )
        compared = {"challenger": own, "champion": other, "improvement": metric.improvement(own, other)}
        for role, statistics in compared.items():
            estimate = resampling.estimate(statistics, weights, alpha)
            if estimate is not None:
                figures[role][metric.name] = estimate
    return figures


def _calibration(task: Task, rows: Rows) -> dict[Role, float]:
    scores: dict[Role, Floats] = {"challenger": rows.challenger, "champion": rows.reference}
    errors = {role: expected_calibration_error(task, rows.labels, of) for role, of in scores.items()}
    return {role: error for role, error in errors.items() if error is not None}


def _same(rows: Rows, challenger: str, reference: str) -> bool:
    """Whether both are one model: byte for byte, or by the same answer in every row."""
    return bool(challenger and challenger == reference) or np.array_equal(rows.challenger, rows.reference)


def _no_interval(rows: Rows, policy: GatePolicy, look: int) -> str:
    first = rows.labels[0]
    if (rows.labels == first).all():
        return f"all {len(rows.labels)} labels of the holdout are {first:g}"
    if few := too_few(rows.clusters, effective(rows.codes), policy):
        return f"the holdout has {few}"
    return used_up(policy.alpha, look, policy.resamples)


def _valueless(decisive: Estimate | None, rows: Rows, policy: GatePolicy) -> str:
    if decisive is None:
        return f"{policy.metric} has no value on this holdout"
    return (
        f"some resamples of the {rows.clusters} clusters carry no value of {policy.metric}"
        if decisive.low is None
        else ""
    )
