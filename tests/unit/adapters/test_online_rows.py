"""The serving app's reader of the online store, over a file and over Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from contender.adapters.online_rows import Row, encode_key, is_known, open_rows
from contender.core.errors import OnlineStoreUnreachable
from contender.feast_stores.rows_table import write_rows, writing

T0 = datetime(2013, 1, 1, tzinfo=UTC)


def write(address: str, value: float = 1.0, *, event: datetime = T0) -> None:
    table = pa.table(
        {"origin": ["EWR"], "gate": [7], "t": pa.array([event], pa.timestamp("us", "UTC")), "wind": [value]}
    )
    write_rows(address, "wind", table, project="p", join_keys=["origin", "gate"], features=["wind"], event_column="t")


@pytest.fixture
def store(address: str) -> str:
    write(address)
    return address


KEYS: dict[str, str | int] = {"gate": 7, "origin": "EWR"}


def test_read_of_a_known_entity_gives_values_and_time(store: str) -> None:
    row = open_rows(store, 1.0).read("wind", KEYS)
    assert row is not None
    assert (row.values, row.event_time) == ({"wind": 1.0}, T0)


def test_read_of_an_unknown_entity_gives_none(store: str) -> None:
    assert open_rows(store, 1.0).read("wind", {"gate": 8, "origin": "EWR"}) is None


def test_read_tells_numbers_from_text(store: str) -> None:
    assert open_rows(store, 1.0).read("wind", {"gate": "7", "origin": "EWR"}) is None


def test_read_many_answers_in_the_order_asked(store: str) -> None:
    asked: list[tuple[str, dict[str, str | int]]] = [("wind", {"gate": 8, "origin": "EWR"}), ("wind", KEYS)]
    none, row = open_rows(store, 1.0).read_many(asked)
    assert none is None
    assert row is not None
    assert row.values == {"wind": 1.0}


def test_read_after_a_write_sees_it(store: str) -> None:
    reader = open_rows(store, 1.0)
    reader.read("wind", KEYS)
    write(store, 2.0, event=T0 + timedelta(hours=1))
    row = reader.read("wind", KEYS)
    assert row is not None
    assert row.values == {"wind": 2.0}


def test_read_of_an_unknown_view_names_it(store: str) -> None:
    with pytest.raises(OnlineStoreUnreachable, match="feature view rain is not in the online store"):
        open_rows(store, 1.0).read("rain", KEYS)


def test_read_of_a_view_that_was_dropped_says_so(store: str) -> None:
    reader = open_rows(store, 1.0)
    reader.read("wind", KEYS)
    with writing(store, 1.0) as writer:
        writer.drop_view("wind")
    with pytest.raises(OnlineStoreUnreachable, match="wind"):
        reader.read("wind", KEYS)


def test_read_many_of_nothing_gives_nothing(store: str) -> None:
    assert open_rows(store, 1.0).read_many([]) == []


def test_read_after_close_opens_again(store: str) -> None:
    reader = open_rows(store, 1.0)
    reader.read("wind", KEYS)
    reader.close()
    assert reader.read("wind", KEYS) is not None


def test_read_in_a_forked_process_has_a_connection_of_its_own(store: str) -> None:
    reader = open_rows(store, 1.0)
    reader.read("wind", KEYS)
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            wanted = KEYS | {"gate": 7 + number}
            answers = [reader.read("wind", wanted) for _ in range(200)]
            # Nothing of pytest's own may run in the child.
            os._exit(0 if all((answer is None) == bool(number) for answer in answers) else 1)
        children.append(child)
    answers = [reader.read("wind", KEYS) for _ in range(200)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert None not in answers


def test_read_by_many_threads_mixes_no_answers_up(store: str) -> None:
    reader = open_rows(store, 1.0)
    barrier = threading.Barrier(4)

    def read(number: int) -> list[bool]:
        barrier.wait()
        return [reader.read("wind", KEYS | {"gate": 7 + number}) is None for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == [[bool(number)] * 100 for number in range(4)]


def test_read_by_other_join_keys_names_both(store: str) -> None:
    with pytest.raises(OnlineStoreUnreachable, match="expected: gate, origin; got: carrier"):
        open_rows(store, 1.0).read("wind", {"carrier": "UA"})


def test_reader_imports_neither_feast_nor_pandas(store: str) -> None:
    heavy = "{'feast', 'pandas', 'numpy', 'pyarrow'}"
    code = f"""
import sys
from contender.adapters.online_rows import open_rows
assert open_rows(sys.argv[1], 1.0).read("wind", {KEYS}) is not None
print(sorted({heavy} & set(sys.modules)))
"""
    found = subprocess.run(
        [sys.executable, "-c", code, store],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("age_s", "ttl_s", "expected"),
    [
        (0, 10, True),
        (10, 10, True),
        (10.000001, 10, False),
        (-0.000001, 10, False),
        (9e9, 0, True),
        (9e9, None, True),
        (-1, None, False),
    ],
    ids=["now", "last moment", "too old", "of the future", "zero is no limit", "no limit", "future without limit"],
)
def test_is_known_has_the_edges_of_the_join(age_s: float, ttl_s: float | None, expected: bool) -> None:
    at = datetime(2400, 1, 1, tzinfo=UTC)
    ttl = None if ttl_s is None else timedelta(seconds=ttl_s)
    moment = at - timedelta(seconds=age_s)
    assert is_known(Row({}, moment, moment), at, ttl) is expected


def test_is_known_before_the_row_could_be_known_is_false() -> None:
    at = datetime(2400, 1, 1, tzinfo=UTC)
    row = Row({}, event_time=at - timedelta(hours=1), known_at=at + timedelta(seconds=1))
    assert not is_known(row, at, None)
    assert is_known(row, at + timedelta(seconds=1), None)


def test_encode_key_does_not_depend_on_the_order_of_the_keys() -> None:
    assert encode_key({"b": 1, "a": "x"}) == encode_key({"a": "x", "b": 1}) == '["x",1]'


@pytest.mark.parametrize("address", ["postgresql://u:secret@h/d", "unix://secret", "REDIS://h"])
def test_open_rows_url_of_another_kind_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(OnlineStoreUnreachable, match="of a kind that is not known") as refused:
        open_rows(address, 1.0)
    assert "secret" not in str(refused.value)
