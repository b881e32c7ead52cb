"""How often the gate errs, and what its evidence costs.

    python -m contender.bench.gate

simulates holdouts as the reference model has them: 15 days of unequal size, labels that share their day's luck, and
models that have good and bad days of their own, in two worlds (the days' luck normal, and heavy-tailed: log-normal).

`gate_false_promotion_rate`: share of holdouts on which one of two equally skilled models replaces the other; the aim
is alpha, the nominal share alpha / 2, because only one side of the interval promotes.
`gate_interval_coverage`: share of holdouts on which the interval holds the true improvement of a pair of unequal
skill; the truth is the improvement on 20,000 days. Both are of the default policy, the worse of the two worlds.
`gate_evidence_vs_auc_ratio`: time of the whole evidence (three metrics of both models and their improvements, 2,000
resamples) on a million rows of 30 days, divided by that of one `sklearn.metrics.roc_auc_score` on the same rows.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from contender.bench.record import record
from contender.core.evidence import Evidence
from contender.core.policy import GatePolicy
from contender.stages.gate.holdout import Holdout
from contender.stages.gate.measure import measure
from contender.stages.gate.metrics import METRICS as ALL
from contender.stages.gate.resampling import Floats
from contender.stages.gate.rules import decide

COMMAND = "python -m contender.bench.gate"
DAYS = 15
HOLDOUTS = 1000
TRUTH_DAYS = 20_000
POLICY = GatePolicy()
METRICS = ALL["binary"]
WORLDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, days: rng.normal(0.0, 0.5, days),
    "heavy-tailed": lambda rng, days: rng.lognormal(0.0, 1.0, days) - 1.6,
}


class Simulated(NamedTuple):
    """Rows of one simulated holdout: labels, days, and the scores of the challenger and of its reference."""

    labels: Any
    days: Any
    challenger: Floats
    reference: Floats

    def evidence(self, seed: int) -> Evidence:
        """What the gate measures here."""
        holdout = Holdout(
            task="binary",
            labels=self.labels,
            challenger=self.challenger,
            reference=self.reference,
            clusters=self.days,
            frame=pd.DataFrame({"nothing": np.zeros(len(self.days))}),
            inputs=("nothing",),
        )
        return measure(holdout, POLICY, reference="champion", holdout_digest="simulated", seed=seed, label_coverage=1.0)


def simulate(rng: np.random.Generator, world: str, days: int, *, reference_noise: float) -> Simulated:
    """Draw a holdout of 20 to 100 rows a day.

    Args:
        rng: The source of all randomness.
        world: Key of `WORLDS`.
        days: Number of days.
        reference_noise: Standard deviation of the reference's good and bad days, in logits; the challenger's is 0.6.
    """
    day = np.repeat(np.arange(days), rng.integers(20, 100, days))
    known = rng.normal(size=len(day)) - 1.2
    labels = rng.random(len(day)) < 1 / (1 + np.exp(-known - WORLDS[world](rng, days)[day]))
    scores = [
        1 / (1 + np.exp(-known - rng.normal(0, noise, days)[day] - rng.normal(0, 0.5, len(day))))
        for noise in (0.6, reference_noise)
    ]
    return Simulated(labels, day, *scores)


def false_promotions(world: str) -> dict[str, float]:
    """Share of holdouts with equal models on which the improvement's lower end is above 0, by metric; and promoted."""
    rng, seen = np.random.default_rng(1), dict.fromkeys((*METRICS, "promoted"), 0)
    for seed in range(HOLDOUTS):
        evidence = simulate(rng, world, DAYS, reference_noise=0.6).evidence(seed)
        seen["promoted"] += decide(evidence, POLICY).verdict == "promote"
        for name, improvement in evidence.improvement.items():
            seen[name] += improvement.low is not None and improvement.low > 0
    return {name: count / HOLDOUTS for name, count in seen.items()}


def coverage(world: str) -> dict[str, float]:
    """Share of holdouts with unequal models whose interval of the improvement holds the truth, by metric."""
    rng, seen = np.random.default_rng(2), dict.fromkeys(METRICS, 0)
    population = simulate(rng, world, TRUTH_DAYS, reference_noise=1.0)
    truth = {}
    for name, metric in METRICS.items():
        own, other = (metric.value(population.labels, scores) for scores in population[2:])
        truth[name] = own - other if metric.higher_is_better else other - own
    for seed in range(HOLDOUTS):
        evidence = simulate(rng, world, DAYS, reference_noise=1.0).evidence(seed)
        for name, improvement in evidence.improvement.items():
            if improvement.low is not None and improvement.high is not None:
                seen[name] += improvement.low <= truth[name] <= improvement.high
    return {name: count / HOLDOUTS for name, count in seen.items()}


def evidence_cost(rows: int = 1_000_000, days: int = 30, rounds: int = 5) -> dict[str, float]:
    """Median seconds of the whole evidence and of one `roc_auc_score`, taken in turns."""
    rng = np.random.default_rng(3)
    known = rng.normal(size=rows) - 1.2
    labels = rng.random(rows) < 1 / (1 + np.exp(-known))
    ours, theirs = (1 / (1 + np.exp(-known - rng.normal(size=rows))) for _ in range(2))
    holdout = Simulated(labels, rng.integers(0, days, rows), ours, theirs)
    costs: dict[str, list[float]] = {"evidence_s": [], "roc_auc_score_s": []}
    for _ in range(rounds):
        for name, work in (
            ("evidence_s", lambda: holdout.evidence(0)),
            ("roc_auc_score_s", lambda: roc_auc_score(labels, ours)),
        ):
            started = time.perf_counter()
            work()
            costs[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in costs.items()}


def main() -> None:
    """Run all three and record them."""
    promoted = {world: false_promotions(world) for world in WORLDS}
    rate = max(shares["promoted"] for shares in promoted.values())
    record("gate_false_promotion_rate", rate, "share", "lower", POLICY.alpha, COMMAND, detail=promoted)
    covered = {world: coverage(world) for world in WORLDS}
    share = min(shares[POLICY.metric] for shares in covered.values())
    record("gate_interval_coverage", share, "share", "higher", 1 - POLICY.alpha, COMMAND, detail=covered)
    cost = evidence_cost()
    ratio = cost["evidence_s"] / cost["roc_auc_score_s"]
    record("gate_evidence_vs_auc_ratio", ratio, "ratio", "lower", 5.0, COMMAND, detail=cost)


if __name__ == "__main__":
    main()
