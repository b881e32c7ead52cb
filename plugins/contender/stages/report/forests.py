"""Forests: points with their intervals around the line of no difference, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from contender.core.evidence import Estimate
from contender.stages.report.drawing import INK, LINES, Drawing, drawn
from contender.stages.report.facts import Report
from contender.stages.report.formats import change, clipped, ends, share

SHOWN = 40  # rows: more than that no one reads in a picture, the table has them all


class Row(NamedTuple):
    """One row of a forest: a label, an estimate on the row's scale, a limit, and the figures beside it."""

    label: str
    estimate: Estimate | None
    limit: float | None
    beside: str


def metrics_forest(report: Report) -> Drawing | None:
    """The improvement in every metric; each row has a scale of its own, for each metric has a unit of its own."""
    told = [row for row in report.metrics() if row.improvement is not None]
    if not told:
        return None
    rows = [
        Row(
            label=f"{row.metric}" if row.part == "told" else f"{row.metric} ({row.part})",
            estimate=_scaled(row.improvement, row.limit),
            limit=None if row.limit is None else row.limit / _scale(row.improvement, row.limit),
            beside=_beside(row.improvement),
        )
        for row in told
        if row.improvement is not None
    ]
    words = (
        f"Improvement of the challenger over {report.evidence.reference} with its interval at "
        f"{share(1 - report.evidence.alpha)}. Right of the line of no difference the challenger is better. Each row "
        "has its own scale, because each metric has its own unit; figures stand beside it. A short upright bar is the "
        "policy's limit: the interval must lie right of it."
    )
    draw = partial(_forest, rows=rows)
    return drawn("metrics", "Improvement by metric", words, height=_height(rows), draw=draw)


def slices_forest(report: Report) -> Drawing | None:
    """The deciding metric's improvement in every slice, on one scale."""
    seen, policy = report.evidence, report.policy
    if not seen.slices:
        return None
    allowed = {rule.column: rule.largest_regression for rule in policy.slices}
    worst = [*report.worst_slices(), *(found for found in seen.slices if found.improvement is None)][:SHOWN]
    shown = [found for found in seen.slices if found in worst]
    rows = [
        Row(
            label=clipped(f"{found.column} = {found.value}"),
            estimate=found.improvement,
            limit=-allowed[found.column] if found.improvement and found.column in allowed else None,
            beside=_beside(found.improvement) if found.improvement else f"not enough data ({found.rows:,} rows)",
        )
        for found in shown
    ]
    whole = seen.improvement.get(policy.metric)
    if whole is not None:
        rows.insert(0, Row("whole holdout", whole, None, _beside(whole)))
    named = f"The {len(shown)} worst of {len(seen.slices)} slices. " if len(shown) < len(seen.slices) else ""
    words = (
        f"{named}Improvement in {policy.metric} by slice, with intervals that hold for all slices at once. Right of "
        "the line of no difference the challenger is better. A short upright bar is the largest regression that the "
        "policy allows. Slices without enough data have no mark."
    )
    draw = partial(_forest, rows=rows, unit=f"improvement in {policy.metric}")
    return drawn("slices", "Improvement by slice", words, height=_height(rows), draw=draw)


def _forest(figure_: Figure, *, rows: Sequence[Row], unit: str = "") -> None:
    """Points and intervals around the line of no difference, first row on top, figures beside them.

    Without a unit the rows have scales of their own, and the axis has none.
    """
    axes = figure_.subplots()
    axes.axvline(0, color=INK, linewidth=1)
    for place, row in enumerate(rows):
        _interval(axes, place, row)
        axes.text(1.02, place, row.beside, transform=axes.get_yaxis_transform(), va="center")
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set(xlabel=unit, ylim=(len(rows) - 0.4, -0.6))
    reach = max((abs(edge) for row in rows for edge in _edges(row)), default=0.0) or 1.0
    axes.set_xlim(-1.12 * reach, 1.12 * reach)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    if not unit:
        axes.set_xticks([-reach, 0, reach], ["← worse", "no difference", "better →"])
        axes.tick_params(axis="x", length=0)
        axes.grid(visible=False)


def _interval(axes: Any, place: int, row: Row) -> None:
    if row.limit is not None:
        axes.plot([row.limit] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=2.4, solid_capstyle="butt")
    if row.estimate is None:
        return
    there = row.estimate.low is not None and row.estimate.high is not None
    colour = LINES["challenger"]["color"]
    if there:
        axes.plot([row.estimate.low, row.estimate.high], [place] * 2, color=colour, marker="|", markersize=8)
    axes.plot(
        row.estimate.value, place, marker="o", markersize=6, color=colour, markerfacecolor=colour if there else "w"
    )


def _edges(row: Row) -> list[float]:
    seen = row.estimate
    found = [row.limit, *((seen.value, seen.low, seen.high) if seen else ())]
    return [edge for edge in found if edge is not None]


def _scale(estimate: Estimate, limit: float | None) -> float:
    return max(abs(edge) for edge in _edges(Row("", estimate, limit, ""))) or 1.0


def _scaled(estimate: Estimate, limit: float | None) -> Estimate:
    scale = _scale(estimate, limit)
    low, high = (None if end is None else end / scale for end in (estimate.low, estimate.high))
    return Estimate(value=estimate.value / scale, low=low, high=high)


def _beside(estimate: Estimate) -> str:
    return f"{change(estimate.value)}  ({ends(estimate)})"


def _height(rows: Sequence[Row]) -> float:
    return 0.75 + 0.3 * len(rows)
