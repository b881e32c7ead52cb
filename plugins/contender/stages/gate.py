"""The gate: challenger and reference measured on one holdout, and the verdict as a pure function of the evidence.

A rule is a small function of evidence and policy that returns its `Finding`: what it alone would decide, and one line
of reason with the numbers. Validity rules ask whether the comparison means anything; only if all of them let it pass
do the judgement rules look at the figures. The strictest finding is the verdict. A further rule is one function and
one entry in `VALIDITY` or `JUDGEMENT`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from contender.core.errors import DataError, NoLabels, some
from contender.core.manifest import digest_of
from contender.core.naming import CHAMPION
from contender.core.results import Estimate, Evidence, Verdict, VerdictName
from contender.core.spec import GatePolicy
from contender.stages import metrics
from contender.stages.metrics import METRICS, Codes, Flags, Floats

# From the mildest to the strictest.
STRICTNESS: tuple[VerdictName, ...] = ("promote", "hold", "reject")


class Finding(NamedTuple):
    """What one rule would decide (`promote` lets pass), and why."""

    verdict: VerdictName
    reason: str


Rule = Callable[[Evidence, GatePolicy], Finding]


def measure(
    *,
    labels: Any,
    challenger: Any,
    reference: Any,
    clusters: Any,
    policy: GatePolicy,
    reference_name: str,
    holdout_digest: str,
    seed: int,
    same_model: bool = False,
    contaminated: str = "",
) -> Evidence:
    """Measure both models and their difference on the same rows and the same resamples.

    The order of the rows does not matter, not even to the last bit.

    Args:
        labels: 0 or 1 for each row of the holdout; rows whose label was never observed are left out before.
        challenger: Probability of label 1 for each row, by the challenger.
        reference: The same, by what it is compared with.
        clusters: For each row the value of `policy.cluster`, of any sortable type.
        policy: Names the deciding metric, confidence, resamples and the fewest clusters.
        reference_name: `champion`, or the name of the baseline that a first model must beat.
        holdout_digest: Digest of the holdout's rows.
        seed: Of the resamples.
        same_model: Whether both are the same model, byte for byte.
        contaminated: What `contamination` said.

    Returns:
        Evidence on every metric. With one class only or too few clusters it has figures but no intervals, and
        `no_interval` says why.

    Raises:
        NoLabels: There are no rows.
        DataError: Lengths differ, a label is not 0 or 1, a score is missing or outside 0 to 1, a row has no cluster.
    """
    truth, (ours, theirs), codes, count = _checked(labels, challenger, reference, clusters)
    why_not = _no_interval(truth, count, policy)
    weights = np.empty((0, count)) if why_not else metrics.draw(count, policy.resamples, seed)
    figures: dict[str, dict[str, Estimate]] = {"challenger": {}, "champion": {}, "improvement": {}}
    for name, metric in METRICS.items():
        own, other = (metric.statistics(truth, scores, codes, count) for scores in (ours, theirs))
        compared = {"challenger": own, "champion": other, "improvement": metric.improvement(own, other)}
        for role, statistics in compared.items():
            estimate = metrics.estimate(statistics, weights, policy.alpha)
            if estimate is not None:
                figures[role][name] = estimate
    decisive = figures["improvement"].get(policy.metric)
    if not why_not and (decisive is None or decisive.low is None):
        why_not = f"some resamples of the {count} clusters carry no value of {policy.metric}"
    return Evidence(
        metric=policy.metric,
        reference=reference_name,
        holdout_digest=holdout_digest,
        rows=len(truth),
        clusters=count,
        challenger=figures["challenger"],
        champion=figures["champion"],
        improvement=figures["improvement"],
        no_interval=why_not,
        same_model=same_model,
        contaminated=contaminated,
    )


def decide(evidence: Evidence, policy: GatePolicy) -> Verdict:
    """Say whether the challenger is promoted, held or rejected. Pure: the same evidence, the same verdict.

    Returns:
        `promote` only if every rule lets it pass; otherwise the strictest of the findings. Its reasons hold one line
        for each rule that was asked.
    """
    findings = [rule(evidence, policy) for rule in VALIDITY]
    if all(finding.verdict == "promote" for finding in findings):
        findings += [rule(evidence, policy) for rule in JUDGEMENT]
    return Verdict(
        verdict=max((finding.verdict for finding in findings), key=STRICTNESS.index),
        reasons=tuple(finding.reason for finding in findings),
        evidence_digest=digest_of(evidence.facts()),
    )


def uncontaminated(evidence: Evidence, policy: GatePolicy) -> Finding:
    """Hold where a compared model knew rows of the holdout, or where this cannot be ruled out."""
    if evidence.contaminated:
        return Finding("hold", f"contaminated: {evidence.contaminated}")
    return Finding("promote", "uncontaminated: both models were trained on rows before the holdout")


def different(evidence: Evidence, policy: GatePolicy) -> Finding:
    """Hold where there is nothing to replace."""
    if evidence.same_model:
        return Finding("hold", f"same model: challenger and {evidence.reference} are the same, byte for byte")
    return Finding("promote", f"different: challenger and {evidence.reference} are two models")


def measurable(evidence: Evidence, policy: GatePolicy) -> Finding:
    """Hold where the deciding metric's improvement has no interval, or the evidence answers another policy."""
    improvement = evidence.improvement.get(policy.metric)
    problem = ""
    if evidence.metric != policy.metric:
        problem = f"the evidence was gathered for {evidence.metric}, the policy decides by {policy.metric}"
    elif evidence.clusters < policy.minimum_clusters:
        problem = _too_few(evidence.clusters, policy)
    elif improvement is None or improvement.low is None:
        problem = evidence.no_interval or f"the evidence has no interval of the improvement in {policy.metric}"
    if problem:
        return Finding("hold", f"no interval: {problem}")
    return Finding("promote", f"measurable: {evidence.rows} rows in {evidence.clusters} clusters of {policy.cluster}")


