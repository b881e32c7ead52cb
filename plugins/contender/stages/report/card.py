"""The model card: what the registry says of a version, from the same facts as the report.

Its headings follow Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import re

from contender.core.markdown import code, plain
from contender.stages.report.facts import Report
from contender.stages.report.page import environment

LISTED = 5
# The registry's database takes no longer description.
LIMIT = 5000
CUT = "\n\n*Cut here: the whole card is `model_card.md` among the artefacts of the version's run.*\n"


def card(report: Report, address: str = "") -> str:
    """Make the card. Pure: the same facts, the same text.

    Args:
        report: What it tells.
        address: Of the report's page, or empty.

    Returns:
        Markdown. Names, reasons and comments are escaped; the model's own documentation is Markdown and is not.
    """
    worst = report.worst_slices()
    template = environment()
    template.filters |= {"plain": plain, "code": code}
    text = template.get_template("card.md.j2").render(
        report=report, seen=report.evidence, verdict=report.verdict, policy=report.policy, of=report.provenance,
        address=address, worst=worst[:LISTED], measured=len(worst), unmeasured=len(report.evidence.slices) - len(worst),
    )  # fmt: skip
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def description(text: str) -> str:
    """The card as long as the registry takes it, cut after a whole line and saying so."""
    if len(text) <= LIMIT:
        return text
    return text[: LIMIT - len(CUT)].rsplit("\n", 1)[0] + CUT
