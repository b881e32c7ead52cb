"""The figures of a report. Each says in words what it shows; what the evidence lacks has no figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from contender.core.evidence import Curve, Estimate, GroupFigures, SliceFigures
from contender.stages.report.drawing import BARS, INK, LINES, MUTED, Drawing, drawn
from contender.stages.report.facts import Report
from contender.stages.report.formats import change, clipped, ends, figure, share

SHOWN = 40  # rows of a forest: more than that no one reads in a picture, the table has them all
CURVES: dict[str, tuple[str, str, str]] = {
    "roc": ("ROC curve", "false positive rate", "true positive rate"),
    "precision_recall": ("Precision by recall", "recall", "precision"),
    "residuals": ("Residuals", "mean prediction", "mean of observed minus predicted"),
}


def figures(report: Report) -> tuple[Drawing, ...]:
    """All figures that the evidence has something for, in the order of the page."""
    made = [metrics_forest(report), slices_forest(report), curves(report), calibration(report), scores(report)]
    made += [fairness(found, number) for number, found in enumerate(report.evidence.fairness, start=1)]
    made.append(budgets(report))
    return tuple(drawing for drawing in made if drawing is not None)


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
    worst = sorted(seen.slices, key=lambda found: (found.improvement is None, _low(found)))[:SHOWN]
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


def curves(report: Report) -> Drawing | None:
    """ROC, precision and recall, or residuals: whichever the evidence has."""
    there = [kind for kind in CURVES if _of(report, kind)]
    if not there:
        return None

    def draw(figure_: Figure) -> None:
        for axes, kind in zip(figure_.subplots(1, len(there), squeeze=False)[0], there, strict=True):
            title, below, left = CURVES[kind]
            axes.set(title=title, xlabel=below, ylabel=left)
            if kind == "roc":
                axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":", label="chance")
            if kind == "residuals":
                axes.axhline(0, color=MUTED, linewidth=0.8, linestyle=":")
            _lines(axes, _of(report, kind), report.evidence.reference)
            axes.legend()

    titles = " · ".join(CURVES[kind][0] for kind in there)
    words = f"On the holdout, the challenger's line is solid, that of {report.evidence.reference} dashed."
    ours, theirs = (found.get("auc") for found in (report.evidence.challenger, report.evidence.champion))
    if "roc" in there and report.evidence.task == "multiclass":
        words += " Every row and class is one yes or no (micro-average)."
    if "roc" in there and ours and theirs:
        words += f" Area under the ROC curve: {figure(ours.value)} against {figure(theirs.value)}."
    return drawn("curves", titles, words, height=3.4, draw=draw)


def calibration(report: Report) -> Drawing | None:
    """Observed share against mean score."""
    points = _of(report, "calibration")
    if not points:
        return None

    def draw(figure_: Figure) -> None:
        axes = figure_.subplots()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":", label="perfectly calibrated")
        _lines(axes, points, report.evidence.reference)
        axes.set(xlabel="mean score", ylabel="observed share")
        axes.legend()

    words = "Observed share of what was predicted against the mean score; on the dotted line scores mean what they say."
    counts = [count for curve in points for count in curve.rows]
    if counts:
        words += f" Each point stands for {min(counts):,} to {max(counts):,} rows."
    errors = " and ".join(
        f"{figure(error)} for {_name(role, report.evidence.reference)}"
        for role, error in report.evidence.calibration.items()
    )
    words += f" Expected calibration error: {errors}." if errors else ""
    return drawn("calibration", "Calibration", words, height=3.4, draw=draw)


def scores(report: Report) -> Drawing | None:
    """The distribution of both models' scores."""
    points, shift = _of(report, "scores"), report.evidence.shift
    if not points:
        return None

    def draw(figure_: Figure) -> None:
        axes = figure_.subplots()
        _lines(axes, points, report.evidence.reference, drawstyle="steps-mid")
        axes.set(xlabel="score", ylabel="share of the holdout's rows", ylim=(0, None))
        axes.legend()

    words = "Distribution of the scores on the holdout: the challenger's line is solid, the other dashed."
    words += "" if shift is None else f" Population stability index between them: {figure(shift)}."
    return drawn("scores", "Scores of both models", words, height=2.8, draw=draw)


