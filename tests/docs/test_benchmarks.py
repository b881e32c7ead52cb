"""docs/benchmarks.md is what report makes of docs/benchmarks.json, and of such rows in general."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contender.bench import __main__ as bench
from contender.bench import report
from contender.bench.record import BenchmarksUnreadable, record

ROW: dict[str, Any] = {
    "name": "task_overhead_s", "value": 0.1834, "unit": "s", "better": "lower", "aim": 0.2, "command": "make bench",
    "versions": {"python": "3.11.7"},
}  # fmt: skip


def test_benchmarks_page_is_generated_from_the_recorded_rows() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.render(report.read()), "run make bench, or report.write()"


@pytest.mark.parametrize(
    ("changed", "met"),
    [
        pytest.param({}, "yes", id="lower-and-below"),
        pytest.param({"value": 0.3}, "no", id="lower-and-above"),
        pytest.param({"better": "higher"}, "no", id="higher-and-below"),
        pytest.param({"aim": None}, "-", id="no-aim"),
        pytest.param({"value": None, "note": "no engine"}, "-", id="not-measured"),
    ],
)
def test_render_row_says_whether_the_aim_is_met(changed: dict[str, Any], met: str) -> None:
    page = report.render([ROW | changed])
    assert f"| {met} |" in page
    assert changed.get("note", "") in page


def test_render_detail_of_rows_becomes_a_table() -> None:
    page = report.render([ROW | {"detail": [{"stage": "data", "s": 1.23456}, {"stage": "train", "s": 2.0}]}])
    assert "| stage | s |" in page
    assert "| data | 1.23 |" in page


def test_render_figure_is_shown() -> None:
    assert "![task_overhead_s](images/x.png)" in report.render([ROW | {"figure": "images/x.png"}])


def test_render_without_rows_says_so() -> None:
    assert "No benchmark has been recorded yet" in report.render([])


def test_read_recorded_row_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.json"
    record("x", 1.5, "ratio", "lower", 2.0, "make bench", detail={"part": 1.0}, path=path)
    assert [row["name"] for row in report.read(path)] == ["x"]


@pytest.mark.parametrize("content", ["{", '{"a": 1}', json.dumps([{"name": "x"}])], ids=["cut", "mapping", "short-row"])
def test_read_file_of_another_form_names_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "benchmarks.json"
    path.write_text(content)
    with pytest.raises(BenchmarksUnreadable, match=r"benchmarks\.json"):
        report.read(path)


def test_benches_are_the_modules_with_a_main() -> None:
    found = bench.benches()
    assert "gate_false_promotion" in found
    assert not {"__main__", "report", "record", "chain"} & set(found)


def test_chosen_name_means_itself_or_its_family() -> None:
    names = ["gate_power", "gate_replay", "gateway", "pit_join"]
    assert bench.chosen("gate", names) == ["gate_power", "gate_replay"]
    assert bench.chosen("pit_join", names) == ["pit_join"]
    assert bench.chosen("gate_", names) == []
    assert bench.chosen(None, names) == names


def test_main_unknown_bench_is_refused_and_the_known_ones_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--only", "nope"]) == bench.UNKNOWN
    assert "gate_power" in capsys.readouterr().err
