"""The tables, Feast repositories and clock that the Feast benches share."""

from __future__ import annotations

import contextlib
import gc
import io
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.data_format import DeltaFormat
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

START = datetime(2013, 1, 1, tzinfo=UTC)
YEAR_S = 365 * 86_400
TTL = timedelta(days=400)

OURS_OFFLINE = {"type": "contender.feast_stores.asof.AsofOfflineStore"}
OURS_ONLINE = {"type": "contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore"}
OURS_ENGINE = {"type": "contender.feast_stores.rows_engine.RowsComputeEngine"}


def times(seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.datetime64]:
    """Moments so many seconds after the start, in microseconds, without a zone (UTC)."""
    begin = np.datetime64(START.replace(tzinfo=None), "us")
    return begin + seconds.astype("timedelta64[s]")


def write_history(path: Path, key: str, entities: int, rows_each: int, features: int, seed: int) -> None:
    """A Delta table of `rows_each` rows for each entity, evenly over a year; the first is at the start."""
    chance = np.random.default_rng(seed)
    events = times(np.tile(np.arange(rows_each) * (YEAR_S // rows_each), entities))
    columns: dict[str, Any] = {
        key: np.repeat([f"{key}{number}" for number in range(entities)], rows_each),
        "event_timestamp": pa.array(events, pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        "created": pa.array(events + np.timedelta64(60, "s"), pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
    }
    columns |= {f"{key}_{number}": chance.normal(size=entities * rows_each) for number in range(features)}
    write_deltalake(str(path / key), pa.table(columns), mode="overwrite")


def entity_frame(keys: Mapping[str, int], rows: int, seed: int) -> pd.DataFrame:
    """Entity rows at random moments of the year, of random entities; by key: how many there are."""
    chance = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        key: np.array([f"{key}{number}" for number in range(count)], dtype=object)[chance.integers(0, count, rows)]
        for key, count in keys.items()
    }
    columns["event_timestamp"] = pd.to_datetime(times(chance.integers(0, YEAR_S, rows)), utc=True)
    return pd.DataFrame(columns)


def repository(
    root: Path, keys: Mapping[str, int], *, folder: Path, whole_keys: bool = False, **config: Any
) -> FeatureStore:
    """A Feast repository at `root` with one view for each key, over the tables in `folder`.

    Args:
        root: Where the registry goes, and an online store in a file.
        keys: Join key → number of features.
        folder: Where the Delta tables are, each named as its key.
        whole_keys: The join keys are whole numbers instead of text.
        config: The rest of Feast's configuration.
    """
    root.mkdir(parents=True, exist_ok=True)
    online = config.pop("online_store", {"type": "sqlite"})
    if "connection_string" not in online:
        online = {"path": str(root / "online.db")} | online
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(root / "registry.db"),
            online_store=online,
            entity_key_serialization_version=3,
            **config,
        )
    )
    kind, dtype = (ValueType.INT64, Int64) if whole_keys else (ValueType.STRING, String)
    for key, features in keys.items():
        entity = Entity(name=key, join_keys=[key], value_type=kind)
        schema = [Field(name=key, dtype=dtype)]
        schema += [Field(name=f"{key}_{number}", dtype=Float64) for number in range(features)]
        source = FileSource(
            path=str(folder / key),
            file_format=DeltaFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        )
        store.apply([entity, FeatureView(name=f"{key}_view", entities=[entity], schema=schema, source=source, ttl=TTL)])
    return store


def refs(keys: Mapping[str, int]) -> list[str]:
    """All features of all views."""
    return [f"{key}_view:{key}_{number}" for key, features in keys.items() for number in range(features)]


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, in seconds, with what it prints kept away."""
    gc.collect()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def interleaved(contestants: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median seconds of each, one repetition of all before the next of any, after one unmeasured run of each."""
    for work in contestants.values():
        seconds(work)
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repetitions):
        for name, work in contestants.items():
            taken[name].append(seconds(work))
    return {name: median(each) for name, each in taken.items()}
