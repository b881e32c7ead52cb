"""How often the gate's interval holds the true improvement: unequal models in every cell.

    python -m contender.bench.gate_coverage

`gate_interval_coverage` is the lowest coverage of any metric in any cell. Beside it stands the same interval from
resampled rows. The truth is measured on a population, see `gate_worlds.truth`.
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
NOTE = """Share of simulated retrainings in which the interval of the improvement holds the truth; the value is the
lowest of any metric in any cell. The reference is worse than the challenger by more noise in each row, or also by
worse bad days, which make the days' differences skewed. `±` is the Monte Carlo standard error at nominal. Of {all}
shares {within} lie within one point of nominal, {above} above and {below} below; the farthest from it is
{farthest:.3f}: where days differ much the interval is longer than it need be. `resampling rows`: the same interval,
as if the rows of a day were independent."""


def main() -> None:
    """Simulate, record."""
    record_table([row for worse in REFERENCES for row in table(worse)])


def record_table(rows: list[dict[str, Any]]) -> None:
    """Record the lowest coverage, with all of them behind it."""
    shares = [row[name] for row in rows for name in COMPARED]
    above, below = (sum(sign * (share - NOMINAL) > NEAR for share in shares) for sign in (1, -1))
    note = NOTE.format(
        all=len(shares), within=len(shares) - above - below, above=above, below=below,
        farthest=max(shares, key=lambda share: abs(share - NOMINAL)),
    )  # fmt: skip
    record(
        "gate_interval_coverage", min(shares), "share", "higher", NOMINAL, COMMAND, rows, note=note.replace("\n", " ")
    )


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
