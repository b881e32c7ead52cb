"""Twelve looks by a challenger that is no better: how often any of them promotes.

    python -m contender.bench.gate_looks

Twelve monthly looks have twelve fresh windows, and each gets the whole of alpha. Twelve looks at one and the same
window, by twelve challengers in turn, share it: see `contender/stages/gate/looks.py`. `gate_family_wise_rate` is the
share of windows on which any of the latter promotes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from contender.bench.gate_trials import LOW, POLICY, Series, compare, error_of, processes, run
from contender.bench.gate_worlds import DAYS, GOOD, WORLDS, Cell, Holdout
from contender.bench.record import record
from contender.stages.gate.looks import alpha_at, used_up

COMMAND = "make bench-gate"
LOOKS = 12
WINDOWS, YEARS = 2_000, 500
ROWS = 1_000
NOTE = f"""Share of simulated windows ({ROWS:,} rows in {DAYS} days) on which any of {LOOKS} challengers, equal to the
champion, is promoted, in the worse world. Each look is an interval at a part of alpha; where {POLICY.resamples:,}
resamples cannot resolve it the window is used up and the look holds. `without spending`: every look at the whole
alpha. `fresh windows`: one look each at the windows of twelve months; alpha is of a window, not of a year. `±` is the
Monte Carlo standard error."""


def main() -> None:
    """Simulate, record."""
    rows: list[dict[str, Any]] = []
    for world in WORLDS:
        cell = Cell(world, ROWS, clustered=True)
        with processes() as pool:
            spent, whole = np.mean(list(pool.map(any_look, [cell] * WINDOWS, range(WINDOWS), chunksize=50)), axis=0)
        fresh = any_month(cell)
        rows.append(
            {
                "world": world,
                "one window, alpha spent": float(spent),
                "one window, without spending": float(whole),
                "± (one window)": error_of(float(spent), WINDOWS),
                "fresh windows": fresh,
                "± (fresh windows)": error_of(fresh, YEARS),
            }
        )
    worst = max(row["one window, alpha spent"] for row in rows)
    record("gate_family_wise_rate", worst, "share", "lower", POLICY.alpha, COMMAND, rows, note=NOTE.replace("\n", " "))


def any_look(cell: Cell, window: int) -> tuple[bool, bool]:
    """Whether any of the looks at one window promotes, with alpha spent and without."""
    chance = np.random.default_rng([cell.rows, list(WORLDS).index(cell.world), window])
    drawn = cell.simulate(chance, [GOOD] * (LOOKS + 1))
    champion, *challengers = drawn.scores
    spent = whole = False
    for look, scores in enumerate(challengers, start=1):
        holdout = Holdout(drawn.labels, drawn.days, (scores, champion))
        whole |= _promotes(holdout, window, POLICY.alpha)
        if not used_up(POLICY.alpha, look, POLICY.resamples):
            spent |= _promotes(holdout, window, alpha_at(POLICY.alpha, look))
    return spent, whole


def any_month(cell: Cell) -> float:
    """Share of years of twelve fresh windows in which a look at any of them promotes."""
    (found,) = run([Series(cell, LOOKS * YEARS, metrics=(POLICY.metric,))])
    promoted = found[POLICY.metric][:, LOW] > 0
    return float(promoted.reshape(YEARS, LOOKS).any(axis=1).mean())


def _promotes(holdout: Holdout, seed: int, alpha: float) -> bool:
    low, _, _ = compare(holdout, (POLICY.metric,), seed, alpha=alpha)[POLICY.metric]
    return low > 0


if __name__ == "__main__":
    main()
