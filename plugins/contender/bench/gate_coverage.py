"""How often the gate's interval holds the true improvement: unequal models in every cell.

    python -m contender.bench.gate_coverage

`gate_interval_coverage` is the coverage farthest from nominal, of any metric in any cell. Beside it stands the same
interval from resampled rows. The truth is measured on a population, see `gate_worlds.truth`.
"""

from __future__ import annotations

from typing import Any

from contender.bench.gate_trials import POLICY, covered, error_of, every_cell
from contender.bench.gate_worlds import COMPARED, DAYS, WORSE, WORSE_ROWS, truth
from contender.bench.record import record

COMMAND = "make bench-gate"
NOMINAL = 1 - POLICY.alpha
NEAR = 0.01
REFERENCES = {"in each row": WORSE_ROWS, "also on its bad days": WORSE}
NOTE = """Share of simulated retrainings in which the interval of the improvement holds the truth; the value is that
of any metric in any cell that lies farthest from nominal. The reference is worse than the challenger by more noise in
each row, or also by worse bad days, which make the days' differences skewed. `±` is the Monte Carlo standard error at
nominal; {within} of {all} lie within one point of nominal, {above} above and {below} below, the lowest is
{lowest:.3f}. `resampling rows`: the same interval, as if the rows of a day were independent."""


def main() -> None:
    """Simulate, record."""
    rows = [row for worse in REFERENCES for row in table(worse)]
    shares = [row[name] for row in rows for name in COMPARED]
    farthest = max(shares, key=lambda share: abs(share - NOMINAL))
    above, below = (sum(sign * (share - NOMINAL) > NEAR for share in shares) for sign in (1, -1))
    note = NOTE.format(
        within=len(shares) - above - below, all=len(shares), above=above, below=below, lowest=min(shares)
    ).replace("\n", " ")
    record("gate_interval_coverage", farthest, "share", "higher", NOMINAL, COMMAND, rows, note=note)


def table(worse: str) -> list[dict[str, Any]]:
    """Coverage in every cell against one reference."""
    reference = REFERENCES[worse]
    found, naive = every_cell(reference)
    rows: list[dict[str, Any]] = []
    for cell, intervals in found.items():
        true = truth(cell.world, reference)
        trials = len(intervals[POLICY.metric])
        by_row = covered(naive[cell][POLICY.metric], true[POLICY.metric]) if cell in naive else None
        rows.append(
            {
                "reference worse": worse,
                "world": cell.world,
                "rows": cell.rows,
                "clusters": DAYS if cell.clustered else cell.rows,
                "trials": trials,
                **{str(name): covered(intervals[name], true[name]) for name in COMPARED},
                "±": error_of(NOMINAL, trials),
                "log_loss, resampling rows": by_row,
            }
        )
    return rows


if __name__ == "__main__":
    main()
