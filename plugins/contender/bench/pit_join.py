"""Point-in-time joins: our Feast store beside DuckDB by hand, polars, and the stores Feast comes with.

    python -m contender.bench.pit_join

300,000 entity rows against two views (296 and 15 entities, five features each) with 1, 12, 52 and 365 rows of history
for each entity; all read the same Delta tables and give a pandas frame in the order of the entity rows. Feast's own
stores run in a process of their own with a limit of time and memory, and not at sizes above one they did not finish.
"""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
from deltalake import DeltaTable

from contender.bench import feast_tables as ft
from contender.bench.record import record

NAME, COMMAND = "pit_join_vs_duckdb_ratio", "python -m contender.bench.pit_join"
ENTITIES = {"origin": 296, "carrier": 15}
FEATURES = {"origin": 5, "carrier": 5}
ROWS, HISTORIES, REPETITIONS = 300_000, (1, 12, 52, 365), 3
LIMIT_S, LIMIT_BYTES = 60, 8 << 30
# A year of the reference model: 15-minute rows for three airports, hourly ones for sixteen carriers.
REAL_ENTITIES, REAL_HISTORY, REAL_ROWS = {"origin": 3, "carrier": 16}, {"origin": 35_040, "carrier": 8_760}, 336_776
TTL_US = int(ft.TTL.total_seconds()) * 1_000_000


def by_duckdb(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """What one would write by hand: two ASOF joins, times to live, rows in their order."""
    joins, columns = [], []
    for key, features in FEATURES.items():
        files = DeltaTable(str(folder / key)).file_uris()
        joins.append(
            f"ASOF LEFT JOIN (SELECT * FROM read_parquet({files})) AS {key}_view "  # noqa: S608
            f"ON e.{key} = {key}_view.{key} AND e.event_timestamp >= {key}_view.event_timestamp"
        )
        alive = f"epoch_us({key}_view.event_timestamp) + {TTL_US} >= epoch_us(e.event_timestamp)"
        columns += [f"CASE WHEN {alive} THEN {key}_{n} END AS {key}_{n}" for n in range(features)]
    with duckdb.connect() as connection:
        connection.register("frame", frame.assign(row_number=np.arange(len(frame))))
        query = f"SELECT e.*, {', '.join(columns)} FROM frame AS e {' '.join(joins)} ORDER BY row_number"  # noqa: S608
        joined: pd.DataFrame = connection.execute(query).df().drop(columns="row_number")
    return joined


def by_polars(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The same with `join_asof`."""
    moment = pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))
    joined = pl.from_pandas(frame).with_columns(moment).with_row_index("row_number").sort("event_timestamp")
    for key, features in FEATURES.items():
        history = pl.read_parquet(DeltaTable(str(folder / key)).file_uris())
        history = history.select(
            key, moment, moment.alias("event"), *(f"{key}_{number}" for number in range(features))
        ).sort("event_timestamp")
        joined = joined.join_asof(history, on="event_timestamp", by=key, check_sortedness=False)
        alive = pl.col("event") + ft.TTL >= pl.col("event_timestamp")
        names = [f"{key}_{number}" for number in range(features)]
        joined = joined.with_columns(pl.when(alive).then(pl.col(name)).alias(name) for name in names).drop("event")
    found: pd.DataFrame = joined.sort("row_number").drop("row_number").to_pandas()
    return found


def by_feast(frame: pd.DataFrame, folder: Path, offline: dict[str, str]) -> Any:
    """A function that joins through Feast's API, with the named offline store; applying views is not timed."""
    root = folder / f"repository_{offline['type']}"
    store = ft.repository(root, FEATURES, folder=folder, offline_store=offline)
    return lambda: store.get_historical_features(frame, ft.refs(FEATURES)).to_df()


def stock(kind: str, folder: Path) -> float | str:
    """Seconds of one join by a store Feast comes with, in a process of its own, or why there is no figure."""
    if kind == "duckdb" and importlib.util.find_spec("ibis") is None:
        return "not run: needs ibis, which is not installed"
    command = [sys.executable, "-m", "contender.bench.pit_join", "--stock", kind, str(folder)]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))

    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            preexec_fn=limited,
        )
    except subprocess.TimeoutExpired:
        return f"not within {LIMIT_S} s"
    if done.returncode:
        return f"failed within {LIMIT_BYTES >> 30} GiB: {done.stderr.strip().splitlines()[-1][:80]}"
    return float(done.stdout.strip().splitlines()[-1])


def run_stock(kind: str, folder: Path) -> None:
    """The other side of `stock`: join once and print the seconds."""
    frame = ft.entity_frame(ENTITIES, ROWS, seed=7)
    print(ft.seconds(by_feast(frame, folder, {"type": kind})))


def check_equal(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Fail unless both gave the same features to the same rows."""
    names = [name for key, features in FEATURES.items() for name in (f"{key}_{n}" for n in range(features))]
    assert len(ours) == len(theirs)
    assert np.array_equal(ours[names].to_numpy(), theirs[names].to_numpy(), equal_nan=True)


def compare(frame: pd.DataFrame, folder: Path) -> dict[str, float]:
    """Median seconds of our store, DuckDB and polars on one size, after checking that they agree."""
    ours = by_feast(frame, folder, ft.OURS_OFFLINE)
    check_equal(ours(), by_duckdb(frame, folder))
    check_equal(ours(), by_polars(frame, folder))
    taken = ft.interleaved(
        {
            "contender_s": ours,
            "duckdb_s": lambda: by_duckdb(frame, folder),
            "polars_s": lambda: by_polars(frame, folder),
        },
        REPETITIONS,
    )
    return {"ratio": taken["contender_s"] / taken["duckdb_s"]} | taken


def main() -> None:
    """Measure all sizes and record the worst ratio."""
    if sys.argv[1:2] == ["--stock"]:
        run_stock(sys.argv[2], Path(sys.argv[3]))
        return
    frame = ft.entity_frame(ENTITIES, ROWS, seed=7)
    detail: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for rows_each in HISTORIES:
        with tempfile.TemporaryDirectory() as root:
            for number, (key, entities) in enumerate(ENTITIES.items()):
                ft.write_history(Path(root), key, entities, rows_each, FEATURES[key], seed=number)
            row: dict[str, Any] = {"rows of history": str(rows_each), **compare(frame, Path(root))}
            for kind in ("dask", "duckdb"):
                row[f"feast_{kind}_s"] = skipped.get(kind) or stock(kind, Path(root))
                if isinstance(row[f"feast_{kind}_s"], str):
                    reason = row[f"feast_{kind}_s"]
                    skipped.setdefault(
                        kind, reason if reason.startswith("not run") else f"not run: {rows_each} rows gave none"
                    )
        detail.append(row)
        print(row, flush=True)
    worst = max(row["ratio"] for row in detail)
    with tempfile.TemporaryDirectory() as root:
        for number, (key, entities) in enumerate(REAL_ENTITIES.items()):
            ft.write_history(Path(root), key, entities, REAL_HISTORY[key], FEATURES[key], seed=number)
        taken = compare(ft.entity_frame(REAL_ENTITIES, REAL_ROWS, seed=7), Path(root))
    detail.append({"rows of history": "a year of flights", **taken, "feast_dask_s": "-", "feast_duckdb_s": "-"})
    print(detail[-1], flush=True)
    record(
        NAME, worst, "ratio", "lower", 1.0, COMMAND, detail,
        note="Time of Contender's Feast store over that of a DuckDB ASOF join by hand, the worst of the four sizes; "
        f"{ROWS:,} entity rows (a year of flights: {REAL_ROWS:,}), medians of {REPETITIONS}.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
