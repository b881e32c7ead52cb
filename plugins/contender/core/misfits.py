"""`Misfits`: what a declaration says that it cannot mean, field by field, so that an error can name each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Misfit(NamedTuple):
    """One value that does not fit the others.

    Attributes:
        field: Where it stands, e.g. `gate.metric`.
        expected: What would fit, as a sentence's end.
        got: The value.
    """

    field: str
    expected: str
    got: object


class Misfits(ValueError):
    """Raised by a validator; `Declared` makes it the error that the author reads."""

    def __init__(self, found: Iterable[Misfit]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(f"{one.field}: expected {one.expected}, got {one.got}" for one in self.found))


def refuse(found: Iterable[Misfit]) -> None:
    """Raise what was found, if anything.

    Raises:
        Misfits: Something was.
    """
    if misfits := tuple(found):
        raise Misfits(misfits)


def repeated(field: str, names: Iterable[str]) -> list[Misfit]:
    """A misfit where a name occurs twice."""
    listed = list(names)
    twice = sorted({name for name in listed if listed.count(name) > 1})
    return [Misfit(field, "names that differ", f"more than once: {', '.join(twice)}")] if twice else []
