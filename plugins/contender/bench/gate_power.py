"""How often the gate promotes a challenger that is better, by how much better it is.

    python -m contender.bench.gate_power

`gate_power` is the share of the largest effect on a thousand rows of fifteen days; the curve is drawn from the
recorded table into docs/images/gate_power.png.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from contender.bench.gate_trials import POLICY, Series, promoted, run
from contender.bench.gate_worlds import DAYS, GOOD, SIZES, Blur, Cell, truth
from contender.bench.record import BENCHMARKS, record

COMMAND = "make bench-gate"
WORLD = "mild"
REFERENCES = tuple(Blur(GOOD.days, rows) for rows in (GOOD.rows, 0.6, 0.7, 0.8, 1.0, 1.2))
TRIALS = 1_000
TRUTH_ROWS = 2_000_000
EFFECT = "true improvement of log loss"
FIGURE = "images/gate_power.png"
NOTE = f"""Share of simulated retrainings in which a challenger that is better by so much is promoted; the value is that
of the largest effect on {SIZES[1]:,} rows in {DAYS} days. The days are the sample: {SIZES[2]:,} rows in {DAYS} days
find little more than {SIZES[1]:,} independent rows do. Monte Carlo standard error at most {0.5 / TRIALS**0.5:.3f}."""


def main() -> None:
    """Simulate, record, draw."""
    kinds = {label(cell): cell for cell in (Cell(WORLD, rows, of) for of in (True, False) for rows in SIZES)}
    series = {
        (name, reference): Series(cell, TRIALS, reference, metrics=(POLICY.metric,))
        for reference in REFERENCES
        for name, cell in kinds.items()
    }
    found = dict(zip(series, run(list(series.values())), strict=True))
    table: list[dict[str, Any]] = []
    for reference in REFERENCES:
        effect = 0.0 if reference == GOOD else truth(WORLD, reference, TRUTH_ROWS)[POLICY.metric]
        shares = {name: promoted(found[name, reference][POLICY.metric]) for name in kinds}
        table.append({EFFECT: effect, **shares})
    value = table[-1][label(Cell(WORLD, SIZES[1], clustered=True))]
    record("gate_power", value, "share", "higher", None, COMMAND, table, note=NOTE.replace("\n", " "), figure=FIGURE)
    draw(table, BENCHMARKS.parent / FIGURE)


def label(cell: Cell) -> str:
    """The cell's column."""
    return f"{cell.rows:,} rows, {DAYS if cell.clustered else f'{cell.rows:,}'} clusters"


def draw(table: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write the power curves as a picture; clustered ones are solid, others dashed, sizes have markers."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for index, name in enumerate(column for column in table[0] if column != EFFECT):
        axes.plot(
            [row[EFFECT] for row in table], [row[name] for row in table], label=name, marker="os^"[index % 3],
            linestyle="-" if index < len(SIZES) else "--", color=("#1b4f72", "#b9770e", "#7b241c")[index % 3],
        )  # fmt: skip
    axes.axhline(POLICY.alpha, color="0.4", linewidth=0.8)
    axes.annotate(f"alpha = {POLICY.alpha}", (1, POLICY.alpha), xycoords=("axes fraction", "data"), ha="right",
                  va="bottom", fontsize=8)  # fmt: skip
    axes.set(xlabel=f"{EFFECT}, nats", ylabel="share promoted", ylim=(0, 1))
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of the library, the same figures give the same bytes.
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
