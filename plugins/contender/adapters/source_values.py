"""One column of a source as the type that its declaration says, or the first values that are not of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from contender.core.errors import SourceUnreadable, some
from contender.core.source import ColumnType, Source

TRUTH = {"true": 1.0, "false": 0.0}
OFFSET = r"\d[T ]\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"  # of ISO 8601: behind a clock, so that no day is taken for one
WHOLE_BELOW = 2.0**63


def converted(column: pd.Series, kind: ColumnType, source: Source, first_row: int = 0) -> pd.Series:
    """A column as its type.

    Args:
        column: As the source has it: text, or the format's own type.
        kind: What it should hold.
        source: Where it comes from: how its times are written.
        first_row: How many rows of the source came before these, for the message.

    Raises:
        SourceUnreadable: Values are not of that type; names the first of them and their rows.
    """
    found = _as(column, kind, source)
    wrong = found.isna() & unpadded(column).notna()
    if kind == "int64":
        wrong |= found.isna()
    if wrong.any():
        places = [first_row + int(place) for place in wrong.to_numpy().nonzero()[0]]
        values = [f"{value!r} in row {place}" for value, place in zip(column[wrong].head(5), places, strict=False)]
        raise SourceUnreadable(
            f"{len(places)} values of a column are not of its type",
            where=f"{source.url}, column {column.name}",
            expected=_expected(kind, source),
            got=some(values) + (f" and {len(places) - len(values)} more" if len(places) > len(values) else ""),
            next_step="mend these rows, or declare the column otherwise in the spec; nothing was written",
        )
    return found.astype("int64") if kind == "int64" else found


def _as(column: pd.Series, kind: ColumnType, source: Source) -> pd.Series:
    if kind == "string":
        return as_text(column)
    if kind == "timestamp":
        return as_times(column, source.time_format, source.time_zone)
    return as_numbers(column, source.decimal)


def as_text(column: pd.Series) -> pd.Series:
    """Values as text, without the space around them, whole numbers without a point; what is blank is missing."""
    if not pd.api.types.is_float_dtype(column):
        return unpadded(column.astype("string"))
    texts, numbers = column.astype("string"), column.to_numpy(dtype="float64", na_value=np.nan)
    # By value, not by column: a column comes in parts, and a number is the same text in each.
    whole = (np.abs(numbers) < WHOLE_BELOW) & (np.floor(numbers) == numbers)
    return texts.mask(whole, pd.Series(numbers, index=column.index).where(whole, 0).astype("int64").astype("string"))


def unpadded(column: pd.Series) -> pd.Series:
    """A column of text without the space around its values, blank ones missing; any other column as it is."""
    text = isinstance(column.dtype, pd.StringDtype) or pd.api.types.infer_dtype(column, skipna=True) == "string"
    if not text:
        return column
    stripped = column.astype("string").str.strip()
    return stripped.mask(stripped == "")


def as_numbers(column: pd.Series, decimal: str = ".") -> pd.Series:
    """Values as float64, truth values as 0 and 1; what is neither, or has another decimal sign, is missing."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64")
    texts = column.astype("string").str.strip()
    if decimal != ".":
        texts = texts.mask(texts.str.contains(".", regex=False, na=False)).str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    return numbers.fillna(texts.str.lower().map(TRUTH).astype("float64"))


def pointed(frame: pd.DataFrame, decimal: str) -> pd.DataFrame:
    """The same rows, with a point in the columns whose values are all numbers of another decimal sign."""
    if decimal == ".":
        return frame
    texts = {name: unpadded(frame[name]) for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])}
    numbers = [name for name, column in texts.items() if as_numbers(column.dropna(), decimal).notna().all()]
    return frame.assign(**{name: texts[name].str.replace(decimal, ".", regex=False) for name in numbers})


def as_times(column: pd.Series, time_format: str = "", time_zone: str = "UTC") -> pd.Series:
    """Values as `datetime64[us, UTC]`; what cannot be read, or is no time of its zone, is missing."""
    if pd.api.types.is_datetime64_any_dtype(column):
        times: Any = column
    else:
        texts = column.astype("string").str.strip()
        if time_format:
            offset = pd.Series("%z" in time_format or time_format.endswith("Z"), index=texts.index)
        else:
            offset = texts.str.contains(OFFSET, regex=True, na=False)
        times = pd.to_datetime(texts.where(~offset), format=time_format or "ISO8601", errors="coerce")
        if offset.any():
            aware = pd.to_datetime(texts.where(offset), format=time_format or "ISO8601", errors="coerce", utc=True)
            return _zoned(times, time_zone).fillna(aware).astype("datetime64[us, UTC]")
    return _zoned(times, time_zone).astype("datetime64[us, UTC]")


def _zoned(times: pd.Series, zone: str) -> pd.Series:
    if times.dt.tz is None:
        # An hour that the clocks skip is moved on, one that comes twice is the later: both are one hour off at most.
        later = np.zeros(len(times), dtype="bool")
        times = times.dt.tz_localize(zone, ambiguous=later, nonexistent="shift_forward")
    found: pd.Series = times.dt.tz_convert("UTC")
    return found


def _expected(kind: ColumnType, source: Source) -> str:
    if kind == "timestamp":
        return f"times written as {source.time_format or 'ISO 8601'}, in {source.time_zone} where they name no zone"
    comma = "" if source.decimal == "." else f" with {source.decimal!r} before the fraction"
    return {"int64": "whole numbers, none missing", "float64": f"numbers{comma}", "string": "text"}[kind]
