"""Features: what must hold of feature tables before anything is trained on them or served from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pandas as pd

from contender.core.errors import DataError, RowsNotConserved, StaleFeatures, some
from contender.core.interval import Interval
from contender.core.naming import EVENT_TIME, KNOWN_AT
from contender.core.spec import ModelSpec

MONTH = "month"


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


def months(spec: ModelSpec, interval: Interval) -> list[Interval]:
    """The whole months of the training window, to the interval's end: those whose feature rows a run reads."""
    first = spec.split(interval).train.start.replace(day=1, hour=0, minute=0, second=0)
    return Interval(start=max(spec.data_from, first), end=interval.end).months()


def newest(frames: Iterable[pd.DataFrame]) -> datetime | None:
    """Newest event time of the frames' rows; `None` where there are none."""
    times = [frame[EVENT_TIME].max() for frame in frames if len(frame)]
    return max(times, default=None)


def note(month: Interval, inputs: str) -> pd.DataFrame:
    """One row that says what a month's feature rows were computed from: `month` (UTC), `inputs` (digest)."""
    return pd.DataFrame({MONTH: [pd.Timestamp(month.start).as_unit("us")], "inputs": [inputs]})


def noted(notes: pd.DataFrame) -> dict[datetime, str]:
    """The digest of the inputs of each month that was built, by the month's start."""
    return {month.to_pydatetime(): str(inputs) for month, inputs in zip(notes[MONTH], notes["inputs"], strict=True)}
