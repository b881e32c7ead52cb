"""From a request's body to rows: one strict, typed decode, and a full account of the faults when it fails."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contender.core.errors import RequestInvalid, some
from contender.serving.bundle import Column, Value
from contender.serving.faults import FLOAT32_MAX, Fields, form, invalid, require_none
from contender.serving.strict_json import UNREADABLE, explained, look_again, require_unique

MAX_ROWS = 1000


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
        self._fields = Fields(row)
        # A field that may be left out could make up for another that stands twice: then only a second look tells.
        self._names = len(self._fields) if all(field.required for field in msgspec.structs.fields(row)) else 0
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
        except UNREADABLE as error:
            raise explained(look_again(body), partial(self._refuse, error), error) from error
        if self._names:
            require_unique(body, 1 + len(rows) * self._names)
        else:
            look_again(body)
        return rows

    def _refuse(self, error: Exception, content: Any) -> None:
        """Name every fault instead of the first.

        Raises:
            RequestInvalid: Always.
        """
        given = content.get(self.key) if isinstance(content, dict) else None
        if not isinstance(given, list) or not 1 <= len(given) <= MAX_ROWS or len(content) > 1:
            raise form(
                "the request's body has another form",
                expected=f'{{"{self.key}": [1 to {MAX_ROWS} objects]}} and no other field',
                got=outline(content, self.key),
            )
        faults = (fault | {"index": index} for index, row in enumerate(given) for fault in self._fields.of(row))
        require_none(self.key, faults)
        # The two looks disagree: what the decoder says holds.
        raise RequestInvalid(
            "the request cannot be used",
            where="body",
            expected="fields as the model's signature has them (GET /about)",
            got=error,
            next_step="mend the request and send it again; nothing of it was answered",
        )


class Columns:
    """The checks of a row for the forms that bring no records: values by column, in whatever order."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.names = [column.name for column in columns]
        self.numbers = {column.name for column in columns if column.kind == "number"}
        record = instance_type(columns)
        self.fields = Fields(record)
        self._row: Any = list[tuple[tuple(_annotation(column) for column in columns)]]  # type: ignore[misc]
        self._records: Any = list[record]  # type: ignore[valid-type]

    def ordered(self, key: str, rows: list[Any]) -> list[tuple[Value, ...]]:
        """Rows whose values are in the signature's order, checked; `key` is what they are called in the request.

        Raises:
            RequestInvalid: A value is null, of the wrong type or out of range.
        """
        require_count(key, len(rows))
        try:
            found: list[tuple[Value, ...]] = msgspec.convert(rows, self._row)
        except (msgspec.ValidationError, RecursionError) as error:
            faults = (
                fault | {"index": index}
                for index, row in enumerate(rows)
                for name, value in zip(self.names, row, strict=True)
                for fault in self.fields.of_value(name, value)
            )
            raise invalid(key, faults) from error
        return found

    def records(self, key: str, records: list[Any]) -> list[tuple[Value, ...]]:
        """Rows of records by column, checked.

        Raises:
            RequestInvalid: A field is missing, unknown, null, of the wrong type or out of range.
        """
        require_count(key, len(records))
        try:
            return [msgspec.structs.astuple(record) for record in msgspec.convert(records, self._records)]
        except (msgspec.ValidationError, RecursionError) as error:
            faults = (fault | {"index": index} for index, one in enumerate(records) for fault in self.fields.of(one))
            raise invalid(key, faults) from error


def require_count(key: str, rows: int) -> None:
    """Refuse no rows and too many.

    Raises:
        RequestInvalid: There are none or more than `MAX_ROWS`.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise form("the request has no rows or too many", expected=f"1 to {MAX_ROWS} rows in {key}", got=f"{rows}")


def outline(content: Any, key: str) -> str:
    """What a body looks like, in a few words."""
    if not isinstance(content, dict):
        return type(content).__name__
    if isinstance(content.get(key), list):
        return f"{len(content[key])} in {key}; fields {some(content)}"
    return f"an object with the fields {some(content) or 'none'}"
