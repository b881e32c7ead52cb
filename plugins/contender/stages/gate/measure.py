"""Challenger and reference measured on one holdout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from contender.core.errors import DataError, NoLabels, some
from contender.core.evidence import Estimate, Evidence
from contender.core.policy import GatePolicy
from contender.stages.gate import resampling
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.resampling import Codes, Flags, Floats
from contender.stages.gate.rules import too_few


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
    weights = np.empty((0, count)) if why_not else resampling.draw(count, policy.resamples, seed)
    figures: dict[str, dict[str, Estimate]] = {"challenger": {}, "champion": {}, "improvement": {}}
    for name, metric in METRICS.items():
        own, other = (metric.statistics(truth, scores, codes, count) for scores in (ours, theirs))
        compared = {"challenger": own, "champion": other, "improvement": metric.improvement(own, other)}
        for role, statistics in compared.items():
            estimate = resampling.estimate(statistics, weights, policy.alpha)
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


def _no_interval(labels: Flags, clusters: int, policy: GatePolicy) -> str:
    positives = int(labels.sum())
    if positives in {0, len(labels)}:
        return f"all {len(labels)} labels of the holdout are {int(positives > 0)}"
    return too_few(clusters, policy) if clusters < policy.minimum_clusters else ""


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