def improved(evidence: Evidence, policy: GatePolicy) -> Finding:
    """Promote a credible improvement; reject one credibly worse, or a first model that does not beat its baseline."""
    improvement = evidence.improvement[policy.metric]
    low, high, least = improvement.low, improvement.high, policy.minimum_improvement
    if low is None or high is None:
        return Finding("hold", f"no interval: {evidence.no_interval}")
    figures = (
        f"{policy.metric} of {evidence.challenger[policy.metric].value:.4f} against "
        f"{evidence.champion[policy.metric].value:.4f} of {evidence.reference}, improvement {improvement.value:+.4f} "
        f"[{low:+.4f}, {high:+.4f}] at {1 - policy.alpha:.0%}"
    )
    if low > least:
        return Finding("promote", f"improved: {figures}: the lower end is above {least:+.4f}")
    if evidence.reference == policy.baseline:
        return Finding("reject", f"baseline not beaten: {figures}: the lower end is not above {least:+.4f}")
    if high < 0:
        return Finding("reject", f"worse: {figures}: the upper end is below 0")
    return Finding("hold", f"not shown to improve: {figures}: the lower end is not above {least:+.4f}")


VALIDITY: tuple[Rule, ...] = (uncontaminated, different, measurable)
JUDGEMENT: tuple[Rule, ...] = (improved,)


def baseline_scores(kind: str, train_label_share: float, n: int) -> Floats:
    """Scores of the baseline that a first model must beat, shape (n,).

    Args:
        kind: `prevalence`: every row gets the training set's share of label 1.
        train_label_share: That share, strictly between 0 and 1.
        n: Rows of the holdout.

    Raises:
        DataError: The baseline is unknown, or the training set has one class only.
    """
    if kind != "prevalence":
        raise DataError("the baseline is unknown", where="gate.baseline", expected="prevalence", got=repr(kind))
    if not 0 < train_label_share < 1:
        raise DataError(
            "the training set has one class only, so it makes neither a model nor a baseline",
            where="training set",
            expected="a share of label 1 between 0 and 1",
            got=train_label_share,
            next_step="look at the labels of the training window, or choose a longer one",
        )
    return np.full(n, float(train_label_share))


def contamination(challenger_trained_until: Any, champion_trained_until: Any, holdout_start: Any) -> str:
    """Say why the holdout cannot be trusted to be new to both models, or return the empty string.

    Each argument is a time zone aware `datetime` or its ISO 8601 text, as it stands in a manifest. The first two are
    the ends of the training windows, which do not belong to them, so that one may equal `holdout_start`. For a
    baseline give the challenger's: it knows the same rows. What is missing or cannot be read counts as contaminated.
    """
    start = _moment(holdout_start)
    if start is None:
        return f"the start of the holdout cannot be read: {holdout_start!r}"
    for role, given in (("challenger", challenger_trained_until), (CHAMPION, champion_trained_until)):
        until = _moment(given)
        if until is None:
            return f"it is not known until when the {role} was trained: {given!r}"
        if until > start:
            return f"the {role} was trained until {until.isoformat()}, after the holdout began at {start.isoformat()}"
    return ""


def _moment(given: Any) -> datetime | None:
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            return None
    return given if isinstance(given, datetime) and given.tzinfo is not None else None


def _too_few(clusters: int, policy: GatePolicy) -> str:
    return f"the holdout has {clusters} clusters of {policy.cluster}, at least {policy.minimum_clusters} are needed"


def _no_interval(labels: Flags, clusters: int, policy: GatePolicy) -> str:
    positives = int(labels.sum())
    if positives in {0, len(labels)}:
        return f"all {len(labels)} labels of the holdout are {int(positives > 0)}"
    return _too_few(clusters, policy) if clusters < policy.minimum_clusters else ""


def _checked(
    labels: Any, challenger: Any, reference: Any, clusters: Any
) -> tuple[Flags, tuple[Floats, Floats], Codes, int]:
    """The four columns as arrays, or an error that names the first rows at fault."""
    truth, ours, theirs = (_numbers(given) for given in (labels, challenger, reference))
    codes, values = pd.factorize(pd.Series(clusters), sort=True)
    lengths = {"labels": len(truth), "challenger": len(ours), "reference": len(theirs), "clusters": len(codes)}
    if len(set(lengths.values())) > 1:
        raise DataError("the holdout's columns differ in length", where="holdout", expected="one length", got=lengths)
    if not len(truth):
        raise NoLabels(
            "the holdout has no labelled row",
            where="holdout",
            expected="at least one",
            got=0,
            next_step="choose an interval whose labels have arrived",
        )
    _refuse(~np.isin(truth, (0.0, 1.0)), truth, "labels", "0 or 1")
    for name, scores in (("challenger scores", ours), ("reference scores", theirs)):
        _refuse(~((scores >= 0) & (scores <= 1)), scores, name, "a probability between 0 and 1")
    _refuse(codes < 0, codes, "clusters", "a value in each row")
    return truth == 1.0, (ours, theirs), codes.astype(np.int64), len(values)


def _numbers(given: Any) -> Floats:
    return pd.Series(given).to_numpy(dtype=np.float64, na_value=np.nan)


def _refuse(wrong: Flags, values: Any, name: str, expected: str) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise DataError(
            f"{name} of {len(rows)} of {len(wrong)} holdout rows cannot be measured",
            where=f"holdout, rows {some(rows)}",
            expected=expected,
            got=some(values[rows]),
            next_step="mend what computes them; nothing was decided",
        )
