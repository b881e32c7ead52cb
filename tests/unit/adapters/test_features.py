"""The feature store's adapter: what was loaded is in the online store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from contender.adapters.features import Features
from contender.adapters.online_rows import open_rows
from contender.core.errors import RowsNotConserved
from contender.core.interval import Interval
from contender.core.settings import CHECKOUT, settings
from contender.feast_stores.rows_table import writing
from tests.online_stores import RedisServer
from tests.unit.adapters import lossy_store
from tests.unit.feast_stores.histories import feature_repo, second, write_history

KEPT = "contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore"
ROWS = [("EWR", 1, 0, 0, 5, "a"), ("EWR", 1, 3, 3, 6, "b"), ("JFK", 1, 1, 1, 7, "c"), ("LGA", 2, 2, 2, 8, None)]
INTERVAL = Interval(start=second(0), end=second(60))
Make = Callable[[str], Features]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """The adapter over a real Feast repository with the online store of that type."""

    def make(online_store: str) -> Features:
        write_history(tmp_path / "history", ROWS)
        config = feature_repo(tmp_path).config.model_dump(mode="json", by_alias=True)
        kept = ("project", "provider", "registry", "offline_store", "batch_engine", "entity_key_serialization_version")
        content: dict[str, Any] = {name: config[name] for name in kept}
        content["online_store"] = {"type": online_store, "path": str(tmp_path / "online.db")}
        path = tmp_path / "feature_store.yaml"
        path.write_text(json.dumps(content))  # which is YAML too
        monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(path))
        for name in ("CONTENDER_FEAST_REGISTRY", "CONTENDER_ONLINE_STORE"):
            monkeypatch.setenv(name, "not used here")
        return Features(replace(settings(), home=tmp_path, feature_repo=tmp_path))

    return make


def offline() -> pd.DataFrame:
    rows = [(airport, gate, second(at)) for airport, gate, at, *_ in ROWS]
    return pd.DataFrame(rows, columns=["airport", "gate", "event_timestamp"])


def load(features: Features) -> Any:
    view = features.store.get_feature_view("unlimited")
    features.materialise([view], INTERVAL)
    return view


def test_require_loaded_every_entity_is_there_counts_them(make: Make) -> None:
    features = make(KEPT)
    assert features.require_loaded(load(features), offline()) == 3


def test_require_loaded_no_rows_in_the_interval_is_none(make: Make) -> None:
    features = make(KEPT)
    assert features.require_loaded(load(features), offline().iloc[:0]) == 0


def test_require_loaded_store_drops_a_row_names_view_counts_and_key(make: Make) -> None:
    features = make(lossy_store.NAME)
    view = load(features)
    with pytest.raises(RowsNotConserved, match=r"(?s)view unlimited.*3 entities.*got: 2; .*'airport': '[A-Z]+'"):
        features.require_loaded(view, offline())


def test_require_loaded_online_row_is_older_names_the_entity(make: Make) -> None:
    features = make(KEPT)
    view = load(features)
    newer = offline()
    newer.loc[newer["airport"] == "JFK", "event_timestamp"] = second(9)
    with pytest.raises(RowsNotConserved, match=r"got: 2; absent or older: \{'airport': 'JFK', 'gate': 1\}"):
        features.require_loaded(view, newer)


def test_stack_configuration_differs_from_the_embedded_one_in_its_servers_alone() -> None:
    embedded, stack = (
        yaml.safe_load((CHECKOUT / "feature_repo" / name).read_text())
        for name in ("feature_store.yaml", "feature_store.stack.yaml")
    )
    assert stack["online_store"].pop("connection_string") == embedded["online_store"].pop("path")
    for config in (embedded, stack):
        config["online_store"].pop("type")
        config["registry"].pop("sqlalchemy_config_kwargs", None)
    assert stack == embedded


def test_stack_configuration_declares_the_views_in_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(CHECKOUT / "feature_repo" / "feature_store.stack.yaml"))
    monkeypatch.setenv("CONTENDER_FEAST_REGISTRY", f"sqlite:///{tmp_path / 'registry.db'}")
    monkeypatch.setenv("CONTENDER_ONLINE_STORE", redis_server.url())
    features = Features(replace(settings(), home=tmp_path))
    features.apply(features.definitions("flight_delay", ["origin_weather", "plane_facts"]), "flight_delay")
    with writing(redis_server.url(), 1.0) as writer:
        assert sorted(writer.views_of("contender")) == ["origin_weather", "plane_facts"]
    reader = open_rows(redis_server.url("reader"), 1.0)
    assert reader.read("plane_facts", {"tailnum": "N1"}) is None
