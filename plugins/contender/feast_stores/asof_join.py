"""The point-in-time join on plain Arrow tables: which row of a history was in force for each entity row.

One DuckDB ASOF LEFT JOIN over the narrow columns (keys, times, row number) finds the row numbers; the values are
then taken from the history by number, so wide feature rows never travel through the join. Cost is that of sorting
the history once, and does not grow with rows per key the way a join on the key alone does.

Times are int64 microseconds since the epoch (UTC) throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contender.core.errors import DataError, RowsNotConserved, some

EVENT = "__event"
CREATED = "__created"
AT = "__at"
ROW = "__row"
NO_ROW = -1

Rows = npt.NDArray[np.int64]


def match_rows(
    entities: pa.Table, history: pa.Table, *, keys: Sequence[str], ttl_us: int | None, known_at: bool
) -> Rows:
    """For each entity row, the number of the history row in force at its time, or `NO_ROW`.

    Args:
        entities: The columns `keys` and `AT`.
        history: The columns `keys`, `EVENT`, optionally `CREATED`, and any values. Among equal (key, event,
            created) the values decide, so that the choice does not depend on the order of the rows.
        keys: The key columns, of the same type on both sides. Empty: one history for all entity rows.
        ttl_us: A row is in force while `EVENT` + ttl >= `AT`, both ends included; None: for ever.
        known_at: Count a row only from max(event, created) on, and a row without created never. Otherwise
            `CREATED` only decides between rows of one event time. Needs `CREATED`, else it changes nothing.

    Returns:
        One number for each entity row, in order. A null in any key matches nothing, nor does a null time.

    Raises:
        RowsNotConserved: The join returned an entity row not exactly once.
    """
    with _connect() as connection:
        use_created = known_at and CREATED in history.column_names
        order = _order(connection, history, keys, always=use_created)
        narrow = history.select([*keys, EVENT, *([CREATED] if CREATED in history.column_names else [])])
        if order is not None:
            narrow = narrow.take(pa.array(order))
        narrow = narrow.append_column(ROW, pa.array(np.arange(narrow.num_rows, dtype=np.int64)))
        connection.register("history", narrow)
        connection.register(
            "entities",
            entities.select([*keys, AT]).append_column(ROW, pa.array(np.arange(entities.num_rows, dtype=np.int64))),
        )
        found = connection.execute(_join_sql(keys, use_created=use_created, unique=order is None)).fetchnumpy()
    picks = _in_entity_order(found, entities, keys)
    if order is not None:
        picks = np.where(picks == NO_ROW, NO_ROW, order[picks] if len(order) else NO_ROW)
    return _within_ttl(picks, entities, history, ttl_us)


def latest_rows(history: pa.Table, *, keys: Sequence[str]) -> Rows:
    """The numbers of the newest row of each key by (event, created, values), ascending; null events never count.

    Args:
        history: As in `match_rows`.
        keys: The key columns; empty gives the one newest row.
    """
    with _connect() as connection:
        order = _order(connection, history, keys, always=True)
        narrow = history.select([*keys, EVENT]).take(pa.array(order))
        narrow = narrow.append_column(ROW, pa.array(np.arange(narrow.num_rows, dtype=np.int64)))
        connection.register("history", narrow)
        group = f" GROUP BY {_columns(keys)}" if keys else " HAVING max(__row) IS NOT NULL"
        found = connection.execute(
            f"SELECT max({ROW}) AS pick FROM history WHERE {EVENT} IS NOT NULL{group}"  # noqa: S608
        ).fetchnumpy()
    picks = np.asarray(found["pick"], dtype=np.int64)
    return np.sort(order[picks]) if order is not None else np.sort(picks)


def align_keys(
    entities: pa.ChunkedArray, history: pa.ChunkedArray, *, entity_column: str, view: str
) -> tuple[Any, Any]:
    """A key column of both sides in one type, so that no comparison converts silently.

    Integers compare as int64, text as string. Whole numbers that arrive as floats (pandas does that to integers
    beside a null) become integers.

    Raises:
        DataError: The two types cannot be equal, as text and number.
    """
    left, right = _plain(entities), _plain(history)
    try:
        if pa.types.is_null(left.type):
            left = left.cast(right.type)
        elif pa.types.is_floating(left.type) and pa.types.is_integer(right.type):
            left = left.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise _key_mismatch(entity_column, view, entities, history) from error
    if left.type != right.type:
        raise _key_mismatch(entity_column, view, entities, history)
    return left, right


def _key_mismatch(entity_column: str, view: str, entities: pa.ChunkedArray, history: pa.ChunkedArray) -> DataError:
    return DataError(
        f"join key {entity_column} cannot be compared with that of feature view {view}",
        where="the entity frame",
        expected=str(history.type),
        got=str(entities.type),
        next_step="give the column the type it has in the feature table",
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column


def _connect() -> Any:
    """A DuckDB of our own in memory, without what would spoil the join.

    It never fetches an extension. And it never joins by nested loops: DuckDB takes a registered Arrow table for
    small, would choose them for that reason, and then needs two hundred times as long.
    """
    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "asof_loop_join_threshold": "0",
        }
    )


def _columns(names: Sequence[str], table: str = "") -> str:
    return ", ".join(f'{table}"{name}"' for name in names)


def _order(connection: Any, history: pa.Table, keys: Sequence[str], *, always: bool) -> Rows | None:
    """The rows from least to most preferred, or None where (key, event) is unique and any order will do."""
    if not _has_ties(connection, history, keys):
        if not always:
            return None
        events = pc.fill_null(history[EVENT], np.iinfo(np.int64).min).to_numpy()
        return np.asarray(np.argsort(events, kind="stable"), dtype=np.int64)
    numbered = history.append_column(ROW, pa.array(np.arange(history.num_rows, dtype=np.int64)))
    values = [name for name in history.column_names if name not in {EVENT, CREATED, *keys}]
    by = [EVENT, *([CREATED] if CREATED in history.column_names else []), *values]
    connection.register("ranked", numbered)
    terms = ", ".join(f'"{name}" ASC NULLS FIRST' for name in by)
    found = connection.execute(f"SELECT {ROW} AS n FROM ranked ORDER BY {terms}, {ROW}").fetchnumpy()  # noqa: S608
    connection.unregister("ranked")
    return np.asarray(found["n"], dtype=np.int64)


def _has_ties(connection: Any, history: pa.Table, keys: Sequence[str]) -> bool:
    connection.register("counted", history.select([*keys, EVENT]))
    distinct = connection.execute(
        f"SELECT count(*) FROM (SELECT DISTINCT {_columns([*keys, EVENT])} FROM counted)"  # noqa: S608
    ).fetchone()[0]
    connection.unregister("counted")
    return bool(distinct != history.num_rows)


def _join_sql(keys: Sequence[str], *, use_created: bool, unique: bool) -> str:
    """The one query: the history reduced to (key, moment, best row from that moment on), ASOF joined.

    Row numbers rise with preference, so the best of several rows is their maximum; with the known-at cut-off it
    is the running maximum over the moments at which rows became known. Nulls are filtered by name: DuckDB's ASOF
    join has matched null keys with null keys.
    """
    group = _columns(keys)
    by_key = f"{group}, " if keys else ""
    moment = f'greatest("{EVENT}", "{CREATED}")' if use_created else f'"{EVENT}"'
    present = [EVENT, *([CREATED] if use_created else []), *keys]
    where = " AND ".join(f'"{name}" IS NOT NULL' for name in present)
    pick, grouped = (f'"{ROW}"', "") if unique else (f'max("{ROW}")', f"GROUP BY {by_key}moment")
    best = f"SELECT {by_key}{moment} AS moment, {pick} AS pick FROM history WHERE {where} {grouped}"  # noqa: S608
    if use_created:
        window = f"{f'PARTITION BY {group} ' if keys else ''}ORDER BY moment"
        best = f"SELECT {by_key}moment, max(pick) OVER ({window}) AS pick FROM ({best})"  # noqa: S608
    same_key = "".join(f'e."{key}" = b."{key}" AND ' for key in keys)
    return f"""
        SELECT e."{ROW}" AS entity, coalesce(b.pick, {NO_ROW}) AS pick
        FROM entities AS e ASOF LEFT JOIN ({best}) AS b ON {same_key}e."{AT}" >= b.moment"""  # noqa: S608


def _in_entity_order(found: dict[str, Any], entities: pa.Table, keys: Sequence[str]) -> Rows:
    """The picks in the order of the entity rows, after counting that each came back exactly once."""
    numbers = np.asarray(found["entity"], dtype=np.int64)
    times_seen = np.bincount(numbers, minlength=entities.num_rows)
    wrong = np.flatnonzero(times_seen != 1)
    if len(wrong):
        shown = entities.select([*keys, AT]).take(pa.array(wrong[:5])).to_pylist()
        raise RowsNotConserved(
            f"the point-in-time join lost or multiplied {len(wrong)} entity rows",
            expected=f"{entities.num_rows} rows, each once",
            got=f"{len(numbers)} rows; for example {some(shown)}",
            next_step="report this as a defect of the join",
        )
    picks = np.empty(entities.num_rows, dtype=np.int64)
    picks[numbers] = np.asarray(found["pick"], dtype=np.int64)
    return picks


def _within_ttl(picks: Rows, entities: pa.Table, history: pa.Table, ttl_us: int | None) -> Rows:
    """The picks whose row is not older than the time to live; picks are the newest, so none else could be."""
    if ttl_us is None or history.num_rows == 0:
        return picks
    events = pc.fill_null(history[EVENT], 0).to_numpy()
    at = pc.fill_null(entities[AT], 0).to_numpy()
    expired = events[np.maximum(picks, 0)] + ttl_us < at
    return np.where(expired, NO_ROW, picks)
