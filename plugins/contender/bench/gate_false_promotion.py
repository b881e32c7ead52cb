"""How often the gate promotes a challenger that is no better: equal models in every cell.

    python -m contender.bench.gate_false_promotion

`gate_false_promotion_rate` is the share of the worst cell. Beside it stand what the gate would be if it resampled
rows and not days, and if it took point estimates: the challenger passes if it is at least as good on the holdout.
"""

from __future__ import annotations

from typing import Any

from contender.bench.gate_trials import (
    POLICY,
    Series,
    error_of,
    every_cell,
    not_worse,
    processes,
    promoted,
    require_agreement,
)
from contender.bench.gate_worlds import COMPARED, DAYS, GOOD
from contender.bench.record import record

COMMAND = "make bench-gate"
CHECKED = 200  # trials of a clustered cell that the whole gate sees as well
NOTE = """Share of simulated retrainings with equal models in which the challenger is promoted, in the worst cell, by
the default policy (log loss, alpha 0.05: only one side of the interval promotes, so the nominal share is 0.025). `±` is
the Monte Carlo standard error. `by brier` and `by auc`: had these been the policy's metric. `resampling rows`: the same
interval, as if the rows of a day were independent. `>=`: promoted if at least as good on the holdout, ties
included. In {checked} of these retrainings the whole gate was asked as well, and said the same bit for bit."""


def main() -> None:
    """Simulate, record."""
    found, naive = every_cell(GOOD, (*COMPARED, "accuracy"))
    rows: list[dict[str, Any]] = []
    for cell, intervals in found.items():
        decisive = intervals[POLICY.metric]
        rows.append(
            {
                "world": cell.world,
                "rows": cell.rows,
                "clusters": DAYS if cell.clustered else cell.rows,
                "trials": len(decisive),
                "gate": promoted(decisive),
                "±": error_of(promoted(decisive), len(decisive)),
                "by brier": promoted(intervals["brier"]),
                "by auc": promoted(intervals["auc"]),
                "resampling rows": promoted(naive[cell][POLICY.metric]) if cell in naive else None,
                ">= log loss": not_worse(decisive),
                ">= accuracy": not_worse(intervals["accuracy"]),
            }
        )
    with processes() as pool:
        checked = sum(pool.map(require_agreement, [Series(cell, CHECKED) for cell in found if cell.clustered]))
    worst = max(row["gate"] for row in rows)
    record("gate_false_promotion_rate", worst, "share", "lower", POLICY.alpha, COMMAND, rows,
           note=NOTE.format(checked=checked).replace("\n", " "))  # fmt: skip


if __name__ == "__main__":
    main()
