"""The ASOF store's contract with Feast, case by case."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.data_format import DeltaFormat, ParquetFormat
from feast.errors import FeastJoinKeysDuringMaterialization, SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

from contender.core.errors import DataError, RowsNotConserved
from contender.feast_stores import asof_join
from contender.feast_stores.asof import AsofOfflineStore
from tests.unit.feast_stores.histories import T0, entity_frame, second, write_history

Repo = Callable[..., FeatureStore]
ONE = [("EWR", 1, 0, 0, 10, "x")]


def delays(store: FeatureStore, entities: list[tuple[Any, ...]], view: str = "unlimited", **how: Any) -> list[Any]:
    job = store.get_historical_features(entity_frame(entities), [f"{view}:delay"], **how)
    return list(job.to_arrow()["delay"].to_pylist())


@pytest.mark.parametrize(
    ("at", "expected"),
    [(-1, None), (0, 10), (3, 10), (3.000001, None)],
    ids=["before the event", "at the event", "at the last moment", "a microsecond later"],
)
def test_asof_store_at_the_edges_of_a_ttl_includes_both(repo: Repo, at: float, expected: int | None) -> None:
    assert delays(repo(ONE), [("EWR", 1, at)], "limited") == [expected]


def test_asof_store_with_equal_events_takes_the_last_created(repo: Repo) -> None:
    store = repo([("EWR", 1, 0, 5, 15, "x"), ("EWR", 1, 0, 9, 19, "x"), ("EWR", 1, 0, None, 1, "x")])
    assert delays(store, [("EWR", 1, 6)]) == [19]


def test_asof_store_by_created_time_sees_only_what_was_known(repo: Repo) -> None:
    store = repo([("EWR", 1, 0, 5, 15, "x"), ("EWR", 1, 0, 9, 19, "x"), ("EWR", 1, 1, 7, 27, "x")])
    entities = [("EWR", 1, at) for at in (4, 5, 6, 7, 9)]
    assert delays(store, entities, filter_by_created_timestamp=True) == [None, 15, 15, 27, 27]


def test_asof_store_by_created_time_never_knows_a_row_without_one(repo: Repo) -> None:
    store = repo([("EWR", 1, 0, None, 15, "x")])
    assert delays(store, [("EWR", 1, 6)], filter_by_created_timestamp=True) == [None]


def test_asof_store_after_an_overwrite_does_not_read_the_old_files(repo: Repo, tmp_path: Path) -> None:
    store = repo([("EWR", 1, 5, 5, 999, "stale")])
    write_history(tmp_path / "history", ONE)
    assert delays(store, [("EWR", 1, 9)]) == [10]


def test_asof_store_reads_the_version_of_when_it_was_asked(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    job = store.get_historical_features(entity_frame([("EWR", 1, 9)]), ["unlimited:delay"])
    write_history(tmp_path / "history", [("EWR", 1, 5, 5, 999, "later")])
    assert job.to_arrow()["delay"].to_pylist() == [10]
    assert job.tables_read == {str(tmp_path / "history"): 0}


def test_asof_store_with_a_version_in_its_config_reads_that_version(repo: Repo, tmp_path: Path) -> None:
    path = str(tmp_path / "history")
    offline = {"type": "contender.feast_stores.asof.AsofOfflineStore", "delta_versions": {path: 0}}
    store = repo(ONE, offline_store=offline)
    write_history(path, [("EWR", 1, 5, 5, 999, "later")])
    assert delays(store, [("EWR", 1, 9)]) == [10]


def test_asof_store_with_a_finer_source_time_floors_to_the_microsecond(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    event = pd.Timestamp(T0).tz_localize(None).to_datetime64().astype("datetime64[ns]") + 500
    rows = pa.table({"origin": ["EWR"], "at": pa.array([event], pa.timestamp("ns")), "wind": [3.0]})
    pq.write_table(rows, tmp_path / "wind.parquet")
    wind_view(store, FileSource(path=str(tmp_path / "wind.parquet"), timestamp_field="at"))
    frame = pd.DataFrame({"origin": ["EWR"], "event_timestamp": [pd.Timestamp(T0)]})
    assert store.get_historical_features(frame, ["wind:wind"]).to_df()["wind"].tolist() == [3.0]


def wind_view(store: FeatureStore, source: FileSource, **more: Any) -> None:
    origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
    schema = [Field(name="origin", dtype=String), Field(name="wind", dtype=Float64)]
    store.apply([origin, FeatureView(name="wind", entities=[origin], schema=schema, source=source, **more)])


def test_asof_store_with_field_mapping_reads_the_mapped_columns(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    rows = pa.table({"orig": ["EWR"], "t": pa.array([T0], pa.timestamp("us", "UTC")), "w": [3.0]})
    write_deltalake(str(tmp_path / "wind"), rows)
    mapping = {"orig": "origin", "t": "event_timestamp", "w": "wind", "absent": "origin_too"}
    source = FileSource(
        path=str(tmp_path / "wind"), file_format=DeltaFormat(), timestamp_field="event_timestamp", field_mapping=mapping
    )
    wind_view(store, source)
    frame = pd.DataFrame({"origin": ["EWR", "JFK"], "event_timestamp": [T0, T0]})
    got = store.get_historical_features(frame, ["wind:wind"], full_feature_names=True).to_df()
    assert got["wind__wind"].fillna(-1).tolist() == [3.0, -1]


def test_asof_store_with_one_of_two_keys_renamed_joins_on_both(repo: Repo) -> None:
    store = repo([("EWR", 1, 0, 0, 10, "x"), ("EWR", 2, 1, 1, 20, "x")])
    view = store.get_feature_view("unlimited").with_name("at_origin").with_join_key_map({"airport": "origin"})
    frame = entity_frame([("EWR", 1, 5), ("EWR", 2, 5)]).rename(columns={"airport": "origin"})
    service = store.config  # the projection goes straight to the offline store, as Feast hands it on
    job = AsofOfflineStore.get_historical_features(
        service, [view], ["at_origin:delay"], frame, store.registry, store.project, full_feature_names=True
    )
    assert job.to_df()["at_origin__delay"].tolist() == [10, 20]


def test_asof_store_without_entities_joins_one_history_to_all_rows(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    rows = pa.table({"t": pa.array([second(0), second(5)], pa.timestamp("us", "UTC")), "rate": [1.0, 2.0]})
    write_deltalake(str(tmp_path / "rates"), rows)
    source = FileSource(path=str(tmp_path / "rates"), file_format=DeltaFormat(), timestamp_field="t")
    schema = [Field(name="rate", dtype=Float64)]
    store.apply(FeatureView(name="rates", entities=[], schema=schema, source=source))
    frame = entity_frame([("EWR", 1, 6), ("JFK", 2, 1)])
    assert store.get_historical_features(frame, ["rates:rate"]).to_df()["rate"].tolist() == [2.0, 1.0]


def test_asof_store_without_entity_rows_gives_the_history_of_the_span(repo: Repo) -> None:
    store = repo(
        [("EWR", 1, at, at, at, "x") for at in range(5)]
        + [("EWR", 1, 3, 9, 33, "corrected"), ("JFK", 2, 2, 2, 72, "x")]
    )
    got = store.get_historical_features(features=["unlimited:delay"], start_date=second(2), end_date=second(3)).to_df()
    assert got[["airport", "gate", "delay"]].to_numpy().tolist() == [["EWR", 1, 2], ["JFK", 2, 72], ["EWR", 1, 33]]
    assert got["event_timestamp"].tolist() == [second(2), second(2), second(3)]


def test_asof_store_without_entity_rows_or_start_is_refused(repo: Repo) -> None:
    with pytest.raises(DataError, match="start_date"):
        repo(ONE).get_historical_features(features=["unlimited:delay"], end_date=second(3))


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("SELECT 1", "SQL text"),
        (entity_frame([("EWR", 1, 0)]).drop(columns="gate"), "lacks join keys.*gate"),
        (entity_frame([("EWR", 1, 0)]).assign(delay=1), "already has columns.*delay"),
        (entity_frame([("EWR", 1, 0)]).assign(gate="one"), "gate cannot be compared.*int64.*string"),
        (entity_frame([("EWR", 1, 0)]).assign(gate=1.5), "gate cannot be compared"),
        (entity_frame([("EWR", 1, 0)] * 2).assign(gate=[1, "one"]), "no single type"),
    ],
    ids=["SQL", "missing key", "feature in the frame", "text key", "fractional key", "mixed key"],
)
def test_asof_store_with_a_bad_entity_frame_says_what_is_wrong(repo: Repo, frame: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        repo(ONE).get_historical_features(frame, ["unlimited:delay"]).to_df()


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(gate=f["gate"].astype("float64")),
        lambda f: f.assign(gate=f["gate"].astype("int32")),
        lambda f: f.assign(airport=f["airport"].astype("category")),
        lambda f: f.assign(airport=f["airport"].astype("string")),
        lambda f: f.assign(event_timestamp=f["event_timestamp"].dt.tz_convert("America/New_York")),
        lambda f: f.assign(event_timestamp=f["event_timestamp"].dt.tz_localize(None).astype("datetime64[s]")),
        lambda f: f.assign(event_timestamp=f["event_timestamp"].astype(str)),
    ],
    ids=["float key", "short key", "categorical key", "string key", "local time", "naive seconds", "text time"],
)
def test_asof_store_with_another_form_of_the_frame_finds_the_same(
    repo: Repo, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    frame = change(entity_frame([("EWR", 1, 1)]))
    assert repo(ONE).get_historical_features(frame, ["unlimited:delay"]).to_df()["delay"].tolist() == [10]


def test_asof_store_leaves_the_frame_it_was_given_alone(repo: Repo) -> None:
    frame = entity_frame([("EWR", 1, 1)])
    before = frame.copy(deep=True)
    repo(ONE).get_historical_features(frame, ["unlimited:delay"]).to_df()
    pd.testing.assert_frame_equal(frame, before)


def test_asof_store_with_no_entity_rows_gives_none(repo: Repo) -> None:
    frame = entity_frame([("EWR", 1, 1)]).iloc[:0]
    got = repo(ONE).get_historical_features(frame, ["unlimited:delay"]).to_df()
    assert got.shape == (0, 4)


def test_asof_store_by_default_says_what_it_read(repo: Repo) -> None:
    job = repo(ONE).get_historical_features(entity_frame([("EWR", 1, 1), ("EWR", 1, 4)]), ["unlimited:delay"])
    assert job.metadata.features == ["unlimited:delay"]
    assert sorted(job.metadata.keys) == ["airport", "gate"]
    assert (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp) == (second(1), second(4))


def test_asof_store_with_a_delta_table_declared_parquet_is_refused(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    source = FileSource(path=str(tmp_path / "history"), file_format=ParquetFormat(), timestamp_field="event_timestamp")
    with pytest.raises(DataError, match="overwritten rows"):
        AsofOfflineStore.pull_all_from_table_or_query(store.config, source, ["airport"], ["delay"], "event_timestamp")


def test_asof_store_without_its_table_says_where_it_looked(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    source = FileSource(path=str(tmp_path / "nowhere"), file_format=DeltaFormat(), timestamp_field="event_timestamp")
    with pytest.raises(DataError, match="nowhere"):
        AsofOfflineStore.pull_all_from_table_or_query(store.config, source, ["airport"], ["delay"], "event_timestamp")


def test_asof_store_with_a_source_without_its_time_column_is_refused(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    source = FileSource(path=str(tmp_path / "history"), file_format=DeltaFormat(), timestamp_field="when")
    with pytest.raises(DataError, match="when"):
        AsofOfflineStore().validate_data_source(store.config, source)


def test_pull_latest_gives_the_newest_row_of_each_key_in_the_span(repo: Repo, tmp_path: Path) -> None:
    rows = [
        ("EWR", 1, 0, 0, 10, "x"),
        ("EWR", 1, 3, 3, 13, "x"),
        ("EWR", 1, 3, 4, 14, "x"),
        ("EWR", 1, 4, 4, 99, "after the span"),
        ("JFK", 1, 1, None, 21, "x"),
        ("LGA", 1, -1, None, 99, "before the span"),
    ]
    job = pull_latest(repo(rows), ["airport"], tmp_path)
    assert sorted(zip(job["airport"].to_pylist(), job["delay"].to_pylist(), strict=True)) == [("EWR", 14), ("JFK", 21)]


def test_pull_latest_without_keys_gives_one_row_and_the_constant_key(repo: Repo, tmp_path: Path) -> None:
    got = pull_latest(repo([("EWR", 1, 0, 0, 10, "x"), ("JFK", 1, 2, 0, 12, "x")]), [], tmp_path)
    assert (got["delay"].to_pylist(), got["__dummy_id"].to_pylist()) == ([12], [""])


def test_pull_latest_without_its_join_key_is_refused(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(FeastJoinKeysDuringMaterialization):
        pull_latest(repo(ONE), ["runway"], tmp_path)


def pull_latest(store: FeatureStore, keys: list[str], root: Path) -> pa.Table:
    source = FileSource(
        path=str(root / "history"),
        file_format=DeltaFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    return AsofOfflineStore.pull_latest_from_table_or_query(
        store.config, source, keys, ["delay"], "event_timestamp", "created", second(0), second(3)
    ).to_arrow()


@pytest.mark.parametrize("form", [ParquetFormat(), DeltaFormat()], ids=["parquet", "delta"])
def test_persist_writes_once_and_overwrites_only_when_allowed(repo: Repo, tmp_path: Path, form: Any) -> None:
    job = repo(ONE).get_historical_features(entity_frame([("EWR", 1, 1)]), ["unlimited:delay"])
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved"), file_format=form)
    job.persist(storage)
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)
    source = storage.to_data_source()
    saved = AsofOfflineStore.pull_all_from_table_or_query(
        repo(ONE).config, source, ["airport"], ["delay"], "event_timestamp"
    )
    assert saved.to_arrow()["delay"].to_pylist() == [10]


def test_offline_write_batch_appends_and_refuses_other_columns(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    rows = pa.table(
        {
            "airport": ["EWR"],
            "gate": [1],
            "event_timestamp": pa.array([second(2)], pa.timestamp("ns", "UTC")),
            "created": pa.array([second(2)], pa.timestamp("ns", "UTC")),
            "delay": [12],
            "note": ["y"],
        }
    )
    view = store.get_feature_view("unlimited")
    AsofOfflineStore.offline_write_batch(store.config, view, rows, None)
    assert delays(store, [("EWR", 1, 1), ("EWR", 1, 2)]) == [10, 12]
    with pytest.raises(ValueError, match="delay"):
        AsofOfflineStore.offline_write_batch(store.config, view, rows.drop_columns(["delay"]), None)


def test_join_with_a_lost_entity_row_is_an_error_that_names_it() -> None:
    entities = pa.table({"k0": ["EWR", "JFK"], asof_join.AT: [1, 2]})
    import numpy as np

    lossy = {"entity": np.array([0]), "pick": np.array([0])}
    with pytest.raises(RowsNotConserved, match=r"1 entity rows.*2 rows.*JFK"):
        asof_join._in_entity_order(lossy, entities, ["k0"])


def test_asof_store_with_a_very_long_ttl_joins_as_without_one(repo: Repo, tmp_path: Path) -> None:
    store = repo(ONE)
    view = store.get_feature_view("limited")
    view.ttl = timedelta(days=300_000)
    store.apply(view)
    late = datetime(2200, 1, 1, tzinfo=UTC)
    frame = pd.DataFrame({"airport": ["EWR"], "gate": [1], "event_timestamp": [late]})
    assert store.get_historical_features(frame, ["limited:delay"]).to_df()["delay"].tolist() == [10]


def test_feature_of_two_views_without_full_names_is_refused(repo: Repo) -> None:
    store = repo(ONE)
    views = [store.get_feature_view(name) for name in ("limited", "unlimited")]
    refs = ["limited:delay", "unlimited:delay"]
    frame = entity_frame([("EWR", 1, 1)])
    with pytest.raises(DataError, match="same output column"):
        AsofOfflineStore.get_historical_features(store.config, views, refs, frame, store.registry, store.project)


def test_int_feature_with_gaps_stays_null_in_arrow(repo: Repo) -> None:
    got = (
        repo(ONE).get_historical_features(entity_frame([("EWR", 1, 1), ("SFO", 1, 1)]), ["unlimited:delay"]).to_arrow()
    )
    assert got.schema.field("delay").type == pa.int64()
    assert got["delay"].to_pylist() == [10, None]
    assert Int64 is not None
