"""The writer that every bench records its figure with."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contender.bench.record import BenchmarksUnreadable, record


def rows(path: Path) -> dict[str, float]:
    return {row["name"]: row["value"] for row in json.loads(path.read_text())}


def test_record_replaces_the_row_of_its_name_only(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "benchmarks.json"
    for name, value in (("b", 1.0), ("a", 2.0), ("b", 3.0)):
        record(name, value, "ratio", "lower", 1.0, "make bench", path=path)
    assert list(rows(path).items()) == [("a", 2.0), ("b", 3.0)]


def test_record_from_many_threads_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.json"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: record(f"n{n}", n, "s", "lower", None, "c", path=path), range(12)))
    assert len(rows(path)) == 12


@pytest.mark.parametrize("content", ["", "{}", "[1]"], ids=["empty", "object", "numbers"])
def test_record_into_another_kind_of_file_leaves_it_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "benchmarks.json"
    path.write_text(content)
    with pytest.raises(BenchmarksUnreadable):
        record("a", 1.0, "s", "lower", None, "c", path=path)
    assert path.read_text() == content
