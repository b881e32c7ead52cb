"""The examples of docs/serving.md, run against a live server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.docs.pages import example
from tests.unit.serving.conftest import bundle, raw_client  # noqa: F401  fixtures
from tests.unit.serving.test_predict_raw import GOOD

PAGE = "docs/serving.md"
ADDRESS = "127.0.0.1:8500"


def run(client: httpx.Client, block: str, folder: Path, *, by: tuple[str, ...] = ("bash", "-euc")) -> str:
    """What a block of the page prints, asked of this server instead of the page's."""
    asked = block.replace(ADDRESS, f"127.0.0.1:{client.base_url.port}")
    assert asked != block
    call = [*by, asked]
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def probability(raw_client: httpx.Client) -> float:  # noqa: F811
    """What the model answers to the page's row."""
    row = GOOD | {"hour": 8.5}
    (answer,) = raw_client.post("/predict/raw", json={"instances": [row]}).json()["predictions"]
    return float(answer)


def test_every_way_to_ask_gives_the_same_answer(
    raw_client: httpx.Client,  # noqa: F811
    probability: float,
    tmp_path: Path,
) -> None:
    assert json.loads(run(raw_client, example(PAGE, "raw"), tmp_path))["predictions"] == [probability]
    for block in (example(PAGE, "mlflow"), example(PAGE, "mlflow-csv")):
        ((_, late),) = json.loads(run(raw_client, block, tmp_path))["predictions"]["probabilities"]
        assert late == probability
    answer = json.loads(run(raw_client, example(PAGE, "v2"), tmp_path))
    assert answer["id"] == "42"
    assert answer["outputs"][-1]["data"][-1] == probability
    printed = run(raw_client, example(PAGE, "v2-client"), tmp_path, by=(sys.executable, "-c"))
    assert float(printed.strip("[]\n")) == pytest.approx(probability, abs=1e-6)


def test_refusal_names_each_fault(raw_client: httpx.Client, tmp_path: Path) -> None:  # noqa: F811
    problems = json.loads(run(raw_client, example(PAGE, "refused"), tmp_path))["error"]["problems"]
    assert {(one["index"], one["field"]) for one in problems} == {(0, "hour"), (0, "seats")}
