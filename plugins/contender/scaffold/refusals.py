"""What is refused, in lines for a terminal."""

from __future__ import annotations

from contender.core.errors import ContenderError


def readable(error: ContenderError) -> str:
    """What went wrong, and each of its facts on a line of its own, so that the next step can be found and copied."""
    facts = {"where": error.where, "expected": error.expected, "got": error.got, "next": error.next_step}
    lines = [f"  {name + ':':<9} {value}" for name, value in facts.items() if value]
    return "\n".join([f"{type(error).__name__}: {error.what}", *lines])
