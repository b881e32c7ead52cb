"""The ASOF store equals, row for row, a join that looks at every pair of rows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.feast_stores.histories import TTL_S, entity_frame, reference, write_history

KEYS = st.sampled_from(["EWR", "JFK", None])
GATES = st.sampled_from([1, 2, None])
SECONDS = st.integers(0, 8)
HISTORY_ROWS = st.tuples(
    KEYS,
    GATES,
    SECONDS | st.none(),
    SECONDS | st.none(),
    st.integers(0, 2) | st.none(),
    st.sampled_from(["x", "y", None]),
)
ENTITY_ROWS = st.tuples(KEYS, GATES, SECONDS)


def check(store: FeatureStore, history: list[tuple[Any, ...]], entities: list[tuple[Any, ...]]) -> None:
    """Compare all four kinds of retrieval with the reference, row for row."""
    frame = entity_frame(entities)
    for view, ttl_s in (("unlimited", None), ("limited", TTL_S)):
        for known_at in (False, True):
            got = store.get_historical_features(
                frame, [f"{view}:delay", f"{view}:note"], filter_by_created_timestamp=known_at
            ).to_arrow()
            expected = [reference(e, history, ttl_s=ttl_s, known_at=known_at) for e in entities]
            assert list(zip(got["delay"].to_pylist(), got["note"].to_pylist(), strict=True)) == expected
            assert got["airport"].to_pylist() == [e[0] for e in entities]
            assert got["gate"].to_pylist() == [e[1] for e in entities]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(before=[], history=[("JFK", None, 0, None, 0, "x")], entities=[("JFK", None, 0)])
@given(
    before=st.lists(HISTORY_ROWS, max_size=4),
    history=st.lists(HISTORY_ROWS, max_size=16),
    entities=st.lists(ENTITY_ROWS, min_size=1, max_size=12),
)
def test_asof_store_on_any_history_equals_brute_force(
    shared_repo: tuple[FeatureStore, Path],
    before: list[tuple[Any, ...]],
    history: list[tuple[Any, ...]],
    entities: list[tuple[Any, ...]],
) -> None:
    store, root = shared_repo
    write_history(root / "history", before)
    write_history(root / "history", history)
    check(store, history, entities)


def test_asof_store_on_a_long_revised_history_equals_brute_force(
    shared_repo: tuple[FeatureStore, Path],
) -> None:
    store, root = shared_repo
    chance = random.Random(13)  # noqa: S311
    history = [
        (
            chance.choice(["EWR", "JFK", "LGA"]),
            chance.choice([1, 2]),
            event := chance.randrange(600),
            event + chance.choice([0, 1, 5, 300]),
            chance.randrange(1000),
            chance.choice("abc"),
        )
        for _ in range(1500)
    ]
    entities = [
        (chance.choice(["EWR", "JFK", "SFO", None]), chance.choice([1, 2]), chance.randrange(650)) for _ in range(800)
    ]
    write_history(root / "history", history)
    check(store, history, entities)


@pytest.mark.parametrize("index", [[7, 3, 5], pd.date_range("2013-01-01", periods=3)], ids=["numbers", "dates"])
def test_asof_store_with_an_index_of_the_frame_keeps_index_and_order(
    shared_repo: tuple[FeatureStore, Path], index: Any
) -> None:
    store, root = shared_repo
    write_history(root / "history", [("EWR", 1, 0, 0, 10, "x"), ("EWR", 1, 4, 4, 14, "y")])
    frame = entity_frame([("EWR", 1, 5), ("EWR", 1, 5), ("EWR", 1, 1)]).set_axis(index, axis=0)
    got = store.get_historical_features(frame, ["unlimited:delay"]).to_df()
    assert list(got.index) == list(frame.index)
    assert got["delay"].tolist() == [14, 14, 10]
