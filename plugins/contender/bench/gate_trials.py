"""Simulated retrainings by the thousand: what the gate's interval says of each, on two processes.

A trial is one holdout of one cell. Its intervals come from the gate's own statistics and `resampling.estimate`,
without the rest of the evidence; `require_agreement` holds them against the whole gate.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from contender.bench.gate_worlds import COMPARED, GOOD, WORLDS, Blur, Cell, Holdout, cells
from contender.core.evidence import Evidence
from contender.core.policy import GatePolicy, MetricName
from contender.stages.gate import holdout as gate
from contender.stages.gate import resampling
from contender.stages.gate.measure import measure
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.resampling import Floats
from contender.stages.gate.rules import decide

POLICY = GatePolicy()
TRIALS, FEWER_TRIALS = 2_500, 1_000  # in a clustered cell; where each row is a unit, which takes longer
CHUNK = 250  # trials that a process does at a time
# Drawing resamples takes longer than using them: this many trials share them.
SHARED = 10
# Where there are many clusters there are fewer resamples: time depends on the product of the two, and how often an
# interval holds the truth on neither.
WEIGHTS = 100_000

LOW, VALUE, HIGH = range(3)
# By metric, shape (trials, 3): lower end, value and upper end of the improvement; NaN where there is none.
Intervals = Mapping[MetricName, Floats]


@dataclass(frozen=True)
class Series:
    """Trials of one kind.

    Attributes:
        cell: The kind of holdout.
        trials: How many.
        reference: The model that the challenger, a `GOOD` one, is compared with.
        by_row: Resample rows instead of days: what is wrong wherever rows of a day are alike.
        metrics: What is measured.
    """

    cell: Cell
    trials: int
    reference: Blur = GOOD
    by_row: bool = False
    metrics: tuple[MetricName, ...] = COMPARED

    def seed(self, chunk: int) -> list[int]:
        """Of the holdouts of a chunk: the same whichever units are resampled and whatever is measured."""
        world = list(WORLDS).index(self.cell.world)
        return [world, self.cell.rows, self.cell.clustered, *(round(1000 * blur) for blur in self.reference), chunk]


def every_cell(
    reference: Blur, metrics: tuple[MetricName, ...] = COMPARED
) -> tuple[dict[Cell, Intervals], dict[Cell, Intervals]]:
    """The intervals in every cell; and in the clustered ones those of the deciding metric from resampled rows."""
    ours = [Series(cell, TRIALS if cell.clustered else FEWER_TRIALS, reference, metrics=metrics) for cell in cells()]
    naive = [
        Series(cell, FEWER_TRIALS, reference, by_row=True, metrics=(POLICY.metric,))
        for cell in cells()
        if cell.clustered
    ]
    found = run([*ours, *naive])
    return (
        {series.cell: found[index] for index, series in enumerate(ours)},
        {series.cell: found[len(ours) + index] for index, series in enumerate(naive)},
    )


def run(series: Sequence[Series]) -> list[Intervals]:
    """The intervals of each series; the same whatever the number of processes."""
    chunks = [
        (index, replace(each, trials=min(CHUNK, each.trials - first)), first // CHUNK)
        for index, each in enumerate(series)
        for first in range(0, each.trials, CHUNK)
    ]
    indices, parts, numbers = zip(*chunks, strict=True)
    with processes() as pool:
        found = list(pool.map(run_chunk, parts, numbers))
    return [
        {
            name: np.concatenate([part[name] for at, part in zip(indices, found, strict=True) if at == index])
            for name in each.metrics
        }
        for index, each in enumerate(series)
    ]


def processes() -> ProcessPoolExecutor:
    """Two, of one thread each."""
    return ProcessPoolExecutor(2, initializer=threadpool_limits, initargs=(1,))


def run_chunk(series: Series, chunk: int) -> Intervals:
    """The intervals of the trials of one chunk."""
    chance = np.random.default_rng(series.seed(chunk))
    found = {name: np.full((series.trials, 3), np.nan) for name in series.metrics}
    for trial in range(series.trials):
        holdout = series.cell.simulate(chance, (GOOD, series.reference))
        for name, interval in compare(holdout, series.metrics, trial // SHARED, by_row=series.by_row).items():
            found[name][trial] = interval
    return found


def compare(
    holdout: Holdout, metrics: Iterable[MetricName], seed: int, *, by_row: bool = False, alpha: float = POLICY.alpha
) -> dict[MetricName, tuple[float, float, float]]:
    """Lower end, value and upper end of the first model's improvement on the second, as `measure` finds them."""
    units = np.arange(len(holdout.days)) if by_row else holdout.days
    values, codes = np.unique(units, return_inverse=True)
    codes, groups = resampling.grouped(codes, len(values), seed)
    one_class = holdout.labels.all() or not holdout.labels.any()
    weights = np.empty((0, groups)) if one_class else _draw(groups, seed)
    found: dict[MetricName, tuple[float, float, float]] = {}
    for name in metrics:
        metric = METRICS["binary"][name]
        own, other = (metric.statistics(holdout.labels, scores, codes, groups) for scores in holdout.scores[:2])
        estimate = resampling.estimate(metric.improvement(own, other), weights, alpha)
        if estimate is not None:
            low, high = (np.nan if end is None else end for end in (estimate.low, estimate.high))
            found[name] = (low, estimate.value, high)
    return found


@functools.lru_cache(maxsize=4)
def _draw(clusters: int, seed: int) -> Floats:
    return resampling.draw(clusters, min(WEIGHTS // clusters, POLICY.resamples), seed)


def evidence(holdout: Holdout, seed: int) -> Evidence:
    """What the gate as a whole measures."""
    challenger, reference = holdout.scores[:2]
    rows = gate.Holdout(
        task="binary",
        labels=holdout.labels,
        challenger=challenger,
        reference=reference,
        clusters=holdout.days,
        frame=pd.DataFrame({"nothing": np.zeros(len(holdout.days))}),
        inputs=("nothing",),
    )
    return measure(rows, POLICY, reference="champion", holdout_digest="simulated", seed=seed, label_coverage=1.0)


def require_agreement(series: Series) -> int:
    """Hold trials against the whole gate, bit for bit; returns how many agreed, which is all of them."""
    chance = np.random.default_rng(series.seed(0))
    for trial in range(series.trials):
        holdout = series.cell.simulate(chance, (GOOD, series.reference))
        found, whole = compare(holdout, series.metrics, trial // SHARED), evidence(holdout, trial // SHARED)
        for name, (low, value, high) in found.items():
            improvement = whole.improvement[name]
            assert (low, value, high) == (improvement.low, improvement.value, improvement.high), (trial, name)
        assert (decide(whole, POLICY).verdict == "promote") == (found[POLICY.metric][0] > 0), trial
    return series.trials


def promoted(intervals: Floats) -> float:
    """Share of the trials in which the lower end is above zero: there the gate promotes."""
    return float(np.mean(intervals[:, LOW] > 0))


def not_worse(intervals: Floats) -> float:
    """Share of the trials that a gate without intervals promotes: the challenger is at least as good here."""
    return float(np.mean(intervals[:, VALUE] >= 0))


def covered(intervals: Floats, truth: float) -> float:
    """Share of the intervals that hold the truth, among those trials that have one."""
    given = intervals[np.isfinite(intervals[:, LOW])]
    return float(np.mean((given[:, LOW] <= truth) & (truth <= given[:, HIGH])))


def error_of(share: float, trials: int) -> float:
    """Monte Carlo standard error of a share."""
    return math.sqrt(share * (1 - share) / trials)
