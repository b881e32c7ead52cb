"""Data: which months a run must bring in, and what of them may enter the lake."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd

from contender.core.errors import IntervalError, RowsNotConserved, ValidationFailed, some
from contender.core.interval import Interval
from contender.core.spec import ModelSpec, Table

REASON = "quarantine_reason"


def window(spec: ModelSpec, interval: Interval) -> Interval:
    """The months that a run on the interval reads: its training window and what the features look back on.

    Whole months alone: a month of which a table has rows is then a month of which it has all rows.
    """
    train = spec.split(interval).train
    first = (train.start - timedelta(days=spec.windows.lookback_days)).replace(day=1, hour=0, minute=0, second=0)
    return Interval(start=max(spec.data_from, first), end=interval.end)


def months_to_read(
    spec: ModelSpec, interval: Interval, present: Mapping[str, set[str]], *, force: bool = False
) -> list[Interval]:
    """The months to bring in: those any table lacks, and always those of the interval itself.

    Where labels come late, all of them: a month may have been read before its labels were known, by this model or by
    another one that shares the table, and no run need have come since.

    Args:
        spec: The model.
        interval: The run's interval.
        present: For each table with a time column, the months (`2013-06`) of which it has rows.
        force: Bring in every month of the window.
    """
    held = set.intersection(*present.values()) if present else set()
    return [
        month
        for month in window(spec, interval).months()
        if force or spec.label_delay_hours or month.start >= interval.start or f"{month.start:%Y-%m}" not in held
    ]


def cut(frame: pd.DataFrame, table: Table, interval: Interval) -> pd.DataFrame:
    """The rows of a raw table that belong to the interval; all of them where the table has no time column.

    Raises:
        ValidationFailed: The time column is missing.
    """
    if table.time_column is None:
        return frame
    if table.time_column not in frame:
        raise ValidationFailed(
            "the time column is missing",
            where=f"{table.name}.{table.time_column}",
            expected="a UTC timestamp",
            got=some(frame.columns, limit=30),
            next_step="mend the source; nothing was written",
        )
    times = frame[table.time_column]
    if times.isna().any():
        raise ValidationFailed(
            "rows without a time belong to no interval and would be lost",
            where=f"{table.name}.{table.time_column}",
            expected="a UTC timestamp in every row",
            got=f"{int(times.isna().sum())} rows without one, e.g. {some(frame.index[times.isna()])}",
            next_step="mend the source; nothing was written",
        )
    return frame[(times >= interval.start) & (times < interval.end)].reset_index(drop=True)


def bounds(month: Interval, freshness_hours: float | None) -> dict[str, Any]:
    """What a suite may refer to as parameters: the interval, and from when on its newest row counts as fresh.

    Args:
        month: The time that is checked.
        freshness_hours: How far before the interval's end its newest row may lie; `None` for as far as its start.
    """
    fresh_from = month.start if freshness_hours is None else month.end - timedelta(hours=freshness_hours)
    return {"interval_start": month.start, "interval_end": month.end, "fresh_from": fresh_from}


def require_rows(rows: Mapping[str, int], interval: Interval) -> None:
    """Refuse an interval of which a table has no row.

    Raises:
        IntervalError: It has none.
    """
    empty = [table for table, count in rows.items() if count == 0]
    if empty:
        raise IntervalError(
            "the interval has no rows",
            where=some(empty),
            expected="at least one row",
            got=f"0 rows in {interval}",
            next_step="choose an interval of which there is data, between the spec's data_from and data_until",
        )


def mark(frame: pd.DataFrame, quarantine: pd.Series) -> pd.DataFrame:
    """The frame with a column that gives, for each row that failed a row-level rule, the reason."""
    reasons = quarantine.reindex(frame.index).astype("string")
    return frame.assign(**{REASON: reasons})


def separate(marked: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accepted rows (without the reason) and quarantined rows (with it).

    Raises:
        RowsNotConserved: A row is in neither or in both.
    """
    failed = marked[REASON].notna()
    accepted, quarantined = marked[~failed].drop(columns=REASON), marked[failed]
    if len(accepted) + len(quarantined) != len(marked):
        raise RowsNotConserved(
            "separating the quarantined rows lost or multiplied rows",
            where="data.load",
            expected=f"{len(marked)} rows",
            got=f"{len(accepted)} accepted and {len(quarantined)} quarantined",
        )
    return accepted.reset_index(drop=True), quarantined.reset_index(drop=True)


def require_valid(critical: Mapping[str, tuple[str, ...]], pages: Mapping[str, str] | None = None) -> None:
    """Stop where any table failed a critical expectation.

    Args:
        critical: For each table and month, one line for each failed critical expectation.
        pages: Addresses of the reports of the same tables and months, where there are any.

    Raises:
        ValidationFailed: Any failed.
    """
    failed = {name: lines for name, lines in critical.items() if lines}
    if failed:
        reports = [pages[name] for name in failed if name in pages] if pages else []
        first = f"open {some(reports)}; " if reports else ""
        raise ValidationFailed(
            "critical expectations failed",
            where=some(failed),
            expected="every critical expectation of the suite to hold",
            got=some((f"{name}: {line}" for name, lines in failed.items() for line in lines), limit=10),
            next_step=f"{first}mend the source, or change the suite in expectations/ with its reason; "
            "nothing was written",
        )
