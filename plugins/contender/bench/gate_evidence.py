"""What the gate's evidence costs, beside one `sklearn.metrics.roc_auc_score` on the same rows.

    python -m contender.bench.gate_evidence

`gate_evidence_vs_auc_ratio` is the larger of the numbers of clusters measured.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from contender.bench.gate_trials import POLICY, evidence
from contender.bench.gate_worlds import Holdout
from contender.bench.record import record

COMMAND = "make bench-gate"
ROWS = 1_000_000
CLUSTERS = (15, 30)
EACH_ITS_OWN = ROWS
ROUNDS = 5
NOTE = f"""Time of the whole evidence on {ROWS:,} rows with {POLICY.resamples:,} resamples as a multiple of one
`roc_auc_score` on the same rows, the larger of {CLUSTERS[0]} and {CLUSTERS[1]} clusters; medians of {ROUNDS}, on one
thread. In the last line every row is a cluster of its own."""


def main() -> None:
    """Measure, record."""
    table = [cost(ROWS, clusters) for clusters in CLUSTERS]
    worst = max(row["ratio"] for row in table)
    table.append(cost(ROWS, EACH_ITS_OWN))
    record("gate_evidence_vs_auc_ratio", worst, "ratio", "lower", 5.0, COMMAND, table, note=NOTE.replace("\n", " "))


def cost(rows: int, clusters: int) -> dict[str, Any]:
    """Median seconds of both, taken in turns."""
    chance = np.random.default_rng(3)
    known = chance.normal(size=rows) - 1.2
    labels = chance.random(rows) < 1 / (1 + np.exp(-known))
    scores = tuple(1 / (1 + np.exp(-known - chance.normal(size=rows))) for _ in range(2))
    days = np.arange(rows) if clusters == rows else chance.integers(0, clusters, rows)
    holdout = Holdout(labels, days, scores)
    seconds: dict[str, list[float]] = {"evidence_s": [], "roc_auc_score_s": []}
    # One thread for both, as `roc_auc_score` has no more: whatever else the machine does then slows them alike.
    with threadpool_limits(1):
        for _ in range(ROUNDS):
            for name, work in (
                ("evidence_s", lambda: evidence(holdout, 0)),
                ("roc_auc_score_s", lambda: roc_auc_score(labels, scores[0])),
            ):
                began = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    ratio = medians["evidence_s"] / medians["roc_auc_score_s"]
    return {"rows": rows, "clusters": clusters, **medians, "ratio": ratio}


if __name__ == "__main__":
    main()
