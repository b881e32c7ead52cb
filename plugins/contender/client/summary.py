"""The summary at the end of `make demo`: text from what the run's tasks left in XCom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPORT = "_link_ReportLink"  # under which the task's link to the decision's report is kept
# Which values of which tasks the summary speaks of.
WANTED = (
    ("data.validate", "return_value"),
    ("data.load", "return_value"),
    ("features.materialise", "return_value"),
    ("train.assemble", "return_value"),
    ("train.fit", "return_value"),
    ("gate.measure", "return_value"),
    ("gate.decide", "verdict"),
    ("gate.decide", REPORT),
    ("image.build", "skipped"),
    ("image.prove", "return_value"),
    ("promote.release", "return_value"),
)
WIDTH = 12
SPOKEN = {
    "promote": "PROMOTE: the challenger is shown to be better",
    "hold": "HOLD: the champion stays, the evidence does not suffice",
    "reject": "REJECT: the challenger is not good enough",
}

Facts = Mapping[str, Any]


def summary(values: Mapping[tuple[str, str], Any]) -> str:
    """What the run brought forth, one topic a line; a task that left nothing is named, not passed over.

    Tables, views and metrics come by name: PostgreSQL returns the keys of a JSON value in an order of its own.

    Args:
        values: XCom values by (task, key), those of `WANTED`.
    """
    facts = {task: values[task, key] for task, key in WANTED if isinstance(values.get((task, key)), dict)}
    absent = [task for task in ("data.validate", "train.assemble", "train.fit", "gate.measure") if task not in facts]
    lines = [
        *_data(facts.get("data.validate"), facts.get("data.load"), by_key=_by_key(facts.get("train.assemble"))),
        *_features(facts.get("features.materialise")),
        *_training(facts.get("train.assemble"), facts.get("train.fit")),
        *_evidence(facts.get("gate.measure")),
        *_image(facts.get("image.prove"), values.get(("image.build", "skipped"))),
        *_verdict(facts.get("gate.decide")),
        *_report(values.get(("gate.decide", REPORT))),
        *_release(facts.get("promote.release")),
    ]
    if absent:
        lines.append(_line("missing", f"no figures from {', '.join(absent)}: see these tasks' logs in the UI"))
    return "\n".join(lines)


def addresses(rows: Mapping[str, str]) -> str:
    """Addresses, one a line."""
    return "\n".join(_line(name, text) for name, text in rows.items())


def _by_key(assembled: Facts | None) -> bool:
    """Whether the rows have no time, so that the dates that they are filed under mean nothing."""
    return (assembled or {}).get("split_by") == "key"


def _data(validated: Facts | None, loaded: Facts | None, *, by_key: bool) -> list[str]:
    if validated is None:
        return []
    filed = str(validated.get("interval", "?"))
    lines = [_line("interval", f"all rows, as they have no time; filed under {filed}" if by_key else filed)]
    for name, table in sorted(dict(validated.get("tables", {})).items()):
        warned = table.get("warnings") or []
        text = f"{_count(table.get('rows'))} rows validated, {_count(table.get('quarantined', 0))} quarantined"
        lines.append(_line("data", f"{name}: {text}" + (f", {len(warned)} warnings" if warned else "")))
        lines += [_line("", f"  warning: {warning}") for warning in warned[:5]]
    written = (loaded or {}).get("written") or []
    if written:
        lines.append(_line("", f"brought in: {_some(written)}"))
    return lines


def _features(materialised: Facts | None) -> list[str]:
    rows = (materialised or {}).get("rows") or {}
    if not rows:
        return []
    listed = ", ".join(f"{view} {_count(count)}" for view, count in sorted(rows.items()))
    return [_line("features", f"materialised: {listed}")]


def _training(assembled: Facts | None, fitted: Facts | None) -> list[str]:
    lines = []
    if assembled is not None:
        joined = assembled.get("joined_views")
        views = f", {joined} view{'' if joined == 1 else 's'} joined" if joined else ""
        lines += [
            _line("training", f"{_count(assembled.get('train_rows'))} rows{_of(assembled, 'train')}{views}"),
            _line("holdout", f"{_count(assembled.get('holdout_rows'))} rows{_of(assembled, 'holdout')}"),
        ]
    if fitted is not None:
        new = "new" if fitted.get("new_version", True) else "unchanged, no new one made"
        lines.append(_line("model", f"version {fitted.get('version', '?')} ({new}), run {fitted.get('run_id', '?')}"))
    return lines


def _of(assembled: Facts, window: str) -> str:
    return ", chosen by their key" if _by_key(assembled) else f" of {assembled.get(window, '?')}"


def _evidence(measured: Facts | None) -> list[str]:
    if measured is None:
        return []
    reference = str(measured.get("reference", "reference"))
    sure = f"{100 * (1 - measured.get('alpha', 0.05)):.5g} %"
    look = f", look {measured['look']} at this holdout" if measured.get("look", 1) > 1 else ""
    lines = [_line("evidence", f"challenger against {reference}, in [ ] the {sure} interval by resampling{look}")]
    lines += [
        _line(
            "",
            f"  {name:<10} {_estimate(estimate)}   {reference}: "
            f"{_estimate(dict(measured.get('champion', {})).get(name))}",
        )
        for name, estimate in sorted(dict(measured.get("challenger", {})).items())
    ]
    for name, estimate in sorted(dict(measured.get("improvement", {})).items()):
        lines.append(_line("", f"  {name:<10} {_compared(estimate)}"))
    if little := [f"{one['column']} {one['value']}" for one in measured.get("slices", []) if one.get("not_enough")]:
        lines.append(_line("", f"  slices     not enough data: {_some(little)}"))
    if measured.get("contaminated"):
        lines.append(_line("", f"  void: {measured['contaminated']}"))
    if checks := measured.get("self_test"):
        passed = sum(bool(check["passed"]) for check in checks)
        lines.append(_line("self-test", f"{passed} of {len(checks)} passed: {_some([one['name'] for one in checks])}"))
    return lines


def _report(link: Any) -> list[str]:
    return [_line("report", f"{link}   (after logging in to Airflow)")] if link else []


def _verdict(decided: Facts | None) -> list[str]:
    if decided is None:
        return [_line("verdict", "none was recorded")]
    name = str(decided.get("verdict", "?"))
    reasons = [_line("", f"  {finding.get('reason', '?')}") for finding in decided.get("findings", [])]
    return [_line("verdict", SPOKEN.get(name, name)), *reasons, *_override(decided.get("override"))]


def _override(said: Facts | None) -> list[str]:
    if not said:
        return []
    return [_line("OVERRIDE", f"{said.get('verdict')}, by {said.get('by')}: {said.get('reason')}")]


def _image(proved: Facts | None, skipped: Any) -> list[str]:
    if proved is None:
        return [_line("image", f"none: {skipped or 'see the log of image.build'}")]
    off = f"off by {proved.get('largest_difference', 0):.1e} at most"
    answered = f"{proved.get('answered', '?')} golden requests answered, {off}"
    size = f"{proved['size_mb']:.0f} MB, " if "size_mb" in proved else ""
    return [
        _line("image", f"{proved.get('image', '?')} ({size}{answered})"),
        _line("", str(proved.get("digest", ""))),
        *_cost(proved),
    ]


def _cost(proved: Facts) -> list[str]:
    typical, slow, memory = (proved.get(name) for name in ("p50_latency_ms", "p95_latency_ms", "memory_mb"))
    told = [f"one row in {typical:.1f} ms, 95 % within {slow:.1f} ms"] if typical and slow else []
    told += [f"{memory:.0f} MB of memory"] if memory else []
    return [_line("", ", ".join(told))] if told else []


def _release(released: Facts | None) -> list[str]:
    if released is None:
        return []
    alias, version = released.get("alias", "champion"), released.get("version", "?")
    return [_line("release", f"{alias} is version {version}, manifest {released.get('manifest', '?')}")]


def _estimate(estimate: Any) -> str:
    if not isinstance(estimate, dict) or estimate.get("value") is None:
        return "-"
    low, high = estimate.get("low"), estimate.get("high")
    return f"{estimate['value']:.4f}" + ("" if low is None or high is None else f" [{low:.4f}, {high:.4f}]")


def _compared(improvement: Any) -> str:
    """`better by` or `worse by` the size of the difference; the interval is that of the improvement."""
    if not isinstance(improvement, dict) or improvement.get("value") is None:
        return "-"
    value, low, high = float(improvement["value"]), improvement.get("low"), improvement.get("high")
    text = f"{'worse' if value < 0 else 'better'} by {abs(value):.4f}"
    return text if low is None or high is None else f"{text}, improvement [{low:+.4f}, {high:+.4f}]"


def _count(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int | float) else "?"


def _some(items: list[Any], limit: int = 4) -> str:
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"


def _line(name: str, text: str) -> str:
    return f"  {name:<{WIDTH}} {text}".rstrip()
