"""Challenger and reference measured on one holdout."""

from __future__ import annotations

import numpy as np

from contender.core.evidence import Estimate, Evidence
from contender.core.policy import GatePolicy
from contender.stages.gate import resampling
from contender.stages.gate.holdout import Holdout, Rows, checked
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.rules import too_few


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
        label_coverage: Share of the holdout's examples that have a label.
        contaminated: What `contamination` said.
        challenger_digest, reference_digest: Digests of the two models.

    Returns:
        Evidence on every metric. With one class only or too few clusters it has figures but no intervals, and
        `no_interval` says why.

    Raises:
        NoLabels: There are no rows.
        DataError: The rows cannot be measured, see `holdout.checked`.
    """
    rows, alpha = checked(holdout), policy.alpha / 2 ** (look - 1)
    why_not = _no_interval(rows, policy)
    codes, groups = resampling.grouped(rows.codes, rows.clusters, seed)
    weights = np.empty((0, groups)) if why_not else resampling.draw(groups, policy.resamples, seed)
    figures: dict[str, dict[str, Estimate]] = {"challenger": {}, "champion": {}, "improvement": {}}
    for name, metric in METRICS[holdout.task].items():
        own, other = (
            metric.statistics(rows.labels, scores, codes, groups, rows.scale)
            for scores in (rows.challenger, rows.reference)
        )
        compared = {"challenger": own, "champion": other, "improvement": metric.improvement(own, other)}
        for role, statistics in compared.items():
            estimate = resampling.estimate(statistics, weights, alpha)
            if estimate is not None:
                figures[role][name] = estimate
    decisive = figures["improvement"].get(policy.metric)
    if not why_not and (decisive is None or decisive.low is None):
        why_not = f"some resamples of the {rows.clusters} clusters carry no value of {policy.metric}"
    return Evidence(
        task=holdout.task,
        metric=policy.metric,
        reference=reference,
        challenger_digest=challenger_digest,
        reference_digest=reference_digest,
        holdout_digest=holdout_digest,
        rows=len(rows.labels),
        clusters=rows.clusters,
        challenger=figures["challenger"],
        champion=figures["champion"],
        improvement=figures["improvement"],
        look=look,
        alpha=alpha,
        no_interval=why_not,
        same_model=_same(rows, challenger_digest, reference_digest),
        contaminated=contaminated,
        label_coverage=label_coverage,
    )


def _same(rows: Rows, challenger: str, reference: str) -> bool:
    """Whether both are one model: byte for byte, or by the same answer in every row."""
    return bool(challenger and challenger == reference) or np.array_equal(rows.challenger, rows.reference)


def _no_interval(rows: Rows, policy: GatePolicy) -> str:
    positives = int(rows.labels.sum())
    if positives in {0, len(rows.labels)}:
        return f"all {len(rows.labels)} labels of the holdout are {int(positives > 0)}"
    return too_few(rows.clusters, policy) if rows.clusters < policy.minimum_clusters else ""
