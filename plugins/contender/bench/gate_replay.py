"""The gate on a year of the real model, with the labels of champion and challenger shuffled by day.

    python -m contender.bench.gate_replay

The twelve months of `flight_delay` are trained as its DAG does with one trial: raw data validated, loaded and made
into features by the DAG's own operators, each month's challenger fitted with the estimator's own parameters on the
windows of the spec, with the labels known by then. The champion is the month before's challenger, promoted or not; in
January it is the baseline.

Then a coin for each day of the holdout says which of the two gets which score. So shuffled neither is better, on the
real days and the real rows: `gate_coin_flip_promotion_rate` is the share of shuffles in which the gate promotes, in
the worst month.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from contender.bench.chain import Chain
from contender.bench.gate_trials import POLICY, compare, error_of, evidence, processes
from contender.bench.gate_worlds import Chance, Holdout
from contender.bench.record import record
from contender.core.interval import Interval
from contender.core.settings import settings
from contender.embedded.environment import environment
from contender.embedded.ports import choose_ports
from contender.stages import train
from contender.stages.gate.baselines import baseline_scores
from contender.stages.gate.rules import decide

COMMAND = "make bench-gate"
FLIPS = 2_000
NOTE = f"""Share of {FLIPS:,} shuffles in which the gate promotes one of two models on a month of `flight_delay`, when a
coin for each day says which of them gets which score; the worst month. `±` is its Monte Carlo standard error.
`improvement`, `low`, `high` and `verdict` are the gate's on the month as it was, log loss of the month's challenger
against that of the month before."""


class Month(NamedTuple):
    """A month's holdout; the first scores are the challenger's, the second the champion's."""

    name: str
    holdout: Holdout


def main() -> None:
    """Replay, shuffle, record."""
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        os.environ.update(environment(Path(folder), choose_ports({})), AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING")
        months = list(replayed(training_rows()))
    with processes() as pool:
        rows = list(pool.map(row, months))
    worst = max(each["promoted"] for each in rows)
    record("gate_coin_flip_promotion_rate", worst, "share", "lower", POLICY.alpha, COMMAND, rows,
           note=NOTE.replace("\n", " "))  # fmt: skip


def training_rows() -> pd.DataFrame:
    """Every labelled flight of the year with its features as they were known when the question was asked."""
    from contender.adapters.features import Features
    from contender.adapters.lake import Lake
    from contender.factory import model_dags
    from flight_delay.dag import SPEC
    from flight_delay.model import examples

    assert SPEC.data_until is not None
    dag, year = model_dags(SPEC, doc=None)[0], Interval(start=SPEC.data_from, end=SPEC.data_until)
    chain = Chain(year, trials=1, run_id="replay")
    chain.call(dag, "data.load", validated=chain.call(dag, "data.validate"))
    chain.call(dag, "features.build")
    lake, store = Lake(settings().lake), Features(settings())
    store.apply(store.definitions(SPEC.name, [view.name for view in SPEC.views]), SPEC.name)
    raw = {table.name: lake.read(table.name, time=table.time_column, interval=year) for table in SPEC.tables}
    return store.historical(train.labelled(examples(raw, year, known_by=year), SPEC), SPEC.features())


def replayed(rows: pd.DataFrame) -> Iterator[Month]:
    """Each month's holdout with the scores of its own model and of the month before's."""
    from flight_delay.dag import SPEC
    from flight_delay.model import estimator

    champion: Any = None
    for month in Interval(start=SPEC.data_from, end=SPEC.data_until).months():
        known = rows[rows[train.LABEL_KNOWN_AT] <= month.end]
        fitted_on, held_out = train.slices(known, SPEC.split(month))
        challenger = train.fit(estimator, {}, fitted_on, SPEC)
        inputs = train.inputs(held_out, SPEC.columns)
        share = float(fitted_on[SPEC.label].mean())
        scores = (
            challenger.predict_proba(inputs)[:, 1],
            champion.predict_proba(inputs)[:, 1]
            if champion
            else baseline_scores(SPEC.gate.baseline, share, len(held_out)),
        )
        days = np.unique(held_out[SPEC.gate.cluster], return_inverse=True)[1]
        yield Month(f"{month.start:%Y-%m}", Holdout(held_out[SPEC.label].to_numpy() == 1, days, scores))
        champion = challenger


def row(month: Month) -> dict[str, Any]:
    """What the gate says of the month as it was, and the share of its shuffles that it promotes."""
    seen = evidence(month.holdout, seed=0)
    improvement = seen.improvement[POLICY.metric]
    share = shuffled_promotions(month.holdout, np.random.default_rng(len(month.holdout.labels)), FLIPS)
    return {
        "month": month.name,
        "rows": len(month.holdout.labels),
        "days": seen.clusters,
        "improvement": improvement.value,
        "low": improvement.low,
        "high": improvement.high,
        "verdict": decide(seen, POLICY).verdict,
        "promoted": share,
        "±": error_of(share, FLIPS),
    }


def shuffled_promotions(holdout: Holdout, chance: Chance, flips: int) -> float:
    """Share of the shuffles in which the first model's improvement has its lower end above zero."""
    promoted = 0
    for flip in range(flips):
        low, _, _ = compare(shuffled(holdout, chance), (POLICY.metric,), flip)[POLICY.metric]
        promoted += low > 0
    return promoted / flips


def shuffled(holdout: Holdout, chance: Chance) -> Holdout:
    """The holdout with the two models' scores swapped on those days whose coin says so."""
    swapped = chance.integers(0, 2, holdout.days.max() + 1).astype(bool)[holdout.days]
    first, second = holdout.scores
    return Holdout(holdout.labels, holdout.days, (np.where(swapped, second, first), np.where(swapped, first, second)))


if __name__ == "__main__":
    main()
