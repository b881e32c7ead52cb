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
    metrics_of,
    not_worse,
    promoted,
    require_agreement,
    run,
    trials_of,
)
from contender.bench.gate_worlds import DAYS, cells
from contender.bench.record import record

COMMAND = "make bench-gate"
BY_ROW_TRIALS = 1_000
CHECKED = 100  # trials of a clustered cell that the whole gate sees as well
NOTE = """Share of simulated retrainings with equal models in which the challenger is promoted, in the worst cell, by
the default policy (log loss, alpha 0.05: only one side of the interval promotes, so the nominal share is 0.025). `±` is
the Monte Carlo standard error. `by brier` and `by auc`: had these been the policy's metric. `resampling rows`: the same
interval, as if the rows of a day were independent. `>=`: promoted if at least as good on the holdout. In {checked} of
these retrainings the whole gate was asked as well, and said the same bit for bit."""


def main() -> None:
    """Simulate, record."""
    kinds = list(cells())
    ours = [Series(cell, trials_of(cell), metrics=metrics_of(cell)) for cell in kinds]
    by_row = [Series(cell, BY_ROW_TRIALS, by_row=True, metrics=(POLICY.metric,)) for cell in kinds if cell.clustered]
    found = dict(zip([*ours, *by_row], run([*ours, *by_row]), strict=True))
    naive = {series.cell: promoted(found[series][POLICY.metric]) for series in by_row}
    rows: list[dict[str, Any]] = []
    for series in ours:
        cell, intervals = series.cell, found[series]
        share = promoted(intervals[POLICY.metric])
        rows.append(
            {
                "world": cell.world,
                "rows": cell.rows,
                "clusters": DAYS if cell.clustered else cell.rows,
                "trials": series.trials,
                "gate": share,
                "±": error_of(share, series.trials),
                "by brier": promoted(intervals["brier"]),
                "by auc": promoted(intervals["auc"]) if "auc" in intervals else None,
                "resampling rows": naive.get(cell),
                ">=": not_worse(intervals[POLICY.metric]),
            }
        )
    checked = sum(require_agreement(Series(cell, CHECKED)) for cell in kinds if cell.clustered)
    worst = max(row["gate"] for row in rows)
    record("gate_false_promotion_rate", worst, "share", "lower", POLICY.alpha, COMMAND, rows,
           note=NOTE.format(checked=checked).replace("\n", " "))  # fmt: skip


if __name__ == "__main__":
    main()
