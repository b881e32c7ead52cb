"""The figures of a report. Each says in words what it shows; what the evidence lacks has no figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from contender.core.evidence import Curve, GroupFigures
from contender.stages.report.drawing import BARS, INK, LINES, MUTED, Drawing, drawn
from contender.stages.report.facts import Report
from contender.stages.report.forests import SHOWN, metrics_forest, slices_forest
from contender.stages.report.formats import clipped, figure

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


def curves(report: Report) -> Drawing | None:
    """ROC, precision and recall, or residuals: whichever the evidence has."""
    there = [kind for kind in CURVES if _of(report, kind)]
    if not there:
        return None

    def draw(figure_: Figure) -> None:
        for axes, kind in zip(figure_.subplots(1, len(there), squeeze=False)[0], there, strict=True):
            title, below, left = CURVES[kind]
            axes.set(title=title if len(there) > 1 else "", xlabel=below, ylabel=left)
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
