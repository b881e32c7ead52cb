"""How much more labelled data would settle a comparison."""

from __future__ import annotations

import math

from contender.core.evidence import Estimate, Evidence


def more_data(improvement: Estimate, threshold: float, evidence: Evidence, cluster: str) -> str:
    """Say how much data would bring the interval's lower end above the threshold, at the present effect.

    The width of an interval goes with 1 / √clusters, where clusters keep their size. With `v` the value, `h` its
    distance to the lower end on C clusters, and `t` the threshold, `v - h √(C / C') > t` needs C' > C (h / (v - t))².
    The effect seen may be luck: it is a plan for the next holdout, not a promise.

    Args:
        improvement: With its interval.
        threshold: What the lower end must exceed.
        evidence: The size of the holdout that it was seen on.
        cluster: What the clusters are.
    """
    above = improvement.value - threshold
    if improvement.low is None or above <= 0:
        return "no amount of data would show it at the present effect"
    needed = evidence.clusters * ((improvement.value - improvement.low) / above) ** 2
    clusters = max(math.floor(needed) + 1 - evidence.clusters, 1)
    rows = math.ceil(clusters * evidence.rows / evidence.clusters)
    return f"about {clusters:,} more clusters of {cluster} ({rows:,} rows) would show it at the present effect"
