"""The serving app's reader of the online store."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from contender.adapters.online_rows import OnlineRows, Row, encode_key, is_known
from contender.core.errors import OnlineStoreUnreachable
from contender.feast_stores.rows_table import upsert, write_rows, writing

T0 = datetime(2013, 1, 1, tzinfo=UTC)


def write(path: Path, value: float = 1.0, *, event: datetime = T0) -> None:
    table = pa.table(
        {"origin": ["EWR"], "gate": [7], "t": pa.array([event], pa.timestamp("us", "UTC")), "wind": [value]}
    )
    write_rows(str(path), "wind", table, project="p", join_keys=["origin", "gate"], features=["wind"], event_column="t")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "online.db")
    return tmp_path / "online.db"


KEYS: dict[str, str | int] = {"gate": 7, "origin": "EWR"}


def test_read_of_a_known_entity_gives_values_and_time(path: Path) -> None:
    row = OnlineRows(str(path), 1.0).read("wind", KEYS)
    assert row is not None
    assert (row.values, row.event_time) == ({"wind": 1.0}, T0)


def test_read_of_an_unknown_entity_gives_none(path: Path) -> None:
    assert OnlineRows(str(path), 1.0).read("wind", {"gate": 8, "origin": "EWR"}) is None


def test_read_tells_numbers_from_text(path: Path) -> None:
    assert OnlineRows(str(path), 1.0).read("wind", {"gate": "7", "origin": "EWR"}) is None


def test_read_many_answers_in_the_order_asked(path: Path) -> None:
    asked: list[tuple[str, dict[str, str | int]]] = [("wind", {"gate": 8, "origin": "EWR"}), ("wind", KEYS)]
    none, row = OnlineRows(str(path), 1.0).read_many(asked)
    assert none is None
    assert row is not None
    assert row.values == {"wind": 1.0}


def test_read_after_a_write_sees_it(path: Path) -> None:
    reader = OnlineRows(str(path), 1.0)
    reader.read("wind", KEYS)
    write(path, 2.0, event=T0 + timedelta(hours=1))
    row = reader.read("wind", KEYS)
    assert row is not None
    assert row.values == {"wind": 2.0}


def test_read_after_the_file_was_replaced_sees_the_new_one(path: Path, tmp_path: Path) -> None:
    reader = OnlineRows(str(path), 1.0)
    reader.read("wind", KEYS)
    write(tmp_path / "rebuilt.db", 3.0)
    (tmp_path / "rebuilt.db").replace(path)
    row = reader.read("wind", KEYS)
    assert row is not None
    assert row.values == {"wind": 3.0}


def test_read_without_the_file_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(OnlineStoreUnreachable, match=r"gone\.db"):
        OnlineRows(str(tmp_path / "gone.db"), 1.0).read("wind", KEYS)
    assert not (tmp_path / "gone.db").exists()


def test_read_after_the_file_was_removed_says_so(path: Path) -> None:
    reader = OnlineRows(str(path), 1.0)
    reader.read("wind", KEYS)
    path.unlink()
    with pytest.raises(OnlineStoreUnreachable, match="No such file"):
        reader.read("wind", KEYS)


@pytest.mark.parametrize("content", [b"", b"this is no database at all" * 50], ids=["empty", "text"])
def test_read_of_another_kind_of_file_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(OnlineStoreUnreachable):
        OnlineRows(str(tmp_path / "other"), 1.0).read("wind", KEYS)


def test_read_of_a_locked_file_gives_up_in_time_and_recovers(path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    reader = OnlineRows(str(path), 0.05)
    with pytest.raises(OnlineStoreUnreachable, match="locked"):
        reader.read("wind", KEYS)
    holder.execute("ROLLBACK")
    holder.close()
    assert reader.read("wind", KEYS) is not None


def test_read_during_a_large_write_does_not_wait(path: Path) -> None:
    rows = [(f"[{number}]", 1, None, b"x" * 500) for number in range(20_000)]
    with writing(str(path), 1.0) as connection:
        upsert(connection, "wind", rows)
        assert OnlineRows(str(path), 0.05).read("wind", KEYS) is not None
    assert OnlineRows(str(path), 0.05).read("wind", KEYS) is not None


def test_read_of_an_unknown_view_names_it(path: Path) -> None:
    with pytest.raises(OnlineStoreUnreachable, match="feature view rain is not in the online store"):
        OnlineRows(str(path), 1.0).read("rain", KEYS)


def test_read_by_other_join_keys_names_both(path: Path) -> None:
    with pytest.raises(OnlineStoreUnreachable, match="expected: gate, origin; got: carrier"):
        OnlineRows(str(path), 1.0).read("wind", {"carrier": "UA"})


def test_reader_cannot_write(path: Path) -> None:
    reader = OnlineRows(str(path), 1.0)
    reader.read("wind", KEYS)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._local.opened.connection.execute("DELETE FROM rows_wind")


def test_reader_in_many_threads_has_a_connection_for_each(path: Path) -> None:
    reader = OnlineRows(str(path), 1.0)
    barrier = threading.Barrier(4)

    def read(_: int) -> int:
        barrier.wait()
        row = reader.read("wind", KEYS)
        assert row is not None
        connection = id(reader._local.opened.connection)
        barrier.wait()
        reader.close()
        return connection

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(read, range(4)))) == 4


def test_reader_imports_neither_feast_nor_pandas() -> None:
    heavy = "{'feast', 'pandas', 'numpy', 'pyarrow'}"
    code = f"import sys, contender.adapters.online_rows; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert found.stdout.strip() == "[]"


def test_store_on_read_only_files_can_be_read(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "copy.db")
    (tmp_path / "copy.db").chmod(0o444)
    assert OnlineRows(str(tmp_path / "copy.db"), 1.0).read("wind", KEYS) is not None


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
