"""How much labelled data would settle a comparison."""

from __future__ import annotations

import math
from statistics import NormalDist

from contender.core.evidence import Estimate, Evidence

CHANCE = 0.8  # of showing it: where the lower end is just expected at the threshold, it is an even one
PRACTICAL = 100  # times the present data


def more_data(improvement: Estimate, threshold: float, evidence: Evidence, cluster: str) -> str:
    """Say how large a fresh holdout would show the present effect, with a chance of 80 %.

    The width of an interval goes with 1 / √clusters, where clusters keep their size, and so does the error of the
    value that it is laid around. With `v` the value, `h` its distance to the lower end on C clusters, `s` its standard
    error and `t` the threshold, the lower end on C' clusters lies above `t` with a chance of Φ(z) where
    `v - (h + z s) √(C / C') = t`, so C' = C ((h + z s) / (v - t))². For `s` stands `h` by the normal quantile of the
    interval's confidence, which is rather too large than too small. The effect seen may be luck: it is a plan for
    a holdout yet to come, not a promise.

    Args:
        improvement: With its interval.
        threshold: What the lower end must exceed.
        evidence: The size of the holdout that it was seen on.
        cluster: What the clusters are.
    """
    above = improvement.value - threshold
    if improvement.low is None or above <= 0:
        return "no amount of data would show it at the present effect"
    reach, normal = improvement.value - improvement.low, NormalDist()
    error = reach / normal.inv_cdf(1 - evidence.alpha / 2)
    times = ((reach + normal.inv_cdf(CHANCE) * error) / above) ** 2
    if times > PRACTICAL:
        return f"no practical amount of data would show it: over {PRACTICAL} times the present, at the present effect"
    clusters, rows = math.ceil(evidence.clusters * times), math.ceil(evidence.rows * times)
    many = f"{clusters:,} {'cluster' if clusters == 1 else 'clusters'} of {cluster} ({rows:,} rows)"
    return f"a fresh holdout of about {many} would show the present effect with a chance of {CHANCE:.0%}"
