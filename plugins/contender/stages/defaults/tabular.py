"""The features and examples of a model that declares its rows and writes no functions of its own.

One row of the spec's first table is one example. With an entity, its inputs are a feature view that is keyed by the
entity and known from the row's time on, so that a request needs to name the entity alone; without one, a request brings
them all.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

import numpy as np
import pandas as pd

from contender.core.errors import DataError, some
from contender.core.interval import Interval
from contender.core.naming import DUE_AT, EVENT_TIME, KNOWN_AT
from contender.core.spec import ModelSpec
from contender.core.windows import Shares


def features(tables: dict[str, pd.DataFrame], interval: Interval, spec: ModelSpec) -> dict[str, pd.DataFrame]:
    """The rows of each feature view of the spec.

    Args:
        tables: Raw tables that cover the interval.
        interval: Time of the rows.
        spec: The model; its views take their columns from its first table.

    Returns:
        For each view the entity, its columns, `event_timestamp` and `created_timestamp`: the row's time, or, where rows
        have none, the interval's start.
    """
    first = spec.tables[0]
    rows = tables[first.name]
    if first.time_column:
        rows = _within(rows, first.time_column, interval)
    start = pd.Timestamp(interval.start).as_unit("us")
    times = rows[first.time_column] if first.time_column else pd.Series(start, index=rows.index)
    made = {}
    for view in spec.views:
        names = [column.name for column in spec.columns if column.source == view.name]
        frame = rows[[*first.entity, *names]].assign(**{EVENT_TIME: times, KNOWN_AT: times})
        made[view.name] = frame.drop_duplicates([*first.entity, EVENT_TIME], keep="last").reset_index(drop=True)
    return made


def examples(tables: dict[str, pd.DataFrame], window: Interval, known_by: Interval, spec: ModelSpec) -> pd.DataFrame:
    """One example for each row of the first table, with what a request knows and the label.

    Args:
        tables: Raw tables that cover the window.
        window: Time of the rows; rows without a time are spread over it, see `placed`.
        known_by: Its end is the moment of looking: labels not observed by then are missing.
        spec: The model.

    Returns:
        `example_id` (the key), `event_timestamp`, `due_at`, `day` (UTC date, text), `label_known_at`, the label as
        float64, the entity, and the columns that the request or the gate's rules need.
    """
    first = spec.tables[0]
    rows = tables[first.name]
    keys = joined_key(rows, [name for name in first.key if name != first.time_column])
    if isinstance(spec.windows, Shares):
        due = placed(keys, window)
    else:
        rows = _within(rows, str(first.time_column), window)
        due = rows[str(first.time_column)]
        keys = keys.loc[rows.index]
    # Of a model without labels every row is one of its kind; the others are planted once the training set is joined.
    label = pd.Series(0.0, index=rows.index) if spec.planted else coded(rows[spec.label], spec)
    known_at = due + timedelta(hours=spec.label_delay_hours)
    observed = label.notna() & (known_at <= known_by.end)
    moment = due.dt.strftime("%Y-%m-%dT%H:%M:%S")
    taken = {"example_id", EVENT_TIME, DUE_AT, "day", "label_known_at", spec.label}
    kept = [name for name in rows.columns if name in _needed(spec) - taken]
    found = rows[kept].assign(
        example_id=keys if first.time_column is None else keys.str.cat(moment, sep="@"),
        **{EVENT_TIME: due, DUE_AT: due, "day": due.dt.strftime("%Y-%m-%d").astype("string")},
        label_known_at=known_at.where(observed),
        **{spec.label: label.where(observed)},
    )
    return found.sort_values([DUE_AT, "example_id"], ignore_index=True)


def placed(keys: pd.Series, window: Interval) -> pd.Series:
    """A time inside the window for each key, the same share of it for one key in every run.

    The share is the first 48 bits of the key's BLAKE2b hash, so that neither the order nor the number of the rows
    changes it.
    """
    width = 6
    hashed = [hashlib.blake2b(str(key).encode(), digest_size=width).digest() for key in keys]
    shares = np.array([int.from_bytes(value, "big") for value in hashed], dtype="float64") / 2 ** (8 * width)
    span = (window.end - window.start) / timedelta(microseconds=1)
    offsets = pd.to_timedelta(np.floor(shares * span).astype("int64"), unit="us")
    times = pd.Timestamp(window.start).as_unit("us") + offsets
    return pd.Series(times, index=keys.index).astype("datetime64[us, UTC]")


def coded(label: pd.Series, spec: ModelSpec) -> pd.Series:
    """The label as float64: the place of its name among `spec.classes`, or the number it is.

    Raises:
        DataError: A label is none of the classes.
    """
    if not spec.classes:
        return label.astype("float64")
    places = {name: float(place) for place, name in enumerate(spec.classes)}
    unknown = label[label.notna() & ~label.isin(list(places))]
    if len(unknown):
        raise DataError(
            f"{len(unknown)} of {len(label)} labels are none of the classes",
            where=f"{spec.tables[0].name}.{spec.label}",
            expected=some(spec.classes, 20),
            got=some(unknown.unique()),
            next_step="add the class to the spec's classes, or mend the source",
        )
    return label.astype(object).map(places).astype("float64")


def joined_key(rows: pd.DataFrame, names: list[str]) -> pd.Series:
    """The columns of a key as one text, joined by `/`."""
    if not names:
        return pd.Series("", index=rows.index, dtype="string")
    first, *others = (rows[name].astype("string") for name in names)
    return first.str.cat(pd.DataFrame(dict(enumerate(others))), sep="/") if others else first


def _within(rows: pd.DataFrame, time: str, interval: Interval) -> pd.DataFrame:
    return rows[(rows[time] >= interval.start) & (rows[time] < interval.end)]


def _needed(spec: ModelSpec) -> set[str]:
    """Columns of the table that an example carries."""
    rules = {rule.column for rule in spec.gate.slices} | {rule.column for rule in spec.gate.fairness}
    requested = {column.name for column in spec.columns if column.source == "request"}
    return requested | rules | {spec.gate.cluster} | set(spec.tables[0].entity)
