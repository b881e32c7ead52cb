"""The online stores: what is written is read back, and never goes back in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource
from feast.data_format import DeltaFormat
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp
from feast.value_type import ValueType

from contender.adapters.online_rows import open_rows
from contender.core.errors import DataError, OnlineStoreUnreachable
from contender.feast_stores.rows_table import write_rows, writing
from contender.feast_stores.rows_writer import View
from tests.online_stores import online_config, stored
from tests.unit.feast_stores.histories import second

Repo = Callable[..., FeatureStore]
ROWS = [("EWR", 1, 0, 0, 10, "x"), ("EWR", 1, 2, 2, 12, None), ("JFK", 2, 1, 1, None, "z")]
LOCAL_ENGINE = "local"


def materialise(store: FeatureStore, until: float = 5) -> None:
    store.materialize(second(-1), second(until), ["unlimited"])


def online(store: FeatureStore, *keys: tuple[str, int]) -> dict[str, list[Any]]:
    rows = [{"airport": airport, "gate": gate} for airport, gate in keys]
    answer: dict[str, list[Any]] = store.get_online_features(["unlimited:delay", "unlimited:note"], rows).to_dict()
    return answer


@pytest.fixture
def repo(repo: Repo, address: str) -> Repo:
    """Repositories over each kind of online store."""
    return partial(repo, online_store=online_config(address))


@pytest.mark.parametrize("engine", ["contender.feast_stores.rows_engine.RowsComputeEngine", LOCAL_ENGINE])
def test_materialise_then_read_gives_the_newest_row_of_each_key(repo: Repo, address: str, engine: str) -> None:
    store = repo(ROWS, batch_engine={"type": engine})
    materialise(store)
    got = online(store, ("JFK", 2), ("EWR", 1), ("SFO", 3), ("EWR", 1))
    assert (got["delay"], got["note"]) == ([None, 12, None, 12], ["z", None, None, None])
    row = open_rows(address, 1.0).read("unlimited", {"airport": "EWR", "gate": 1})
    assert row is not None
    assert (row.values, row.event_time) == ({"delay": 12, "note": None}, second(2))


def test_materialise_by_both_engines_writes_the_same_bytes(address: str, repo: Repo) -> None:
    written = []
    for engine in ("contender.feast_stores.rows_engine.RowsComputeEngine", LOCAL_ENGINE):
        store = repo(ROWS, batch_engine={"type": engine})
        materialise(store)
        written.append(stored(address, "unlimited"))
        store.teardown()
        with pytest.raises(OnlineStoreUnreachable):
            open_rows(address, 1.0).read("unlimited", {"airport": "EWR", "gate": 1})
    assert written[0] == written[1]
    assert len(written[0]) == 2


def test_materialise_again_changes_nothing(repo: Repo, address: str) -> None:
    store = repo(ROWS)
    materialise(store)
    once = stored(address, "unlimited")
    materialise(store)
    assert stored(address, "unlimited") == once


def test_materialise_of_an_older_span_leaves_newer_values(repo: Repo) -> None:
    store = repo(ROWS)
    materialise(store, until=5)
    materialise(store, until=1)
    assert online(store, ("EWR", 1))["delay"] == [12]


def test_push_of_an_older_value_leaves_the_newer(repo: Repo) -> None:
    store = repo(ROWS)
    materialise(store)
    for at, delay in ((1, 99), (7, 17), (3, 98)):
        frame = pd.DataFrame(
            {
                "airport": ["EWR"],
                "gate": [1],
                "event_timestamp": [second(at)],
                "created": [second(at)],
                "delay": [delay],
                "note": ["p"],
            }
        )
        store.write_to_online_store("unlimited", frame)
    assert online(store, ("EWR", 1))["delay"] == [17]


def test_push_source_reaches_the_online_store(repo: Repo, tmp_path: Path) -> None:
    store = repo(ROWS)
    airport = store.get_entity("airport")
    batch = FileSource(
        name="pushed_batch",
        path=str(tmp_path / "history"),
        file_format=DeltaFormat(),
        timestamp_field="event_timestamp",
    )
    view = FeatureView(
        name="pushed",
        entities=[airport],
        schema=[Field(name="airport", dtype=String), Field(name="delay", dtype=Int64)],
        source=PushSource(name="pushed_source", batch_source=batch),
    )
    store.apply(view)
    frame = pd.DataFrame({"airport": ["LGA"], "event_timestamp": [second(1)], "delay": [7]})
    store.push("pushed_source", frame)
    assert store.get_online_features(["pushed:delay"], [{"airport": "LGA"}]).to_dict()["delay"] == [7]


@pytest.mark.parametrize(
    ("first", "then", "left"),
    [
        ((5, 5), (5, 4), "first"),
        ((5, 5), (5, 6), "then"),
        ((5, 5), (5, 5), "then"),
        ((5, None), (5, 1), "then"),
        ((5, 1), (5, None), "first"),
        ((5, None), (5, None), "then"),
        ((5, 9), (6, 1), "then"),
        ((5, 1), (4, 9), "first"),
    ],
    ids=[
        "created before",
        "created after",
        "same",
        "created at last",
        "created no more",
        "never created",
        "later event",
        "earlier event",
    ],
)
def test_write_rows_decides_by_event_then_created(
    address: str, first: tuple[int, int | None], then: tuple[int, int | None], left: str
) -> None:
    for name, (event, created) in (("first", first), ("then", then)):
        write(address, [("EWR", second(event), second(created), name)])
    row = open_rows(address, 1.0).read("origin", {"origin": "EWR"})
    assert row is not None
    assert row.values == {"name": left}


def write(address: str, rows: list[tuple[Any, ...]], project: str = "tests") -> int:
    origins, events, created, names = zip(*rows, strict=True)
    table = pa.table(
        {
            "origin": pa.array(origins, pa.string()),
            "event": pa.array(events, pa.timestamp("us", "UTC")),
            "created": pa.array(created, pa.timestamp("us", "UTC")),
            "name": pa.array(names, pa.string()),
        }
    )
    return write_rows(
        address,
        "origin",
        table,
        project=project,
        join_keys=["origin"],
        features=["name"],
        event_column="event",
        created_column="created",
    )


def test_write_rows_counts_what_was_not_too_old(address: str) -> None:
    assert write(address, [("EWR", second(5), None, "a"), ("JFK", second(5), None, "a")]) == 2
    assert write(address, [("EWR", second(4), None, "b"), ("JFK", second(6), None, "b")]) == 1


def test_write_rows_without_a_key_writes_nothing_at_all(address: str) -> None:
    with pytest.raises(DataError, match="1 rows of feature view origin have no origin"):
        write(address, [("EWR", second(5), None, "a"), (None, second(5), None, "a")])
    with pytest.raises(OnlineStoreUnreachable):
        open_rows(address, 1.0).read("origin", {"origin": "EWR"})


def test_write_rows_of_another_project_is_refused(address: str) -> None:
    write(address, [("EWR", second(5), None, "a")])
    with pytest.raises(DataError, match="project tests"):
        write(address, [("EWR", second(6), None, "b")], project="other")


def test_declaring_other_join_keys_drops_the_rows(address: str) -> None:
    write(address, [("EWR", second(5), None, "a")])
    with writing(address, 1.0) as writer:
        writer.declare_view(View.of("tests", "origin", ["origin", "gate"]))
    assert stored(address, "origin") == []
    assert open_rows(address, 1.0).read("origin", {"gate": 1, "origin": "EWR"}) is None


def test_declaring_the_same_join_keys_keeps_the_rows(address: str) -> None:
    write(address, [("EWR", second(5), None, "a")])
    with writing(address, 1.0) as writer:
        writer.declare_view(View.of("tests", "origin", ["origin"]))
    assert len(stored(address, "origin")) == 1


def test_teardown_leaves_the_views_of_other_projects(repo: Repo, address: str) -> None:
    store = repo(ROWS)
    materialise(store)
    write(address, [("EWR", second(5), None, "a")], project="other")
    store.teardown()
    with writing(address, 1.0) as writer:
        assert (writer.views_of("tests"), writer.views_of("other")) == ([], ["origin"])
    assert open_rows(address, 1.0).read("origin", {"origin": "EWR"}) is not None


def test_upsert_of_one_key_many_times_leaves_the_newest(address: str) -> None:
    view = View.of("tests", "origin", ["origin"])
    times = [(5, 1), (7, None), (6, 9), (7, 2), (7, 1)]
    rows = [('["EWR"]', event, created, b"\x80") for event, created in times]
    with writing(address, 1.0) as writer:
        writer.declare_view(view)
        assert writer.upsert(view, rows) == 3
    assert stored(address, "origin") == [('["EWR"]', 7, 2, b"\x80")]


def test_update_of_a_removed_view_drops_its_rows(repo: Repo, address: str) -> None:
    store = repo(ROWS)
    materialise(store)
    store.apply([], objects_to_delete=[store.get_feature_view("unlimited")], partial=False)
    with pytest.raises(OnlineStoreUnreachable, match="unlimited is not in the online store"):
        open_rows(address, 1.0).read("unlimited", {"airport": "EWR", "gate": 1})


@pytest.mark.parametrize("engine", ["contender.feast_stores.rows_engine.RowsComputeEngine", LOCAL_ENGINE])
def test_every_declared_type_survives_the_store(repo: Repo, tmp_path: Path, engine: str) -> None:
    store = repo(ROWS, batch_engine={"type": engine})
    when = datetime(2013, 5, 1, 12, tzinfo=UTC)
    values = {
        "i32": (pa.array([5], pa.int32()), Int32, 5),
        "i64": (pa.array([2**53 + 1], pa.int64()), Int64, 2**53 + 1),
        "f32": (pa.array([0.5], pa.float32()), Float32, 0.5),
        "f64": (pa.array([0.1], pa.float64()), Float64, 0.1),
        "nan": (pa.array([float("nan")], pa.float64()), Float64, None),
        "text": (pa.array(["é"], pa.string()), String, "é"),
        "flag": (pa.array([True]), Bool, True),
        "raw": (pa.array([b"\x00\xff"], pa.binary()), Bytes, b"\x00\xff"),
        "when": (pa.array([when], pa.timestamp("us", "UTC")), UnixTimestamp, when),
        "several": (pa.array([[1.5, 2.5]], pa.list_(pa.float64())), Array(Float64), [1.5, 2.5]),
    }
    table = pa.table(
        {"key": [7], "t": pa.array([second(1)], pa.timestamp("us", "UTC"))} | {n: v[0] for n, v in values.items()}
    )
    write_deltalake(str(tmp_path / "typed"), table)
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    source = FileSource(path=str(tmp_path / "typed"), file_format=DeltaFormat(), timestamp_field="t")
    schema = [Field(name="key", dtype=Int64), *(Field(name=n, dtype=v[1]) for n, v in values.items())]
    store.apply([key, FeatureView(name="typed", entities=[key], schema=schema, source=source)])
    store.materialize(second(0), second(2), ["typed"])
    got = store.get_online_features([f"typed:{name}" for name in values], [{"key": 7}]).to_dict()
    assert {name: got[name][0] for name in values} == {name: value[2] for name, value in values.items()}


def test_value_that_does_not_fit_its_declaration_is_refused(repo: Repo, tmp_path: Path) -> None:
    store = repo(ROWS)
    write_deltalake(
        str(tmp_path / "wide"),
        pa.table({"key": [7], "t": pa.array([second(1)], pa.timestamp("us", "UTC")), "n": [1.5]}),
    )
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    source = FileSource(path=str(tmp_path / "wide"), file_format=DeltaFormat(), timestamp_field="t")
    schema = [Field(name="key", dtype=Int64), Field(name="n", dtype=Int64)]
    store.apply([key, FeatureView(name="wide", entities=[key], schema=schema, source=source)])
    with pytest.raises(DataError, match="column n does not fit"):
        store.materialize(second(0), second(2), ["wide"])


def test_view_without_entities_is_read_without_keys(repo: Repo, tmp_path: Path, address: str) -> None:
    store = repo(ROWS)
    write_deltalake(
        str(tmp_path / "all"), pa.table({"t": pa.array([second(1)], pa.timestamp("us", "UTC")), "n": [1.5]})
    )
    source = FileSource(path=str(tmp_path / "all"), file_format=DeltaFormat(), timestamp_field="t")
    store.apply(FeatureView(name="all", entities=[], schema=[Field(name="n", dtype=Float64)], source=source))
    store.materialize(second(0), second(2), ["all"])
    assert store.get_online_features(["all:n"], [{"airport": "EWR"}]).to_dict()["n"] == [1.5]
    row = open_rows(address, 1.0).read("all", {})
    assert row is not None
    assert row.values == {"n": 1.5}


def test_feature_added_since_the_load_is_null(repo: Repo) -> None:
    store = repo(ROWS)
    materialise(store)
    view = store.get_feature_view("unlimited")
    view.features.append(Field(name="later", dtype=Int64))
    store.apply(view)
    assert store.get_online_features(["unlimited:later"], [{"airport": "EWR", "gate": 1}]).to_dict()["later"] == [None]


def test_payload_is_a_msgpack_map_of_feature_names(repo: Repo, address: str) -> None:
    store = repo(ROWS)
    materialise(store)
    key, event, created, payload = stored(address, "unlimited")[0]
    assert key == '["EWR",1]'
    assert (event, created) == (1356998402000000, 1356998402000000)
    assert msgspec.msgpack.decode(payload) == {"delay": 12, "note": None}
