"""What is particular to an online store in a file: the file, its locks, its permissions."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contender.adapters.online_sqlite import SqliteRows
from contender.core.errors import OnlineStoreUnreachable
from contender.feast_stores.rows_writer import StoredRow, View
from contender.feast_stores.sqlite_writer import remove_if_empty, writing
from tests.unit.adapters.test_online_rows import KEYS, write

WIND = View.of("p", "wind", ["origin", "gate"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(str(tmp_path / "online.db"))
    return tmp_path / "online.db"


def test_read_after_the_file_was_replaced_sees_the_new_one(path: Path, tmp_path: Path) -> None:
    reader = SqliteRows(str(path), 1.0)
    reader.read("wind", KEYS)
    write(str(tmp_path / "rebuilt.db"), 3.0)
    (tmp_path / "rebuilt.db").replace(path)
    row = reader.read("wind", KEYS)
    assert row is not None
    assert row.values == {"wind": 3.0}


def test_read_without_the_file_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(OnlineStoreUnreachable, match=r"gone\.db"):
        SqliteRows(str(tmp_path / "gone.db"), 1.0).read("wind", KEYS)
    assert not (tmp_path / "gone.db").exists()


def test_read_after_the_file_was_removed_says_so(path: Path) -> None:
    reader = SqliteRows(str(path), 1.0)
    reader.read("wind", KEYS)
    path.unlink()
    with pytest.raises(OnlineStoreUnreachable, match="No such file"):
        reader.read("wind", KEYS)


@pytest.mark.parametrize("content", [b"", b"this is no database at all" * 50], ids=["empty", "text"])
def test_read_of_another_kind_of_file_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(OnlineStoreUnreachable):
        SqliteRows(str(tmp_path / "other"), 1.0).read("wind", KEYS)


def test_read_of_a_locked_file_gives_up_in_time_and_recovers(path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    reader = SqliteRows(str(path), 0.05)
    with pytest.raises(OnlineStoreUnreachable, match="locked"):
        reader.read("wind", KEYS)
    holder.execute("ROLLBACK")
    holder.close()
    assert reader.read("wind", KEYS) is not None


def test_read_during_a_large_write_does_not_wait(path: Path) -> None:
    rows: list[StoredRow] = [(f"[{number}]", 1, None, b"x" * 500) for number in range(20_000)]
    with writing(str(path), 1.0) as writer:
        writer.upsert(WIND, rows)
        assert SqliteRows(str(path), 0.05).read("wind", KEYS) is not None
    assert SqliteRows(str(path), 0.05).read("wind", KEYS) is not None


def test_reader_cannot_write(path: Path) -> None:
    reader = SqliteRows(str(path), 1.0)
    reader.read("wind", KEYS)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._local.opened.connection.execute("DELETE FROM rows_wind")


def test_reader_in_many_threads_has_a_connection_for_each(path: Path) -> None:
    reader = SqliteRows(str(path), 1.0)
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


def test_store_on_read_only_files_can_be_read(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "copy.db")
    (tmp_path / "copy.db").chmod(0o444)
    assert SqliteRows(str(tmp_path / "copy.db"), 1.0).read("wind", KEYS) is not None


def test_writing_that_fails_midway_leaves_the_store_as_it_was(path: Path) -> None:
    bad: list[StoredRow] = [('[7,"EWR"]', 9_000_000_000_000_000, None, b"new"), ('["JFK"]', None, None, b"no event")]  # type: ignore[list-item]
    with pytest.raises(OnlineStoreUnreachable, match="NOT NULL"), writing(str(path), 1.0) as writer:
        writer.upsert(WIND, bad)
    row = SqliteRows(str(path), 1.0).read("wind", KEYS)
    assert row is not None
    assert row.values == {"wind": 1.0}


def test_remove_if_empty_keeps_a_file_with_a_view(path: Path) -> None:
    remove_if_empty(path)
    assert path.exists()
    with writing(str(path), 1.0) as writer:
        writer.drop_view("wind")
    remove_if_empty(path)
    assert not path.exists()
