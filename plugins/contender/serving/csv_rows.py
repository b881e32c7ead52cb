"""Rows of a CSV body: a line of names, then a line for each row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from contender.core.errors import RequestMalformed
from contender.serving.bodies import Columns, require_count
from contender.serving.bundle import Value
from contender.serving.faults import Problem, problem, require_none

KEY = "csv"
# What JSON takes for a number, and no more: Python's float() would also take nan, infinity and 1_000.
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def csv_rows(body: bytes, columns: Columns) -> list[tuple[Value, ...]]:
    """The rows of a CSV body, checked; an empty cell is null.

    Raises:
        RequestMalformed: It is no CSV in UTF-8.
        RequestInvalid: A column is missing, unknown or there twice, or a value is null, of the wrong type or out of
            range.
    """
    try:
        header, *lines = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    except (ValueError, csv.Error) as error:  # not UTF-8, not even a line of names, an open quotation
        raise _malformed(error) from error
    require_none(KEY, columns.fields.names(header))
    rows = [line for line in lines if line]  # csv gives an empty list for an empty line
    require_count(KEY, len(rows))
    require_none(KEY, _ragged(rows, len(header)))
    places = [(header.index(name), name in columns.numbers) for name in columns.names]
    return columns.ordered(KEY, [tuple(_value(row[place], is_number) for place, is_number in places) for row in rows])


def _ragged(rows: list[list[str]], width: int) -> Iterator[Problem]:
    for index, row in enumerate(rows):
        if len(row) != width:
            yield problem(None, f"has {len(row)} cells", row, f"{width} cells", index)


def _value(cell: str, is_number: bool) -> Value:
    """A cell's value; text that is no number stays text, which the column's check then refuses by name."""
    if not cell:
        return None
    return float(cell) if is_number and NUMBER.fullmatch(cell) else cell


def _malformed(error: Exception) -> RequestMalformed:
    return RequestMalformed(
        "the request's body is no CSV",
        where="body",
        expected="CSV in UTF-8 whose first line has the columns' names",
        got=error,
        next_step="mend the body and send it again",
    )
