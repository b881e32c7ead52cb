"""Loading the online store: Contender's store and engine beside the ones Feast comes with.

    python -m contender.bench.materialise

`FeatureStore.materialize` of 20,000 entities with 6 and with 20 features from the same Delta table, and one entity
read back. Three ways: all of Feast's defaults (dask, SQLite); Feast's SQLite store fed by our offline store, which
tells the store's cost from the reading's; and ours. The recorded ratio is the smaller of the two Feast/ours ratios.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from feast import FeatureStore

from contender.adapters.online_rows import open_rows
from contender.bench import feast_tables as ft
from contender.bench.record import record

NAME, COMMAND = "materialise_vs_feast_default_ratio", "python -m contender.bench.materialise"
ENTITIES, FEATURES, REPETITIONS, READS = 20_000, (6, 20), 3, 500
WAYS: dict[str, dict[str, Any]] = {
    "feast_default": {},
    "feast_sqlite": {"offline_store": ft.OURS_OFFLINE},
    "contender": {
        "offline_store": ft.OURS_OFFLINE,
        "online_store": ft.OURS_ONLINE,
        "batch_engine": ft.OURS_ENGINE,
    },
}


def write_entities(folder: Path, features: int) -> None:
    """A Delta table of one row for each entity."""
    chance = np.random.default_rng(features)
    events = pa.array(ft.times(chance.integers(0, 86_400, ENTITIES)), pa.timestamp("us")).cast(
        pa.timestamp("us", "UTC")
    )
    columns: dict[str, Any] = {"plane": np.arange(ENTITIES), "event_timestamp": events, "created": events}
    columns |= {f"plane_{number}": chance.normal(size=ENTITIES) for number in range(features)}
    write_deltalake(str(folder / "plane"), pa.table(columns))


def load_anew(store: FeatureStore) -> Callable[[], None]:
    """A load of the whole table. Every repetition writes every row again, as each way's upsert does."""
    return lambda: store.materialize(ft.START - timedelta(days=1), ft.START + timedelta(days=2))


def read_us(store: FeatureStore, features: int) -> float:
    """Microseconds for one entity by `get_online_features`."""
    refs, keys = ft.refs({"plane": features}), [{"plane": number} for number in range(READS)]
    return 1e6 / READS * ft.seconds(lambda: [store.get_online_features(refs, [key]).to_dict() for key in keys])


def reader_us(path: Path) -> float:
    """Microseconds for one entity by the serving app's reader."""
    reader = open_rows(str(path), 1.0)
    rows = ft.seconds(lambda: [reader.read("plane_view", {"plane": number}) for number in range(READS)])
    return 1e6 / READS * rows


def compare(features: int) -> dict[str, Any]:
    """Median seconds of each way, the ratios, and what a read costs."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        write_entities(folder, features)
        stores = {
            name: ft.repository(folder / name, {"plane": features}, folder=folder, whole_keys=True, **config)
            for name, config in WAYS.items()
        }
        taken = ft.interleaved({name: load_anew(store) for name, store in stores.items()}, REPETITIONS)
        check_equal(stores, features)
        row: dict[str, Any] = {"features": str(features)}
        row |= {f"{name}_s": each for name, each in taken.items()}
        row |= {f"ratio to {name}": taken[name] / taken["contender"] for name in ("feast_default", "feast_sqlite")}
        row["contender rows/s"] = round(ENTITIES / taken["contender"])
        row["feast read us"] = read_us(stores["feast_default"], features)
        row["contender through feast read us"] = read_us(stores["contender"], features)
        row["contender reader us"] = reader_us(folder / "contender" / "online.db")
    return row


def check_equal(stores: dict[str, FeatureStore], features: int) -> None:
    """Fail unless every store gives the same values."""
    keys = [{"plane": number} for number in range(0, ENTITIES, 1_000)]
    answers = [store.get_online_features(ft.refs({"plane": features}), keys).to_dict() for store in stores.values()]
    assert all(answer == answers[0] for answer in answers)
    assert None not in answers[0]["plane_0"]


def main() -> None:
    """Measure both widths and record the smallest ratio."""
    detail = [compare(features) for features in FEATURES]
    for row in detail:
        print(row, flush=True)
    smallest = min(row[f"ratio to {name}"] for row in detail for name in ("feast_default", "feast_sqlite"))
    record(
        NAME, smallest, "ratio", "higher", 5.0, COMMAND, detail,
        note=f"Time of Feast's way of loading {ENTITIES:,} entities over ours, the smallest; medians of {REPETITIONS}.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
