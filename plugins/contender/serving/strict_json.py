"""JSON without anything that two readers could read differently: one encoding, each name once, finite numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from contender.core.errors import RequestInvalid, RequestMalformed
from contender.serving.faults import Problem, malformed, problem, require_none, unsayable

T = TypeVar("T")
# Python's own limit is thousands; nothing here has as many, and what is longer is out of every range.
MAX_DIGITS = 400
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Repeated(ValueError):
    """A name stands twice in one object."""


def read_json(body: bytes, use: Callable[[Any], T]) -> T:
    """What `use` makes of the decoded body.

    Args:
        body: UTF-8 without a byte order mark.
        use: Checks the content and takes from it what is wanted; it raises `RequestInvalid` with the faults.

    Raises:
        RequestMalformed: It is no JSON, or an object has a name twice; with the fields at fault where `use` finds
            them.
        RequestInvalid: `use` refuses it.
    """
    try:
        content = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise explained(look_again(body), use, error) from error
    made = use(content)
    require_unique(body, _pairs(content))
    return made


def explained(content: Any, use: Callable[[Any], Any], error: Exception) -> RequestInvalid:
    """Why a body that a lenient reader takes was refused: `use` names the fields."""
    named: RequestInvalid | None = None
    try:
        use(content)
        require_none("body", _unsayable(content))
    except RequestInvalid as found:
        named = found
    # A number that no float holds is JSON all the same.
    if isinstance(error, msgspec.ValidationError) and named is not None:
        return named
    return malformed(error, named)


def look_again(body: bytes) -> Any:
    """The content as a lenient reader has it, NaN and lone surrogates included, to find the fields at fault.

    Raises:
        RequestMalformed: Not even that can be read, or an object has a name twice.
    """
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_int=_whole)
    except _Repeated as error:
        raise _repeated(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise malformed(error) from error


def require_unique(body: bytes, pairs: int) -> None:
    """Refuse a body with a name twice in one object, of which a decoder keeps the last.

    Each name is followed by a colon. As many as there are names, and none stood twice; more, and they may as well
    stand in texts, which takes the longer look.

    Raises:
        RequestMalformed: A name stands twice.
    """
    if body.count(b":") != pairs:
        look_again(body)


def _pairs(content: Any) -> int:
    """How many names content that was found good has in its objects."""
    if isinstance(content, dict):
        return len(content) + sum(_pairs(value) for value in content.values() if isinstance(value, dict | list))
    if content and isinstance(content[0], dict):
        return sum(_pairs(one) for one in content)
    return 0


def _unsayable(content: Any) -> Iterator[Problem]:
    """Values that stand for nothing in JSON, by the name and the row that they are found below."""
    waiting: list[tuple[int | None, str | None, Any]] = [(None, None, content)]
    while waiting:
        index, field, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(index, name, one) for name, one in value.items()]
        elif isinstance(value, list):
            waiting += [(place, field, one) for place, one in enumerate(value)]
        elif (what := unsayable(value)) is not None:
            yield problem(field, what, value, "a finite number, or text in Unicode", index)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Repeated(name)
            seen.add(name)
    return found


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _repeated(name: str) -> RequestMalformed:
    error = RequestMalformed(
        "a name stands twice in one object of the request's body",
        where=f"body: {name[:80]}",
        expected="each name once",
        got="the name twice",
        next_step="send each field once",
    )
    error.problems = (problem(name[:80], "is given twice", None, "each name once"),)
    return error
