"""What is wrong with a request, field by field: the place, the value that was sent, and what is allowed there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, cast

import msgspec
from msgspec import inspect

from contender.core.errors import RequestInvalid, RequestMalformed, some

MAX_PROBLEMS = 20
# No body is searched for more: the search itself would cost more than all else.
MAX_FAULTS = 1000
SHOWN = 80
# Numbers become float32: what lies beyond would turn into infinity.
FLOAT32_MAX = 3.4028234663852886e38

Problem = dict[str, Any]


class Fields:
    """The fields of a struct type, to look at values one by one, which is slow and done only once a decode failed."""

    def __init__(self, form: type[msgspec.Struct]) -> None:
        described = cast("inspect.StructType", inspect.type_info(form))
        self._allowed = {field.encode_name: allowed(field.type) for field in described.fields}
        self._fields = {field.encode_name: field for field in msgspec.structs.fields(form)}
        self._one_of = f"one of the fields {', '.join(self._fields)}"

    def __len__(self) -> int:
        """How many fields there are."""
        return len(self._fields)

    def of(self, record: Any) -> Iterator[Problem]:
        """Every fault of one record: no object, unknown and missing fields, values that are refused."""
        if not isinstance(record, dict):
            yield problem(None, "is no object", record, "an object")
            return
        for name in record.keys() - self._fields.keys():
            yield self.unknown(name, record[name])
        for name, field in self._fields.items():
            if name in record:
                yield from self.of_value(name, record[name])
            elif field.required:
                yield self.missing(name)

    def of_value(self, name: str, value: Any) -> Iterator[Problem]:
        """The fault of one value, if it has one."""
        what = unsayable(value)
        if what is None:
            try:
                msgspec.convert(value, self._fields[name].type)
            except (msgspec.ValidationError, RecursionError) as error:
                what = "is null" if value is None else f"is refused: {error}"
        if what is not None:
            yield problem(name, what, value, self._allowed[name])

    def unknown(self, name: str, value: Any = None) -> Problem:
        """A field of this name does not exist."""
        return problem(name[:SHOWN], "is unknown", value, self._one_of)

    def missing(self, name: str) -> Problem:
        """A field was not sent."""
        return problem(name, "is missing", None, self._allowed[name])

    def names(self, given: Iterable[str]) -> Iterator[Problem]:
        """Every fault of a list of names that should name each field once."""
        seen: set[str] = set()
        for name in given:
            if name not in self._fields:
                yield self.unknown(name)
            elif name in seen:
                yield problem(name, "is given twice", name, "each field once")
            seen.add(name)
        yield from (self.missing(name) for name in self._fields if name not in seen)


def unsayable(value: Any) -> str | None:
    """Why a value is no JSON, if it is none, though a lenient reader took it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is refused: not finite"
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return "is refused: half of a surrogate pair"
    return None


def allowed(kind: inspect.Type) -> str:
    """What a field takes, in words."""
    if isinstance(kind, inspect.UnionType):
        return " or ".join(allowed(one) for one in kind.types)
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(str(value) for value in kind.values)}"
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _allowed_number(kind)
    if isinstance(kind, inspect.StrType):
        limit = "" if kind.max_length is None else f" of at most {kind.max_length} characters"
        return f"text{limit}" if kind.pattern is None else f"text that matches {kind.pattern}"
    if isinstance(kind, inspect.DateTimeType):
        return "an ISO 8601 time with a UTC offset, e.g. 2013-07-01T12:00:00-04:00"
    return "null" if isinstance(kind, inspect.NoneType) else type(kind).__name__.removesuffix("Type").lower()


def _allowed_number(kind: inspect.IntType | inspect.FloatType) -> str:
    word = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    low = "" if kind.ge is None or kind.ge <= -FLOAT32_MAX else f" from {kind.ge:g}"
    high = "" if kind.le is None or kind.le >= FLOAT32_MAX else f" to {kind.le:g}"
    return f"{word}{low}{high}" if low or high else f"{word} in the range of float32"


def problem(field: str | None, what: str, value: Any, allowed_there: str, index: int | None = None) -> Problem:
    """One fault; `index` is that of the row, where it is one row's."""
    return {"index": index, "field": field, "problem": what, "value": shown(value), "allowed": allowed_there}


def shown(value: Any) -> Any:
    """The value as sent if it is short, plain and JSON, otherwise the beginning of its Python form."""
    if isinstance(value, str):
        value = value[: SHOWN + 1]
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deep, a whole number of thousands of digits
        return type(value).__name__
    plain = isinstance(value, str | int | None) or (isinstance(value, float) and abs(value) <= FLOAT32_MAX)
    return value if plain and len(text) <= SHOWN else text[:SHOWN]


def invalid(key: str, faults: Iterable[Problem]) -> RequestInvalid:
    """The refusal of a request with these faults; `key` is what the rows are called in it."""
    problems = list(islice(faults, MAX_FAULTS))
    places = [_place(key, one) for one in problems]
    many = f"{len(problems)} field{'s' * (len(problems) > 1)}{' or more' * (len(problems) == MAX_FAULTS)}"
    error = RequestInvalid(
        f"{many} of the request cannot be used",
        where=some(places),
        expected=some(f"{place}: {one['allowed']}" for place, one in zip(places, problems, strict=True)),
        got=some(f"{place} {one['problem']} ({one['value']!r})" for place, one in zip(places, problems, strict=True)),
        next_step="mend these fields and send the request again; nothing of it was answered",
    )
    error.problems = tuple(problems[:MAX_PROBLEMS])
    return error


def require_none(key: str, faults: Iterator[Problem]) -> None:
    """Refuse the request where there is a fault.

    Raises:
        RequestInvalid: There is one.
    """
    first = next(faults, None)
    if first is not None:
        raise invalid(key, chain([first], faults))


def _place(key: str, one: Problem) -> str:
    row = key if one["index"] is None else f"{key}[{one['index']}]"
    return f"{row}.{one['field']}" if one["field"] else row


def form(what: str, *, expected: str, got: object) -> RequestInvalid:
    """The refusal of a body whose outline is another."""
    return RequestInvalid(
        what, where="body", expected=expected, got=got, next_step="send it in that form; GET /openapi.json has it"
    )


def malformed(reason: Exception | str, cause: RequestInvalid | None = None) -> RequestMalformed:
    """The refusal of a body that is no JSON; `cause` names the fields that are to blame, where they were found."""
    error = RequestMalformed(
        "the request's body is no JSON",
        where=cause.where if cause and cause.problems else "body",
        expected="a JSON object in UTF-8",
        got=f"{reason}; {cause.got}" if cause and cause.problems else reason,
        next_step="mend the body and send it again",
    )
    error.problems = cause.problems if cause else ()
    return error
