"""Rules that compare one figure with the policy's limit.

A figure without an interval (fairness, calibration, shift) over its limit holds, for a person to look at: it may be
chance. So does latency; an image too large in memory or size is rejected. A limit whose figure is missing holds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from contender.core.errors import some
from contender.core.evidence import Evidence, GroupFigures
from contender.core.policy import FairnessRule, GatePolicy
from contender.stages.gate.ruling import Rule, Ruling, holds, passes, rejects, strictest

MEASURE_AGAIN = "; it may be a busy machine: clear image.prove to measure again"
UNRELATED = 3.0  # standard errors of a correlation around 0 that chance stays within


def fairness(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Hold where a rate of the challenger's decisions differs among groups by more than the limit.

    A limit is a limit, also where the champion is over it: whoever wants the challenger because it is the lesser evil
    overrides the gate, with a reason on record.
    """
    if not policy.fairness:
        return None
    figures = {(found.column, found.measure, found.threshold): found for found in evidence.fairness}
    rulings = [
        _group(rule, figures.get((rule.column, rule.measure, rule.threshold)), evidence) for rule in policy.fairness
    ]
    return Ruling(strictest(ruling.verdict for ruling in rulings), "; ".join(ruling.reason for ruling in rulings))


def calibration(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Hold a challenger whose probabilities are further from the observed shares than the limit."""
    limit, error = policy.max_calibration_error, evidence.calibration.get("challenger")
    if limit is None:
        return None
    if error is None:
        return holds(f"calibration unknown: the limit is {limit:.4f} and the evidence has no calibration error")
    before = evidence.calibration.get("champion")
    against_it = "" if before is None else f" ({before:.4f} of {evidence.reference})"
    figure = f"expected calibration error {error:.4f}{against_it}, the limit is {limit:.4f}"
    return passes(f"calibrated: {figure}") if error <= limit else holds(f"not calibrated: {figure}")


def aligned(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Hold where the two models' answers are unrelated, as if those of one belonged to other rows.

    A champion whose scores were joined to other rows is easily beaten. It stands among the limits because a challenger
    that is credibly worse as well is rejected.
    """
    if evidence.agreement is None:
        return None
    least = UNRELATED / sqrt(evidence.rows)
    figure = f"both models' answers have a correlation of {evidence.agreement:+.4f}"
    if abs(evidence.agreement) < least:
        return holds(f"not aligned: {figure}, as answers to different rows may have (up to {least:.4f} by chance)")
    return passes(f"aligned: {figure}")


def shift(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Hold a challenger that scores very differently from the champion; a baseline's scores are no measure."""
    limit = policy.max_prediction_shift
    if limit is None or evidence.reference == policy.baseline:
        return None
    if evidence.shift is None:
        return holds(f"shift unknown: the limit is {limit:.4f} and the evidence has no figure")
    figure = f"the scores' population stability index against {evidence.reference} is {evidence.shift:.4f}"
    if evidence.shift > limit:
        return holds(f"shifted: {figure}, the limit is {limit:.4f}")
    return passes(f"not shifted: {figure}, the limit is {limit:.4f}")


def budgets(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Reject an image over its budget of memory or size; hold where it is too slow, or where nothing was measured.

    Memory and size come out alike wherever the image is started, time does not: a busy machine is slow, so latency is
    worth another measurement. Where there was no engine to build an image and the policy does not require one, there
    is nothing that a budget could be of: that passes, and says so. Tasks that did not run are no such reason.
    """
    if not policy.budgets.limited():
        return None
    image, limits = evidence.image, policy.budgets
    if image is None and evidence.no_engine and not policy.require_image:
        return passes(f"budgets not measured: the policy does not require an image, and there is none{_why(evidence)}")
    if image is None:
        return holds(f"budgets unknown: there is no proven image{_why(evidence)}")
    table = (
        ("latency (p95)", image.p95_latency_ms, limits.max_p95_latency_ms, "ms", holds, MEASURE_AGAIN),
        ("memory", image.memory_mb, limits.max_memory_mb, "MB", rejects, ""),
        ("image", image.size_mb, limits.max_image_mb, "MB", rejects, ""),
    )
    rulings = [_budget(*row) for row in table]
    asked = [ruling for ruling in rulings if ruling is not None]
    return Ruling(strictest(ruling.verdict for ruling in asked), "; ".join(ruling.reason for ruling in asked))


def servable(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Hold a challenger without a proven image, where the policy asks for one."""
    if not policy.require_image:
        return None
    if evidence.image is None:
        return holds(f"no image: the policy asks for one that answered its golden requests{_why(evidence)}")
    return passes(f"servable: {evidence.image.image} answered {evidence.image.answered} golden requests")


LIMITS: tuple[Rule, ...] = (aligned, fairness, calibration, shift, budgets, servable)


def _group(rule: FairnessRule, found: GroupFigures | None, evidence: Evidence) -> Ruling:
    named = f"{rule.measure} by {rule.column}"
    if found is None or found.challenger is None:
        return holds(f"fairness unknown: fewer than two groups of {rule.minimum_rows} rows for {named}")
    before = "" if found.champion is None else f" ({found.champion:.4f} of {evidence.reference})"
    left_out = f"; too few rows of {some(found.left_out)}" if found.left_out else ""
    figure = f"{named} differs by {found.challenger:.4f}{before}, the limit is {rule.max_difference:.4f}{left_out}"
    return passes(f"fair: {figure}") if found.challenger <= rule.max_difference else holds(f"unfair: {figure}")


def _budget(
    name: str, got: float | None, limit: float | None, unit: str, over: Callable[[str], Ruling], advice: str
) -> Ruling | None:
    if limit is None:
        return None
    if got is None:
        return holds(f"budget unknown: {name} of the image was not measured")
    told = f"{name} {got:.1f} of {limit:.1f} {unit}"
    return passes(f"within budget: {told}") if got <= limit else over(f"over budget: {told}{advice}")


def _why(evidence: Evidence) -> str:
    return f" ({evidence.image_skipped})" if evidence.image_skipped else ""
