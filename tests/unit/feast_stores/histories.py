"""Histories, a Feast repository over them, and a brute-force point-in-time join to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.data_format import DeltaFormat
from feast.types import Int64, String
from feast.value_type import ValueType

T0 = datetime(2013, 1, 1, tzinfo=UTC)
TTL_S = 3

HISTORY = pa.schema(
    [
        ("airport", pa.string()),
        ("gate", pa.int64()),
        ("event_timestamp", pa.timestamp("us", "UTC")),
        ("created", pa.timestamp("us", "UTC")),
        ("delay", pa.int64()),
        ("note", pa.string()),
    ]
)


def second(offset: float | None) -> datetime | None:
    """A time so many seconds after the tests' beginning."""
    return None if offset is None else T0 + timedelta(seconds=offset)


def write_history(path: str | Path, rows: Sequence[tuple[Any, ...]]) -> None:
    """Overwrite the Delta table with (airport, gate, event second, created second, delay, note) rows."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(HISTORY)
    arrays = [
        pa.array([second(x) for x in column] if field.name in {"event_timestamp", "created"} else column, field.type)
        for field, column in zip(HISTORY, columns, strict=True)
    ]
    write_deltalake(str(path), pa.table(arrays, schema=HISTORY), mode="overwrite")


def reference(
    entity: tuple[str | None, int | None, float],
    history: Sequence[tuple[Any, ...]],
    *,
    ttl_s: float | None,
    known_at: bool,
) -> tuple[Any, Any]:
    """The delay and note in force for one entity row, by looking at every row of the history."""
    airport, gate, at = entity
    best: tuple[Any, ...] | None = None
    for row_airport, row_gate, event, created, delay, note in history:
        if airport is None or gate is None or (row_airport, row_gate) != (airport, gate) or event is None:
            continue
        if event > at or (ttl_s is not None and event + ttl_s < at):
            continue
        if known_at and (created is None or created > at):
            continue
        rank = (event, *((value is not None, value or 0) for value in (created, delay)), (note is not None, note or ""))
        if best is None or rank > best[0]:
            best = (rank, delay, note)
    return (best[1], best[2]) if best else (None, None)


def feature_repo(root: Path, **config: Any) -> FeatureStore:
    """A Feast repository in a folder: two views of the Delta table `history`, `limited` (ttl) and `unlimited`."""
    defaults: dict[str, Any] = {
        "project": "tests",
        "provider": "local",
        "registry": str(root / "registry.db"),
        "offline_store": {"type": "contender.feast_stores.asof.AsofOfflineStore"},
        "online_store": {
            "type": "contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore",
            "path": str(root / "online.db"),
        },
        "batch_engine": {"type": "contender.feast_stores.rows_engine.RowsComputeEngine"},
        "entity_key_serialization_version": 3,
    }
    store = FeatureStore(config=RepoConfig(**(defaults | config)))
    airport = Entity(name="airport", join_keys=["airport"], value_type=ValueType.STRING)
    gate = Entity(name="gate", join_keys=["gate"], value_type=ValueType.INT64)
    source = FileSource(
        name="history",
        path=str(root / "history"),
        file_format=DeltaFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    schema = [
        Field(name=n, dtype=d) for n, d in (("airport", String), ("gate", Int64), ("delay", Int64), ("note", String))
    ]
    views = [
        FeatureView(name=name, entities=[airport, gate], schema=schema, source=source, ttl=ttl)
        for name, ttl in (("unlimited", timedelta(0)), ("limited", timedelta(seconds=TTL_S)))
    ]
    store.apply([airport, gate, *views])
    return store


def entity_frame(rows: Sequence[tuple[str | None, int | None, float]]) -> pd.DataFrame:
    """An entity frame of (airport, gate, second) rows."""
    return pd.DataFrame(
        {
            "airport": pd.Series([row[0] for row in rows], dtype=object),
            "gate": pd.Series([row[1] for row in rows], dtype="Int64"),
            "event_timestamp": pd.to_datetime([second(row[2]) for row in rows], utc=True),
        }
    )
