"""How often the gate's interval holds the true improvement: unequal models in every cell.

    python -m contender.bench.gate_coverage

`gate_interval_coverage` is the coverage farthest from nominal, of any metric in any cell. Beside it stands the same
interval from resampled rows. The truth is measured on a population, see `gate_worlds.truth`.
"""

from __future__ import annotations

from typing import Any

from contender.bench.gate_trials import POLICY, covered, error_of, every_cell
from contender.bench.gate_worlds import COMPARED, DAYS, WORSE, truth
from contender.bench.record import record

COMMAND = "make bench-gate"
NOMINAL = 1 - POLICY.alpha
NEAR = 0.01
NOTE = """Share of simulated retrainings in which the interval of the improvement holds the truth, for a challenger that
is better than its reference in every way; the value is that of any metric in any cell that lies farthest from nominal.
`±` is the Monte Carlo standard error at nominal; {within} of {all} lie within one point of nominal, the lowest is
{lowest:.3f}. `resampling rows`: the same interval, as if the rows of a day were independent."""


def main() -> None:
    """Simulate, record."""
    found, naive = every_cell(WORSE)
    rows: list[dict[str, Any]] = []
    shares: list[float] = []
    for cell, intervals in found.items():
        true = truth(cell.world, WORSE)
        held = {str(name): covered(intervals[name], true[name]) for name in COMPARED}
        shares += held.values()
        trials = len(intervals[POLICY.metric])
        by_row = covered(naive[cell][POLICY.metric], true[POLICY.metric]) if cell in naive else None
        rows.append(
            {
                "world": cell.world,
                "rows": cell.rows,
                "clusters": DAYS if cell.clustered else cell.rows,
                "trials": trials,
                **held,
                "±": error_of(NOMINAL, trials),
                "log_loss, resampling rows": by_row,
            }
        )
    within = sum(abs(share - NOMINAL) <= NEAR for share in shares)
    farthest = max(shares, key=lambda share: abs(share - NOMINAL))
    note = NOTE.format(within=within, all=len(shares), lowest=min(shares)).replace("\n", " ")
    record("gate_interval_coverage", farthest, "share", "higher", NOMINAL, COMMAND, rows, note=note)


if __name__ == "__main__":
    main()
