"""Snapshots read again later: the version's rows and its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from contender.adapters.lake import Lake
from contender.core.errors import DataError
from tests.s3 import KEYS, client
from tests.unit.test_lake import FEBRUARY, JANUARY, rows


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_slice_is_read_again_as_it_was_after_the_table_went_on(lake: Lake) -> None:
    snapshot = lake.write("table", rows("2013-01-01", "2013-01-02"), time="at", interval=JANUARY)
    files = lake.files_digest("table", snapshot.version)
    lake.write("table", rows("2013-01-03"), time="at", interval=JANUARY)
    assert lake.again(snapshot) == snapshot
    assert lake.files_digest("table", snapshot.version) == files
    assert lake.files_digest("table", snapshot.version + 1) != files


def test_slice_written_after_another_with_more_columns_is_read_again_as_it_was(lake: Lake) -> None:
    lake.write("table", rows("2013-02-01").assign(more=1.0), time="at", interval=FEBRUARY)
    snapshot = lake.write("table", rows("2013-01-01"), time="at", interval=JANUARY)
    assert lake.again(snapshot) == snapshot


def test_whole_table_is_read_again(lake: Lake) -> None:
    snapshot = lake.write("table", rows("2013-01-01"))
    assert (snapshot.time, lake.again(snapshot)) == ("", snapshot)


def test_files_differ_by_a_byte_that_no_reader_looks_at(lake: Lake, tmp_path: Path) -> None:
    snapshot = lake.write("table", rows("2013-01-01"), time="at", interval=JANUARY)
    before = lake.files_digest("table", snapshot.version)
    (file,) = (tmp_path / "table").glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    assert lake.again(snapshot) == snapshot
    assert lake.files_digest("table", snapshot.version) != before


def test_version_that_is_gone_is_told(lake: Lake, tmp_path: Path) -> None:
    snapshot = lake.write("table", rows("2013-01-01"), time="at", interval=JANUARY)
    with pytest.raises(DataError, match="version 7"):
        lake.again(snapshot.model_copy(update={"version": 7}))
    for file in (tmp_path / "table").glob("*.parquet"):
        file.unlink()
    for look in (lambda: lake.again(snapshot), lambda: lake.files_digest("table", snapshot.version)):
        with pytest.raises(DataError, match="a version of a table cannot be read"):
            look()


def test_slice_and_files_of_an_object_store_are_read_again(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": s3, "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    client(s3).create_bucket(Bucket="again")
    lake = Lake("s3://again/lake")
    snapshot = lake.write("table", rows("2013-01-01"), time="at", interval=JANUARY)
    assert lake.again(snapshot) == snapshot
    assert len(lake.files_digest("table", snapshot.version)) == 64