def fairness(found: GroupFigures, number: int) -> Drawing | None:
    """A rate of the challenger's decisions by group."""
    if not found.groups:
        return None
    shown = dict(sorted(found.groups.items(), key=lambda item: item[1])[:SHOWN])

    def draw(figure_: Figure) -> None:
        axes = figure_.subplots()
        bars = axes.barh([clipped(group) for group in shown], list(shown.values()), **BARS["challenger"])
        axes.bar_label(bars, [figure(rate) for rate in shown.values()], padding=4)
        axes.set(xlabel=found.measure.replace("_", " "), xlim=(0, 1.12 * max(*shown.values(), 1e-9)))
        axes.grid(visible=False, axis="y")

    words = f"The challenger's {found.measure.replace('_', ' ')} by {found.column}, lowest first: " + "; ".join(
        f"{group} {figure(rate)}" for group, rate in list(shown.items())[:SHOWN]
    )
    title = f"{found.measure.replace('_', ' ').capitalize()} by {found.column}"
    return drawn(f"fairness-{number}", title, f"{words}.", height=0.7 + 0.32 * len(shown), draw=draw)


def budgets(report: Report) -> Drawing | None:
    """What was measured on the image, as a share of its limit."""
    spent = [(what, value, limit, unit) for what, value, limit, unit in budget_rows(report) if value and limit]
    if not spent:
        return None

    def draw(figure_: Figure) -> None:
        axes = figure_.subplots()
        shares = [100 * value / limit for _, value, limit, _ in spent]
        axes.barh([what for what, *_ in spent], shares, height=0.5, **BARS["challenger"])
        for place, (_, value, limit, unit) in enumerate(spent):
            beside = f"{value:,.4g} of {limit:,.4g} {unit}"
            axes.text(1.02, place, beside, transform=axes.get_yaxis_transform(), va="center")
        axes.axvline(100, color=INK, linewidth=2)
        axes.set(xlabel="share of the budget in percent; the upright line is all of it")
        axes.set(xlim=(0, 1.05 * max(*shares, 100)), ylim=(len(spent) - 0.5, -0.5))
        axes.grid(visible=False, axis="y")

    words = "Measured on the running image: " + "; ".join(
        f"{what} {value:,.4g} of {limit:,.4g} {unit}, {value / limit:.0%}" for what, value, limit, unit in spent
    )
    return drawn("budgets", "Budgets", f"{words}.", height=0.8 + 0.4 * len(spent), draw=draw)


def budget_rows(report: Report) -> list[tuple[str, float | None, float | None, str]]:
    """What an image costs: name, measured, limit, unit; `None` where it was not measured or has no limit."""
    image, limits = report.evidence.image, report.policy.budgets
    if image is None:
        return []
    return [
        ("p95 latency", image.p95_latency_ms, limits.max_p95_latency_ms, "ms"),
        ("memory", image.memory_mb, limits.max_memory_mb, "MB"),
        ("image size", image.size_mb, limits.max_image_mb, "MB"),
    ]


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


def _low(found: SliceFigures) -> float:
    if found.improvement is None:
        return 0.0
    return found.improvement.value if found.improvement.low is None else found.improvement.low


def _of(report: Report, kind: str) -> list[Curve]:
    return [curve for curve in report.evidence.curves if curve.figure == kind and curve.x]


def _lines(axes: Any, lines: Sequence[Curve], reference: str, **how: Any) -> None:
    """Both models' lines; markers on some of the points only, so that the lines stay lines."""
    for curve in lines:
        every = max(1, len(curve.x) // 10)
        label = _name(curve.role, reference)
        axes.plot(curve.x, curve.y, label=label, markevery=every, **{**LINES[curve.role], **how})


def _name(role: str, reference: str) -> str:
    return "challenger" if role == "challenger" else clipped(reference)


def _height(rows: Sequence[Row]) -> float:
    return 0.75 + 0.3 * len(rows)
