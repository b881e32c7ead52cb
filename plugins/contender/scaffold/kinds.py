"""The kind of one column, from its values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from contender.adapters.source_values import as_numbers, as_times, unpadded
from contender.scaffold.personal import personal

Kind = Literal["number", "category", "text", "time", "constant", "empty"]
# Tried in this order; of an ambiguous column (03/04/2013 throughout) the first that fits all values is taken, and told.
TIME_FORMATS = (
    "", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%d-%m-%Y", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d %b %Y", "%b %d, %Y",
)  # fmt: skip
CATEGORIES = 50
MOSTLY, FEW_TEXTS = 0.9, 5  # share of different texts, and their number, by which they are taken for something else
WORDY = 40  # mean characters from which a text is prose, not a name
IDENTIFYING = ("id", "uuid", "key", "number", "no", "nr")
GERMAN = ("nr", "nummer", "kennung")


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column.

    Attributes:
        name, header: As the platform and as the source call it.
        kind: What it holds.
        missing: Share of rows without a value.
        distinct: Number of different values.
        unique: Whether no two rows share a value.
        whole: Whether all its numbers are whole.
        minimum, maximum: Of its numbers.
        values: Of a category, most frequent first, where there are at most `CATEGORIES`.
        high_cardinality: Whether there are more.
        identifies: Whether it seems to name what a row is about.
        named: Whether it does so by its own name, as `customer_id`.
        time_format: How its times are written; empty for ISO 8601.
        also_time_format: How they may be written as well, month and day the other way round; empty where they cannot.
        disguised: What its texts seem to be, `numbers` or `times` that are not all written as such, or empty.
        personal: Why it looks like personal data, or empty.
        leak: Why it is suspected to tell the label, or empty.
    """

    name: str
    header: str
    kind: Kind
    missing: float
    distinct: int
    unique: bool
    whole: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    high_cardinality: bool = False
    identifies: bool = False
    named: bool = False
    time_format: str = ""
    also_time_format: str = ""
    disguised: Literal["", "numbers", "times"] = ""
    personal: str = ""
    leak: str = ""


def column_profile(column: pd.Series, header: str, *, as_time: bool = False) -> ColumnProfile:
    """Look at one column.

    Args:
        column: Its values, as text or typed; its name is the platform's.
        header: What the source calls it.
        as_time: Whether it is said to hold times: digits are then times too.
    """
    known = column.dropna()
    if column.dtype == object:
        known = known.astype("string")
    known = unpadded(known).dropna()
    name, distinct = str(column.name), int(known.nunique())
    numbers = as_numbers(known)
    numeric = bool(len(known)) and bool(numbers.notna().all())
    time_format = _time_format(known) if len(known) and (as_time or not numeric) else None
    finite = numbers[np.isfinite(numbers)]
    whole = numeric and bool((finite % 1 == 0).all())
    unique = distinct == len(column) and distinct > 1
    kind = _kind(known, distinct, numeric=numeric and len(finite) > 0, time=time_format is not None)
    may_name = kind in ("category", "text", "number")
    named = may_name and _names(name, header, distinct, unique=unique)
    category = kind == "category"
    return ColumnProfile(
        name=name,
        header=header,
        kind=kind,
        missing=1 - len(known) / max(len(column), 1),
        distinct=distinct,
        unique=unique,
        whole=whole,
        minimum=float(finite.min()) if kind == "number" else None,
        maximum=float(finite.max()) if kind == "number" else None,
        values=tuple(known.astype("string").value_counts().index) if category and distinct <= CATEGORIES else (),
        high_cardinality=category and distinct > CATEGORIES,
        identifies=named or (may_name and (_counts(finite, whole=whole) if numeric else unique)),
        named=named,
        time_format=time_format or "",
        also_time_format=_also_time_format(known, time_format or ""),
        disguised=_disguised(known.astype("string")) if category else "",
        personal="" if kind in ("constant", "empty") else personal(name, known, header),
    )


def times_of(column: pd.Series, time_format: str) -> pd.Series:
    """The column as times, UTC; missing where a value is none."""
    return as_times(column, time_format)


def _kind(known: pd.Series, distinct: int, *, numeric: bool, time: bool) -> Kind:
    if not len(known):
        return "empty"
    if distinct == 1:
        return "constant"
    if time:
        return "time"
    if numeric:
        return "number"
    return "text" if float(known.astype("string").str.len().mean()) > WORDY else "category"


def _time_format(known: pd.Series) -> str | None:
    """How all the values are written, or nothing where they are no times."""
    if pd.api.types.is_datetime64_any_dtype(known):
        return ""
    if pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_integer_dtype(known):
        return None
    texts = known.astype("string")
    head = texts.head(200)
    for one in TIME_FORMATS:
        if as_times(head, one).notna().all() and as_times(texts, one).notna().all():
            return one
    # Most are times of one form: a time column with faults, which is told where it is used.
    shares = {one: float(as_times(head, one).notna().mean()) for one in TIME_FORMATS}
    best = max(shares, key=lambda one: shares[one])
    return best if shares[best] > 0.9 else None  # noqa: PLR2004


def _also_time_format(known: pd.Series, found: str) -> str:
    """The form with month and day changed over, where all values fit that too."""
    begin = found[:5]
    other = {"%d/%m": "%m/%d", "%m/%d": "%d/%m", "%d-%m": "%m-%d", "%d.%m": "%m.%d"}.get(begin, "")
    other += found[5:] if other else ""
    return other if other and as_times(known.astype("string"), other).notna().all() else ""


def _disguised(texts: pd.Series) -> Literal["", "numbers", "times"]:
    """What most of the texts would be, were they written otherwise: `12,50`, `€ 7`, `30 %`, `3.5.24`, or one is `?`."""
    shown = texts.drop_duplicates().head(200)
    plain = shown.str.replace(r"[€$£%\s]", "", regex=True)
    for one in (plain, plain.str.replace(".", "").str.replace(",", "."), plain.str.replace(",", "")):
        if len(shown) > FEW_TEXTS and float(as_numbers(one).notna().mean()) >= MOSTLY:
            return "numbers"
    dated = shown.str.contains(r"\d[-/. ]\w+[-/. ]\d", regex=True)
    times = pd.to_datetime(shown.where(dated), format="mixed", errors="coerce", utc=True)
    return "times" if len(shown) > FEW_TEXTS and float(times.notna().mean()) >= MOSTLY else ""


def _names(name: str, header: str, distinct: int, *, unique: bool) -> bool:
    """Whether a column says by its own name that it names something, and has more values than a category."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", header).lower()
    words = [word for word in re.split(r"[\W_]+", parted) if word] or [name]
    last = words[-1]
    german = last.endswith(GERMAN) and last not in GERMAN  # one word there: Kundennr
    named = (
        german
        or (last in (*IDENTIFYING, *GERMAN) and len(words) > 1)
        or name in ("id", "c_id", "uuid")
        or words[0] == "unnamed"
    )
    return named and (unique or distinct > CATEGORIES)


def _counts(numbers: pd.Series, *, whole: bool) -> bool:
    """Whether numbers count something one by one, in whatever order: others that do not repeat are quantities.

    Of rows at equal distances, as a sample has them, a count has equal steps from row to row.
    """
    if len(numbers) < 2 or not whole:  # noqa: PLR2004
        return False
    steps = numbers.diff().dropna()
    return bool((numbers.sort_values().diff().dropna() == 1).all() or ((steps == steps.iloc[0]) & (steps != 0)).all())
