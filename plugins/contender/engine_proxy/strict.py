"""JSON that can be read in one way alone, and the one error of all that is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from contender.core.errors import EngineCallRefused, some


def parsed(raw: str | bytes) -> dict[str, Any]:
    """A JSON object in which no name stands twice.

    Raises:
        EngineCallRefused: It is no such thing.
    """
    try:
        content = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise refused("the JSON cannot be used", "body or query", "an object with each name once", error) from error
    require(isinstance(content, dict), "body or query", "a JSON object", type(content).__name__)
    return dict(content)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    times = Counter(name.lower() for name, _ in pairs)
    if twice := [name for name, number in times.items() if number > 1]:
        raise ValueError(f"given twice: {some(twice)}")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def said_in(given: Mapping[str, Any], allowed: set[str], where: str) -> dict[str, Any]:
    """The fields that say something; each must be allowed, in just this spelling.

    Raises:
        EngineCallRefused: One is not.
    """
    said = {name: value for name, value in given.items() if value not in (None, False, "", [], {})}
    unknown = sorted(said.keys() - allowed)
    require(not unknown, where, some(sorted(allowed), 20), some(unknown))
    return said


def require(holds: object, where: str, expected: object, got: object) -> None:
    """Refuse what does not hold.

    Raises:
        EngineCallRefused: It does not.
    """
    if not holds:
        raise refused("this is not allowed", where, expected, str(got)[:200])


def refused(what: str, where: str, expected: object, got: object = "") -> EngineCallRefused:
    """The error of a call that is not made."""
    return EngineCallRefused(
        what, where=where, expected=expected, got=got, next_step="docs/decisions/0014 says what is allowed, and why"
    )
