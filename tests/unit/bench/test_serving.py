"""The bench of serving: what it makes of a load's output, the ratios, the checks, and a run of its harness."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from contender.bench import serving_arena, serving_entity, serving_rivals
from contender.bench import serving_rounds as rounds
from contender.bench.serving_arena import Arena, Disagreement, require_same
from contender.bench.serving_image_command import image_command
from contender.bench.serving_load import Load, LoadFailed, generator, parsed
from contender.bench.serving_model import Made
from contender.bench.serving_redis import commands
from contender.serving.bundle import load_bundle
from tests.unit.serving.tiny import write_bundle

FIGURES = {"requests": 3000, "microseconds": 1_500_000, "p50_us": 350, "p99_us": 2100, "refused": 0, "broken": 0}
CELL = rounds.Cell(1, 8)


def output(**changed: int) -> str:
    return f"Running 1s test @ http://127.0.0.1:1/\nRequests/sec: 2000\ncontender {json.dumps(FIGURES | changed)}\n"


def test_parsed_output_of_wrk_gives_rate_and_percentiles() -> None:
    assert parsed(output(), "here") == Load(requests_s=2000.0, p50_ms=0.35, p99_ms=2.1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(output(refused=1), id="not-2xx"),
        pytest.param(output(broken=2), id="no-answer"),
        pytest.param(output(requests=0), id="nothing"),
        pytest.param("unable to connect to 127.0.0.1:1", id="no-server"),
    ],
)
def test_parsed_load_with_a_fault_is_no_figure(text: str) -> None:
    with pytest.raises(LoadFailed, match=r"not every request .* where: here"):
        parsed(text, "here")


def test_generator_absent_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LoadFailed, match=r"apt-get install wrk"):
        generator()


def taken(*rates: float) -> list[Load]:
    return [Load(rate, 1000 / rate, 2000 / rate) for rate in rates]


def test_ratio_is_the_median_of_the_rounds_and_not_of_their_sums() -> None:
    loads = {"a": taken(100, 10, 90), "b": taken(10, 1, 30)}  # the machine was busy in the second round
    assert rounds.ratio(loads, "a", "b") == 10
    assert rounds.ratio(loads, "a", "b", "p99_ms") == pytest.approx(0.1)


def test_rounds_takes_the_servers_in_turn_within_each_cell() -> None:
    asked: list[str] = []

    def measure(name: str, cell: rounds.Cell) -> Load:
        asked.append(f"{name}{cell.rows}")
        return taken(1)[0]

    cells = [rounds.Cell(1, 8), rounds.Cell(100, 8)]
    found = rounds.rounds(["a", "b"], cells, 2, measure)
    assert asked == ["a1", "b1", "a100", "b100"] * 2
    assert len(found[cells[0]]["a"]) == 2


def test_table_has_a_row_for_each_cell_and_server_with_both_ratios() -> None:
    found = {CELL: {"ours": taken(100), "base": taken(2), "limit": taken(200)}}
    first, *others = rounds.table(found, "base", "limit")
    assert first == {
        "server": "ours", "rows": 1, "concurrency": 8, "requests/s": 100.0, "p50 ms": 10.0, "p99 ms": 20.0,
        "times base": 50.0, "of limit": 0.5,
    }  # fmt: skip
    assert [row["server"] for row in others] == ["base", "limit"]


@pytest.mark.parametrize("other", [[0.1, 0.2001], [0.1], [0.1, float("nan")]], ids=["another", "fewer", "nan"])
def test_require_same_another_answer_is_another_model(other: list[float]) -> None:
    require_same({"a": [0.1, 0.2], "b": [0.1, 0.200001]})
    with pytest.raises(Disagreement, match=r"c beside a"):
        require_same({"a": [0.1, 0.2], "c": other})


def test_summary_ratio_is_over_two_bare_look_ups_and_the_raw_features() -> None:
    one = {f"{who} {figure} ms": value for figure in ("p50", "p99")
           for who, value in (("bare", 1.0), ("raw", 2.0), ("entity", 3.0))}  # fmt: skip
    assert serving_entity.summary([one] * 3)["p99 ratio"] == 0.75


def test_image_command_is_the_images_with_another_app_for_the_limit() -> None:
    ours, limit = (image_command(9, "py", app=app) for app in ("", "x:app"))
    assert ours[:3] == limit[:3] == ["py", "-m", "uvicorn"]
    assert set(ours) - set(limit) == {"contender.serving.app:app_from_env", "--factory"}
    assert set(limit) - set(ours) == {"x:app"}
    assert ours[ours.index("--port") + 1] == "9"


def test_commands_of_a_request_are_the_declarations_and_a_row_of_each_view(tmp_path: Path) -> None:
    body = {"flight": 1, "origin": "JFK", "dest": "LAX", "carrier": "VX", "tailnum": "N626VA",
            "scheduled_departure": "2013-04-01T00:00:00Z"}  # fmt: skip
    declarations, *reads = commands(load_bundle(write_bundle(tmp_path / "bundle")), body)
    assert declarations == [
        "contender:views", "origin_weather", "carrier_punctuality", "route_punctuality", "plane_facts"
    ]  # fmt: skip
    assert reads[2] == ["contender:rows:route_punctuality", '["JFK-LAX"]']


def test_mlflow_answers_of_both_flavours_are_read_alike(tmp_path: Path) -> None:
    read = serving_rivals.mlflow(Made(tmp_path)).read
    assert read is not None
    assert read(b'{"predictions": [[0.75, 0.25]]}') == [0.25]
    assert read(b'{"predictions": [{"probabilities": 0.75}, {"probabilities": 0.25}]}') == [0.25]


@pytest.mark.slow
def test_arena_contender_and_the_limit_are_loaded(tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed; on Debian it is in the package of that name")
    bundle = write_bundle(tmp_path / "bundle")
    golden = json.loads((bundle / "golden.json").read_text())["requests"]
    rows: list[dict[str, Any]] = [one["inputs"] for one in golden] * 100
    arena = Arena(rows[:120], tmp_path)
    with arena.running([serving_rivals.contender(bundle, tmp_path), serving_rivals.echo(arena.sizes)]) as names:
        found = rounds.rounds(names, [CELL], 1, lambda name, cell: arena.measure(name, cell, 1.0))
    assert [row["server"] for row in rounds.table(found, "contender", "echo")] == ["contender", "echo"]
    assert all(fact["memory MB"] > 0 and fact["start-up s"] > 0 for fact in arena.facts.values())
    assert set(arena.sizes) == set(serving_arena.BODIES)
