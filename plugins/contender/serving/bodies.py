"""From a request's body to rows: one strict, typed decode, and a full account of the faults when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, inspect

from contender.core.errors import RequestInvalid, RequestMalformed, some
from contender.serving.bundle import Column

MAX_ROWS = 1000
MAX_PROBLEMS = 20
SHOWN = 80
# Numbers become float32: what lies beyond would turn into infinity.
FLOAT32_MAX = 3.4028234663852886e38


def instance_type(columns: tuple[Column, ...]) -> type[msgspec.Struct]:
    """The struct of one instance of raw features: every column by its name, nothing else, within its bounds."""
    fields = [(f"c{position}", _annotation(column)) for position, column in enumerate(columns)]
    names = {f"c{position}": column.name for position, column in enumerate(columns)}
    return msgspec.defstruct("Instance", fields, rename=names, forbid_unknown_fields=True, frozen=True, gc=False)


def _annotation(column: Column) -> Any:
    kind: Any = Annotated[str, Meta(max_length=256)]
    if column.kind == "number":
        low = -FLOAT32_MAX if column.minimum is None else column.minimum
        high = FLOAT32_MAX if column.maximum is None else column.maximum
        kind = Annotated[float, Meta(ge=low, le=high)]
    return kind | None if column.nullable else kind


class Body:
    """Decoder of `{"<key>": [row, …]}` with 1 to `MAX_ROWS` rows of one type."""

    def __init__(self, key: str, row: type[msgspec.Struct]) -> None:
        self.key, self.row = key, row
        rows = Annotated[list[row], Meta(min_length=1, max_length=MAX_ROWS)]  # type: ignore[valid-type]
        envelope = msgspec.defstruct("Envelope", [("rows", rows)], rename={"rows": key}, forbid_unknown_fields=True)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(envelope)

    def rows(self, body: bytes) -> list[Any]:
        """The rows of a body.

        Raises:
            RequestMalformed: The body is no JSON.
            RequestInvalid: Anything in it is missing, unknown, null, of the wrong type or out of range.
        """
        try:
            rows: list[Any] = self._decoder.decode(body).rows
        except msgspec.ValidationError as error:
            raise self._explain(body, error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from error
        return rows

    def _explain(self, body: bytes, error: msgspec.ValidationError) -> RequestInvalid:
        """Look again, slowly, and name every fault instead of the first."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as reason:
            raise _malformed(reason) from reason
        given = content.get(self.key) if isinstance(content, dict) else None
        if not isinstance(given, list) or not 1 <= len(given) <= MAX_ROWS or len(content) > 1:
            return RequestInvalid(
                "the request's body has another form",
                where="body",
                expected=f'{{"{self.key}": [1 to {MAX_ROWS} objects]}} and no other field',
                got=_outline(content, self.key),
                next_step="send it in that form",
            )
        problems = [{"index": index} | problem for index, row in enumerate(given) for problem in _faults(row, self.row)]
        if problems:
            return _invalid(self.key, problems)
        # The two looks disagree: what the decoder says holds.
        return RequestInvalid(
            "the request cannot be used",
            where="body",
            expected="fields as the model's signature has them (GET /about)",
            got=error,
            next_step="mend the request and send it again; nothing of it was answered",
        )


def _faults(row: Any, form: type[msgspec.Struct]) -> Iterator[dict[str, Any]]:
    if not isinstance(row, dict):
        yield _problem(None, "is no object", row, "an object")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(form)}
    described = cast("inspect.StructType", inspect.type_info(form))
    allowed = {field.encode_name: _allowed(field.type) for field in described.fields}
    for name in row.keys() - fields.keys():
        yield _problem(name, "is unknown", row[name], f"one of the fields {', '.join(fields)}")
    for name, field in fields.items():
        if name not in row:
            if field.required:
                yield _problem(name, "is missing", None, allowed[name])
            continue
        try:
            msgspec.convert(row[name], field.type)
        except msgspec.ValidationError as error:
            what = "is null" if row[name] is None else f"is refused: {error}"
            yield _problem(name, what, row[name], allowed[name])


def _allowed(kind: inspect.Type) -> str:
    """What a field takes, in words."""
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_allowed(one) for one in kind.types)
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


def _problem(field: str | None, problem: str, value: Any, allowed: str) -> dict[str, Any]:
    return {"field": field, "problem": problem, "value": _shown(value), "allowed": allowed}


def _shown(value: Any) -> Any:
    """The value as sent if it is short, plain and JSON, otherwise the beginning of its Python form."""
    plain = isinstance(value, str | int | None) or (isinstance(value, float) and abs(value) <= FLOAT32_MAX)
    text = repr(value)
    return value if plain and len(text) <= SHOWN else text[:SHOWN]


def _outline(content: Any, key: str) -> str:
    if not isinstance(content, dict):
        return type(content).__name__
    if isinstance(content.get(key), list):
        return f"{len(content[key])} in {key}; fields {some(content)}"
    return f"an object with the fields {some(content) or 'none'}"


def _invalid(key: str, problems: list[dict[str, Any]]) -> RequestInvalid:
    places = [
        f"{key}[{problem['index']}]" + (f".{problem['field']}" if problem["field"] else "") for problem in problems
    ]
    error = RequestInvalid(
        f"{len(problems)} field{'s' * (len(problems) > 1)} of the request cannot be used",
        where=some(places),
        expected=some(f"{place}: {problem['allowed']}" for place, problem in zip(places, problems, strict=True)),
        got=some(f"{place} {p['problem']} ({p['value']!r})" for place, p in zip(places, problems, strict=True)),
        next_step="mend these fields and send the request again; nothing of it was answered",
    )
    error.problems = tuple(problems[:MAX_PROBLEMS])
    return error


def _malformed(reason: Exception) -> RequestMalformed:
    return RequestMalformed(
        "the request's body is no JSON",
        where="body",
        expected="a JSON object in UTF-8",
        got=reason,
        next_step="mend the body and send it again",
    )
