"""The verdict as a pure function of evidence and policy.

A rule is a small function of evidence and policy that returns its `Finding`: what it alone would decide, and one line
of reason with the numbers. Validity rules ask whether the comparison means anything; only if all of them let it pass
do the judgement rules look at the figures. The strictest finding is the verdict. A further rule is one function and
one entry in `VALIDITY` or `JUDGEMENT`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from contender.core.evidence import Evidence, Finding, Verdict, VerdictName
from contender.core.manifest import digest_of
from contender.core.policy import GatePolicy

# From the mildest to the strictest.
STRICTNESS: tuple[VerdictName, ...] = ("promote", "hold", "reject")


class Ruling(NamedTuple):
    """What one rule would decide (`promote` lets pass), and why."""

    verdict: VerdictName
    reason: str


Rule = Callable[[Evidence, GatePolicy], Ruling]


def decide(evidence: Evidence, policy: GatePolicy) -> Verdict:
    """Say whether the challenger is promoted, held or rejected. Pure: the same evidence, the same verdict.

    Returns:
        `promote` only if every rule lets it pass; otherwise the strictest of the findings. Its findings hold one line
        for each rule that was asked.
    """
    findings = [_asked(rule, evidence, policy) for rule in VALIDITY]
    if all(finding.verdict == "promote" for finding in findings):
        findings += [_asked(rule, evidence, policy) for rule in JUDGEMENT]
    return Verdict(
        verdict=max((finding.verdict for finding in findings), key=STRICTNESS.index),
        findings=tuple(findings),
        evidence_digest=digest_of(evidence.facts()),
    )


def uncontaminated(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Hold where a compared model knew rows of the holdout, or where this cannot be ruled out."""
    if evidence.contaminated:
        return Ruling("hold", f"contaminated: {evidence.contaminated}")
    return Ruling("promote", "uncontaminated: both models were trained on rows before the holdout")


def different(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Hold where there is nothing to replace."""
    if evidence.same_model:
        return Ruling("hold", f"same model: challenger and {evidence.reference} are the same, byte for byte")
    return Ruling("promote", f"different: challenger and {evidence.reference} are two models")


def measurable(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Hold where the deciding metric's improvement has no interval, or the evidence answers another policy."""
    improvement = evidence.improvement.get(policy.metric)
    problem = ""
    if evidence.metric != policy.metric:
        problem = f"the evidence was gathered for {evidence.metric}, the policy decides by {policy.metric}"
    elif evidence.clusters < policy.minimum_clusters:
        problem = too_few(evidence.clusters, policy)
    elif improvement is None or improvement.low is None:
        problem = evidence.no_interval or f"the evidence has no interval of the improvement in {policy.metric}"
    if problem:
        return Ruling("hold", f"no interval: {problem}")
    return Ruling("promote", f"measurable: {evidence.rows} rows in {evidence.clusters} clusters of {policy.cluster}")


def improved(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Promote a credible improvement; reject one credibly worse, or a first model that does not beat its baseline."""
    improvement = evidence.improvement[policy.metric]
    low, high, least = improvement.low, improvement.high, policy.minimum_improvement
    if low is None or high is None:
        return Ruling("hold", f"no interval: {evidence.no_interval}")
    figures = (
        f"{policy.metric} of {evidence.challenger[policy.metric].value:.4f} against "
        f"{evidence.champion[policy.metric].value:.4f} of {evidence.reference}, improvement {improvement.value:+.4f} "
        f"[{low:+.4f}, {high:+.4f}] at {1 - policy.alpha:.0%}"
    )
    if low > least:
        return Ruling("promote", f"improved: {figures}: the lower end is above {least:+.4f}")
    if evidence.reference == policy.baseline:
        return Ruling("reject", f"baseline not beaten: {figures}: the lower end is not above {least:+.4f}")
    if high < 0:
        return Ruling("reject", f"worse: {figures}: the upper end is below 0")
    return Ruling("hold", f"not shown to improve: {figures}: the lower end is not above {least:+.4f}")


VALIDITY: tuple[Rule, ...] = (uncontaminated, different, measurable)
JUDGEMENT: tuple[Rule, ...] = (improved,)


def _asked(rule: Rule, evidence: Evidence, policy: GatePolicy) -> Finding:
    verdict, reason = rule(evidence, policy)
    return Finding(rule=rule.__name__, verdict=verdict, reason=reason)


def too_few(clusters: int, policy: GatePolicy) -> str:
    """Say that the holdout has too few clusters."""
    return f"the holdout has {clusters} clusters of {policy.cluster}, at least {policy.minimum_clusters} are needed"
