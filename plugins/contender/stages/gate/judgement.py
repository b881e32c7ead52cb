"""Rules that look at the intervals of a sound comparison: one beyond its bound rejects, one across it holds."""

from __future__ import annotations

from contender.core.errors import some
from contender.core.evidence import Evidence, SliceFigures, VerdictName
from contender.core.policy import GatePolicy
from contender.stages.gate.more_data import more_data
from contender.stages.gate.ruling import Rule, Ruling, against, holds, passes, rejects, strictest, worded


def improved(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Superiority: pass a credible improvement, reject a credible worsening.

    A first model must beat its baseline, whatever the margin, and is rejected where it does not.
    """
    first = evidence.reference == policy.baseline
    if policy.margin is not None and not first:
        return None
    improvement, least = evidence.improvement[policy.metric], policy.minimum_improvement
    low, high, figures = improvement.low, improvement.high, against(policy.metric, evidence)
    if low is None or high is None:
        return holds(f"no interval: {figures}")
    if low > least:
        return passes(f"improved: {figures}: the lower end is above {least:+.4f}")
    if first:
        return rejects(f"baseline not beaten: {figures}: the lower end is not above {least:+.4f}")
    if high < 0:
        return rejects(f"worse: {figures}: the upper end is below 0")
    wanted = more_data(improvement, least, evidence, policy.cluster)
    return holds(f"not shown to improve: {figures}: the lower end is not above {least:+.4f}; {wanted}")


def not_inferior(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Non-inferiority: pass a challenger that is credibly not worse than the champion by the margin or more."""
    if policy.margin is None or evidence.reference == policy.baseline:
        return None
    return _within(policy.metric, policy.margin, evidence, policy)


def guardrails(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Each guardrail as a non-inferiority test of its own; all must pass.

    This is an intersection-union test: the chance that a challenger passes which violates one of them is at most that
    one's, so that no correction for their number is needed (Berger 1982, "Multiparameter hypothesis testing and
    acceptance sampling", Technometrics 24).
    """
    if not policy.guardrails:
        return None
    found = [_within(guardrail.metric, guardrail.margin, evidence, policy) for guardrail in policy.guardrails]
    return Ruling(strictest(ruling.verdict for ruling in found), "; ".join(ruling.reason for ruling in found))


def slices(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Hold where a slice is credibly worse, and by more than allowed; reject where the whole interval says so.

    The intervals hold for all slices at once. A slice without enough data decides nothing, and is named; where a
    column has no other, nobody has looked at its slices, and that holds.
    """
    if not policy.slices:
        return None
    allowed = {rule.column: rule.largest_regression for rule in policy.slices}
    absent = sorted(set(allowed) - {found.column for found in evidence.slices})
    if absent:
        return holds(f"slices missing: the evidence has none by {some(absent)}")
    tested = [(found, _slice(found, allowed[found.column])) for found in evidence.slices if not found.not_enough]
    untested = sorted(set(allowed) - {found.column for found, _ in tested})
    worse = [f"{_named(found)} {worded(found.improvement)}" for found, verdict in tested if verdict != "promote"]
    unknown = [f"{_named(found)} ({found.not_enough})" for found in evidence.slices if found.not_enough]
    told = f"slices worse: {some(worse)}" if worse else f"slices: none of {len(tested)} credibly worse than allowed"
    if untested:
        told += f"; slices unknown: no slice by {some(untested)} has enough data"
    if unknown:
        told += f"; not enough data in {some(unknown)}"
    verdicts: list[VerdictName] = [verdict for _, verdict in tested]
    return Ruling(strictest([*verdicts, "hold"] if untested else verdicts), told)


INTERVALS: tuple[Rule, ...] = (improved, not_inferior, guardrails, slices)


def _within(metric: str, margin: float, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Whether the challenger is credibly not worse in this metric by the margin or more."""
    improvement, figures = evidence.improvement[metric], against(metric, evidence)
    if improvement.low is None or improvement.high is None:
        return holds(f"no interval: {figures}")
    if improvement.low > -margin:
        return passes(f"not inferior: {figures}: the lower end is above {-margin:+.4f}")
    if improvement.high < -margin:
        return rejects(f"inferior: {figures}: the upper end is below {-margin:+.4f}")
    wanted = more_data(improvement, -margin, evidence, policy.cluster)
    return holds(f"not shown to be as good: {figures}: the lower end is not above {-margin:+.4f}; {wanted}")


def _slice(found: SliceFigures, allowed: float) -> VerdictName:
    improvement = found.improvement
    if improvement is None or improvement.high is None:
        return "hold"
    if improvement.high < -allowed:
        return "reject"
    return "hold" if improvement.high < 0 and improvement.value < -allowed else "promote"


def _named(found: SliceFigures) -> str:
    return f"{found.column}={found.value}"
