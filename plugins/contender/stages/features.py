"""Features: what must hold of feature tables before anything is trained on them or served from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd

from contender.core.errors import DataError, RowsNotConserved, StaleFeatures, some
from contender.core.interval import Interval
from contender.core.naming import EVENT_TIME, KNOWN_AT
from contender.core.spec import ModelSpec


def require_fresh(spec: ModelSpec, newest: Mapping[str, datetime | None], interval: Interval) -> None:
    """Refuse feature tables whose newest row lies too far before the interval's end.

    Args:
        spec: The model; each view's `max_age_hours` is the limit.
        newest: Newest event time of each view's rows, `None` where it has none.
        interval: The run's interval.

    Raises:
        StaleFeatures: A view is older than its limit.
    """
    for view in spec.views:
        at = newest.get(view.name)
        limit = timedelta(hours=view.max_age_hours) if view.max_age_hours is not None else None
        if at is None or (limit is not None and interval.end - at > limit):
            raise StaleFeatures(
                "a feature table is older than its freshness limit",
                where=view.name,
                expected=f"a row within {view.max_age_hours} h before {interval.end.isoformat()}",
                got=f"newest row at {at.isoformat()}" if at is not None else "no row",
                next_step="bring the source up to date and run the interval again, or raise the view's max_age_hours",
            )


def require_known_times(frames: Mapping[str, pd.DataFrame]) -> None:
    """Refuse feature rows that claim to have been known before the time they speak of.

    Raises:
        DataError: There are such rows, or rows without either time.
    """
    for name, frame in frames.items():
        wrong = frame[~(frame[KNOWN_AT] >= frame[EVENT_TIME])]
        if len(wrong):
            raise DataError(
                "feature rows known before they happened",
                where=name,
                expected=f"{KNOWN_AT} >= {EVENT_TIME}, neither missing",
                got=f"{len(wrong)} rows, e.g. {some(wrong[EVENT_TIME])}",
                next_step="mend the model's features function",
            )


def require_conserved(before: pd.DataFrame, after: pd.DataFrame, key: str, where: str) -> None:
    """Refuse a join that lost or multiplied rows.

    Args:
        before, after: The rows on both sides.
        key: Column that identifies a row.
        where: Name of the join, for the message.

    Raises:
        RowsNotConserved: Says how many rows, and which.
    """
    lost = before[key][~before[key].isin(after[key])]
    extra = after[key][after[key].duplicated() | ~after[key].isin(before[key])]
    if len(lost) or len(extra) or len(before) != len(after):
        raise RowsNotConserved(
            "a join lost or multiplied rows",
            where=where,
            expected=f"{len(before)} rows, each once",
            got=f"{len(after)} rows; lost {len(lost)} ({some(lost)}), extra {len(extra)} ({some(extra)})",
            next_step="look at these rows in the feature tables",
        )


def months_to_build(
    spec: ModelSpec, interval: Interval, present: Mapping[str, set[str]], changed: set[str]
) -> list[Interval]:
    """The months of which features must be computed anew.

    A month whose raw rows changed also changes those that look back on it, so everything from the first changed
    month on is computed again; tables that come out the same are not written.

    Args:
        spec: The model.
        interval: The run's interval.
        present: For each view, the months of which it has rows.
        changed: Months whose raw rows this run changed.
    """
    train = spec.windows.split(interval, spec.data_from).train
    held = set.intersection(*present.values()) if present else set()
    first_changed = min(changed, default="9999-99")
    return [
        month
        for month in Interval(start=train.start, end=interval.end).months()
        if (name := f"{month.start:%Y-%m}") >= first_changed or name not in held or month.start >= interval.start
    ]
