"""How many clusters of one size the clusters of a holdout are as good as."""

from __future__ import annotations

import numpy as np

from contender.core.policy import GatePolicy
from contender.stages.gate.resampling import Codes


def effective(codes: Codes) -> float:
    """`(Σn)² / Σn²` of the clusters' rows `n`: their effective number (Kish 1965, "Survey Sampling").

    It is their number where all are of one size, and near 1 where one cluster holds nearly all rows: then a resample
    tells hardly more than whether that one was drawn, and the interval collapses.

    Args:
        codes: Cluster of each row, at least one row.

    Example:
        >>> effective(np.array([0, 0, 1, 1]))
        2.0
        >>> effective(np.array([0, 0, 0, 1]))
        1.6
    """
    rows = np.bincount(codes).astype(np.float64)
    return float(rows.sum() ** 2 / np.square(rows).sum())


def too_few(clusters: int, effective_number: float, policy: GatePolicy) -> str:
    """Say that these clusters carry no interval, or nothing.

    The effective number counts to the nearest whole one: seven days of nearly the same size are seven.
    """
    counted, least = min(clusters, round(effective_number)), policy.minimum_clusters
    if counted >= least:
        return ""
    if counted == clusters:
        return f"{clusters} clusters of {policy.cluster}, at least {least} are needed: {least - clusters} more"
    return (
        f"{clusters} clusters of {policy.cluster} of unlike size, as good as {effective_number:.1f} of one size, at "
        f"least {least} are needed"
    )
