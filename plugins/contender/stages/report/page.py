"""The decision report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from contender.core.evidence import VerdictName
from contender.stages.report import formats
from contender.stages.report.drawing import Drawing
from contender.stages.report.facts import Report
from contender.stages.report.figures import budget_rows

HERE = Path(__file__).parent
SAYS: dict[VerdictName, str] = {
    "promote": "The challenger has earned its place.",
    "hold": "The challenger is not shown to be better, or cannot be judged.",
    "reject": "The challenger is not fit to take over.",
}


def page(report: Report, drawings: Sequence[Drawing]) -> str:
    """Make the page. Pure: the same facts, the same bytes.

    Everything is escaped, whatever a model, slice or comment is called. The page loads nothing: its own content
    security policy allows its one style sheet, by digest, and forbids the rest, wherever it is opened.

    Args:
        report: What it tells.
        drawings: What `figures` made of the same report.

    Returns:
        HTML, UTF-8 when written.
    """
    style = (HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment().get_template("page.html.j2").render(
        report=report, seen=report.evidence, verdict=report.verdict, policy=report.policy, of=report.provenance,
        drawings={drawing.name: drawing for drawing in drawings}, says=SAYS, budgets=budget_rows(report),
        asked=_asked(report), style=style, style_digest=f"sha256-{digest}",
    )  # fmt: skip


def environment() -> Environment:
    """Where page and card find their templates. HTML is escaped; a name that a template does not know is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    for function in (formats.figure, formats.change, formats.ends, formats.share, formats.span, formats.moment):
        made.filters[function.__name__] = function
    return made


def _asked(report: Report) -> dict[str, str]:
    """The policy's fields as text, rules spelled out."""
    return {name.replace("_", " "): _text(value) for name, value in report.policy.model_dump(mode="json").items()}


def _text(value: Any) -> str:
    match value:
        case None | []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name.replace('_', ' ')} {_text(item)}" for name, item in value.items())
        case list():
            return "; ".join(_text(item) for item in value)
        case _:
            return str(value)
