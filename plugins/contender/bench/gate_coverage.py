"""How often the gate's interval holds the true improvement: unequal models in every cell.

    python -m contender.bench.gate_coverage

`gate_interval_coverage` is the coverage farthest from nominal, of any metric in any cell. Beside it stands the same
interval from resampled rows. The truth is measured on a population, see `gate_worlds.truth`.
"""

from __future__ import annotations

from typing import Any

from contender.bench.gate_trials import POLICY, Series, covered, error_of, metrics_of, run, trials_of
from contender.bench.gate_worlds import COMPARED, DAYS, WORSE, cells, truth
from contender.bench.record import record

COMMAND = "make bench-gate"
BY_ROW_TRIALS = 1_000
NOMINAL = 1 - POLICY.alpha
NEAR = 0.01
NOTE = """Share of simulated retrainings in which the interval of the improvement holds the truth, for a challenger that
is better than its reference in every way; the value is that of any metric in any cell that lies farthest from nominal.
`±` is the Monte Carlo standard error at nominal; {within} of {all} lie within one point of nominal, the lowest is
{lowest:.3f}. `rows: log_loss`: the same interval, as if the rows of a day were independent."""


def main() -> None:
    """Simulate, record."""
    kinds = list(cells())
    ours = [Series(cell, trials_of(cell), WORSE, metrics=metrics_of(cell)) for cell in kinds]
    by_row = [
        Series(cell, BY_ROW_TRIALS, WORSE, by_row=True, metrics=(POLICY.metric,)) for cell in kinds if cell.clustered
    ]
    found = dict(zip([*ours, *by_row], run([*ours, *by_row]), strict=True))
    naive = {
        series.cell: covered(found[series][POLICY.metric], truth(series.cell.world, WORSE)[POLICY.metric])
        for series in by_row
    }
    rows: list[dict[str, Any]] = []
    shares: list[float] = []
    for series in ours:
        cell = series.cell
        held = {name: covered(found[series][name], truth(cell.world, WORSE)[name]) for name in series.metrics}
        shares += held.values()
        rows.append(
            {
                "world": cell.world,
                "rows": cell.rows,
                "clusters": DAYS if cell.clustered else cell.rows,
                "trials": series.trials,
                **{str(name): held.get(name) for name in COMPARED},
                "±": error_of(NOMINAL, series.trials),
                "rows: log_loss": naive.get(cell),
            }
        )
    within = sum(abs(share - NOMINAL) <= NEAR for share in shares)
    farthest = max(shares, key=lambda share: abs(share - NOMINAL))
    note = NOTE.format(within=within, all=len(shares), lowest=min(shares)).replace("\n", " ")
    record("gate_interval_coverage", farthest, "share", "higher", NOMINAL, COMMAND, rows, note=note)


if __name__ == "__main__":
    main()
