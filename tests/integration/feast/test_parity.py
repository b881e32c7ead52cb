"""A feature's online value is its offline value at the same entity and time, at the reference model's size."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contender.adapters.online_rows import is_known, open_rows
from contender.bench import feast_tables as ft
from tests.online_stores import online_config

KEYS = {"origin": 3, "carrier": 16}
FEATURES = {"origin": 5, "carrier": 5}
HISTORY = {"origin": 35_040, "carrier": 8_760}
CONFIG = {"offline_store": ft.OURS_OFFLINE, "online_store": ft.OURS_ONLINE, "batch_engine": ft.OURS_ENGINE}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("year")
    for number, (key, entities) in enumerate(KEYS.items()):
        ft.write_history(root, key, entities, HISTORY[key], FEATURES[key], seed=number)
    return root


# About half a second on two free cores; a product of pairs instead of a join would not end within the time-out.
@pytest.mark.timeout(120)
@pytest.mark.parametrize("known_at", [False, True], ids=["by event time", "by known time"])
def test_retrieval_of_a_year_of_flights_ends_and_loses_no_row(folder: Path, known_at: bool) -> None:
    store = ft.repository(folder / f"repository_{known_at}", FEATURES, folder=folder, **CONFIG)
    frame = ft.entity_frame(KEYS, 336_776, seed=1)
    got = store.get_historical_features(frame, ft.refs(FEATURES), filter_by_created_timestamp=known_at).to_df()
    assert len(got) == len(frame)
    assert got["origin"].equals(frame["origin"])


def test_online_values_equal_offline_values_at_the_time_of_the_load(folder: Path, address: str, tmp_path: Path) -> None:
    config = CONFIG | {"online_store": online_config(address)}
    store = ft.repository(tmp_path, FEATURES, folder=folder, **config)
    at = ft.START + timedelta(days=200, hours=5, minutes=7)
    store.materialize(ft.START, at)
    reader = open_rows(address, 1.0)
    for key, entities in KEYS.items():
        frame = pd.DataFrame({key: [f"{key}{n}" for n in range(entities)], "event_timestamp": [at] * entities})
        offline = store.get_historical_features(frame, ft.refs({key: FEATURES[key]})).to_df()
        names = [f"{key}_{number}" for number in range(FEATURES[key])]
        for expected in offline.to_dict("records"):
            row = reader.read(f"{key}_view", {key: expected[key]})
            assert row is not None
            assert is_known(row, at + timedelta(seconds=60), ft.TTL)
            assert np.array_equal([row.values[name] for name in names], [expected[name] for name in names])
