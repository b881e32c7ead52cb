"""Rules that ask whether the comparison means anything."""

from __future__ import annotations

from contender.core.errors import some
from contender.core.evidence import Evidence
from contender.core.policy import GatePolicy
from contender.stages.gate.clusters import too_few
from contender.stages.gate.looks import alpha_at
from contender.stages.gate.ruling import Rule, Ruling, holds, passes, rejects


def uncontaminated(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Hold where a compared model knew rows of the holdout, or where this cannot be ruled out."""
    if evidence.contaminated:
        return holds(f"contaminated: {evidence.contaminated}")
    return passes("uncontaminated: both models were trained on rows before the holdout")


def different(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Hold where there is nothing to replace."""
    if evidence.same_model:
        return holds(f"same model: challenger and {evidence.reference} answer alike, there is nothing to replace")
    return passes(f"different: challenger and {evidence.reference} are two models")


def labelled(evidence: Evidence, policy: GatePolicy) -> Ruling | None:
    """Hold where too few of the holdout's examples have a label: those that have one may be the easy ones."""
    coverage, least = evidence.label_coverage, policy.minimum_label_coverage
    if least == 0:
        return None
    if coverage is None:
        return holds(f"label coverage unknown: at least {least:.1%} of the holdout must have a label")
    if coverage < least:
        return holds(f"too few labels: {coverage:.1%} of the holdout have one, at least {least:.1%} are needed")
    return passes(f"labelled: {coverage:.1%} of the holdout, at least {least:.1%} are needed")


def complete(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Hold where the evidence lacks a metric of the policy, or answers another policy."""
    if evidence.metric != policy.metric:
        return holds(f"the evidence was gathered for {evidence.metric}, the policy decides by {policy.metric}")
    compared = (evidence.challenger, evidence.champion, evidence.improvement)
    missing = [name for name in policy.metrics() if any(name not in figures for figures in compared)]
    if missing:
        why = f" ({evidence.no_interval})" if evidence.no_interval else ""
        return holds(f"metric missing: {some(missing)} could not be measured on this holdout{why}")
    return passes(f"complete: {some(policy.metrics())} measured of both models")


def measurable(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Hold where the deciding metric's improvement has no interval, or one of less confidence than the policy asks."""
    improvement = evidence.improvement.get(policy.metric)
    if evidence.effective_clusters is None:
        return holds("no interval: the evidence does not say how many clusters of one size its clusters are as good as")
    if few := too_few(evidence.clusters, evidence.effective_clusters, policy):
        return holds(f"no interval: the holdout has {few}")
    if evidence.no_interval or improvement is None or improvement.low is None:
        why = evidence.no_interval or f"the evidence has none of the improvement in {policy.metric}"
        return holds(f"no interval: {why}")
    allowed = alpha_at(policy.alpha, evidence.look)
    if evidence.alpha > allowed:
        return holds(f"interval too short: taken at alpha {evidence.alpha:g}, look {evidence.look} has {allowed:g}")
    at = f" at alpha {evidence.alpha:g}, look {evidence.look}"
    return passes(f"measurable: {evidence.rows:,} rows in {evidence.clusters} clusters of {policy.cluster}{at}")


def leak_free(evidence: Evidence, policy: GatePolicy) -> Ruling:
    """Reject a challenger with an input that tells the label by itself; hold one whose inputs nobody looked at."""
    limit = policy.max_single_feature_power
    leaks = [leak for leak in evidence.leaks if leak.power >= limit]
    if leaks:
        named = some(f"{leak.column} ({leak.power:.4f})" for leak in leaks)
        return rejects(f"leak: {named} tells the label by itself, the limit is {limit:.4f} of 1")
    if not evidence.leaks:
        return holds("leaks unknown: no input of the challenger was looked at")
    strongest = evidence.leaks[0]
    return passes(f"no leak: the strongest input, {strongest.column}, reaches {strongest.power:.4f} of {limit:.4f}")


VALIDITY: tuple[Rule, ...] = (uncontaminated, different, labelled, complete, measurable, leak_free)
