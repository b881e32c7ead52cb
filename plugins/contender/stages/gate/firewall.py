"""Whether the holdout is new to both models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contender.core.naming import CHAMPION


def contamination(challenger_trained_until: Any, champion_trained_until: Any, holdout_start: Any) -> str:
    """Say why the holdout cannot be trusted to be new to both models, or return the empty string.

    Each argument is a time zone aware `datetime` or its ISO 8601 text, as it stands in a manifest. The first two are
    the ends of the training windows, which do not belong to them, so that one may equal `holdout_start`. For a
    baseline give the challenger's: it knows the same rows. What is missing or cannot be read counts as contaminated.
    """
    start = _moment(holdout_start)
    if start is None:
        return f"the start of the holdout cannot be read: {holdout_start!r}"
    for role, given in (("challenger", challenger_trained_until), (CHAMPION, champion_trained_until)):
        until = _moment(given)
        if until is None:
            return f"it is not known until when the {role} was trained: {given!r}"
        if until > start:
            return f"the {role} was trained until {until.isoformat()}, after the holdout began at {start.isoformat()}"
    return ""


def _moment(given: Any) -> datetime | None:
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            return None
    return given if isinstance(given, datetime) and given.tzinfo is not None else None
