"""The entity frame of a retrieval: the rows that features are joined to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from contender.core.errors import DataError, some
from contender.feast_stores.asof_join import EVENT
from contender.feast_stores.plans import ViewPlan
from contender.feast_stores.sources import to_micros


@dataclass(frozen=True)
class EntityFrame:
    """The entity rows as Arrow, the name of their time column, that column in microseconds, and the index."""

    table: pa.Table
    time_column: str
    at: Any
    index: pd.Index[Any] | None

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """Earliest and latest entity time, UTC; None where no row has a time."""
        bounds = pc.min_max(self.table[self.time_column])
        return bounds["min"].as_py(), bounds["max"].as_py()


def from_pandas(frame: object, plans: Sequence[ViewPlan]) -> EntityFrame:
    """Take a pandas entity frame in, checked.

    The time column is `event_timestamp`, or else the only datetime column; times without a zone are UTC, text is
    parsed. It becomes a timestamp of microseconds in UTC; every other column stays as it is.

    Raises:
        DataError: Not a frame; a join key is missing; a column is already named as a requested feature.
    """
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            "the entity rows are no frame",
            where="get_historical_features, entity_df",
            expected="a pandas DataFrame",
            got="SQL text" if isinstance(frame, str) else type(frame).__name__,
            next_step="run the query yourself and pass its rows",
        )
    time_column = infer_event_timestamp_from_entity_df(dict(zip(frame.columns, frame.dtypes, strict=True)))
    _check_columns([str(column) for column in frame.columns], plans)
    try:
        times = pd.to_datetime(frame[time_column], utc=True)
        table = pa.Table.from_pandas(frame.drop(columns=[time_column]), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
        raise DataError(
            "a column of the entity frame has no single type",
            where="get_historical_features, entity_df",
            expected="one type in each column",
            got=error,
            next_step="convert the column before asking for features",
        ) from error
    moments = pa.chunked_array([pa.Array.from_pandas(times)]).cast(pa.timestamp("us", "UTC"), safe=False)
    table = table.add_column(list(frame.columns).index(time_column), time_column, moments)
    return EntityFrame(
        table.replace_schema_metadata(None),
        time_column,
        to_micros(moments, "entity_df", time_column),
        frame.index,
    )


def _check_columns(columns: Sequence[str], plans: Sequence[ViewPlan]) -> None:
    missing = sorted({key for plan in plans for key, _ in plan.keys} - set(columns))
    if missing:
        raise DataError(
            "the entity frame lacks join keys",
            where="get_historical_features, entity_df",
            expected=some(missing),
            got=some(columns, limit=20),
            next_step="add the columns",
        )
    clashing = sorted({output for plan in plans for output, _ in plan.features} & set(columns))
    if clashing:
        raise DataError(
            "the entity frame already has columns of the names of requested features",
            where="get_historical_features, entity_df",
            got=some(clashing),
            next_step="drop or rename them, or ask with full_feature_names=True",
        )


def from_history(
    plans: Sequence[ViewPlan], start: datetime | None, end: datetime | None, time_column: str = "event_timestamp"
) -> EntityFrame:
    """The entity rows of a retrieval without an entity frame: every (keys, event time) the views have in a span.

    Args:
        plans: The views; all must have the same join keys.
        start: First event time, included. Required: a default would have to read the clock.
        end: Last event time, included.
        time_column: The name of the time column in the result.

    Raises:
        DataError: No start, or views with different join keys.
    """
    keys = sorted({tuple(key for key, _ in plan.keys) for plan in plans})
    if start is None or end is None or len(keys) != 1:
        raise DataError(
            "retrieval without entity rows needs a span and views of the same join keys",
            where="get_historical_features",
            expected="start_date, end_date and one set of join keys",
            got=f"start_date={start}, end_date={end}, join keys {some(keys)}",
            next_step="pass the span, or an entity_df",
        )
    parts = []
    for plan in plans:
        rows = plan.table.read(
            [*(column for _, column in plan.keys), plan.event], time_column=plan.event, start=start, end=end
        )
        columns = {key: rows[column] for key, column in plan.keys}
        columns[EVENT] = pa.chunked_array([to_micros(rows[plan.event], plan.table.where, plan.event)])
        parts.append(pa.table(columns))
    every = pa.concat_tables(parts, promote_options="permissive")
    every = every.group_by([*keys[0], EVENT]).aggregate([])
    every = every.sort_by([(EVENT, "ascending"), *((key, "ascending") for key in keys[0])])
    moments = every[EVENT].cast(pa.timestamp("us", "UTC"))
    table = every.drop_columns([EVENT]).append_column(time_column, moments)
    return EntityFrame(table, time_column, every[EVENT].combine_chunks(), None)
