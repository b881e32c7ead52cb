"""A table and a view of another model: one copy in the lake, made by the owner's code, whichever model runs first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contender.adapters.lake import Lake
from contender.bench.chain import Chain
from contender.core.errors import ValidationFailed
from contender.core.interval import Interval
from contender.core.model_code import module_of
from contender.core.settings import CHECKOUT, settings

FEBRUARY = Interval.parse("2013-02")
DAG = """
from datetime import UTC, datetime
from contender.core.spec import Column, ModelSpec, Table, View, Windows
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2,
    name="{name}", title="Made up", owner="tests", data_from=datetime(2013, 1, 1, tzinfo=UTC),
    tables=(Table(name="visits", time_column="at", key=("id",){owner}),),
    views=(View(name="habits", max_age_hours=48{owner}),), columns=(Column(name="many", source="habits"),),
    label="late", windows=Windows(history_days=40, holdout_starts_after_days=14, gap_hours=0, lookback_days=3),
)
train, score, deploy = model_dags(SPEC, doc=None, file=__file__)
"""
OWNER = """
import pandas as pd

FACTOR = 1.0

def read(table, source=""):
    times = pd.date_range("2013-01-01", "2013-03-01", freq="6h", inclusive="left", tz="UTC", unit="us")
    return pd.DataFrame({"id": [f"v{number}" for number in range(len(times))], "at": times, "shop": "a"})

def features(tables, interval):
    rows = tables["visits"]
    rows = rows[(rows["at"] >= interval.start) & (rows["at"] < interval.end)]
    made = rows[["shop"]].assign(many=FACTOR, event_timestamp=rows["at"], created_timestamp=rows["at"])
    return {"habits": made.reset_index(drop=True)}

def estimator(parameters, *, numbers, categories, seed):
    raise NotImplementedError

def search_space():
    return {}
"""
SHARER = """
from shop.model import FACTOR

def estimator(parameters, *, numbers, categories, seed):
    raise NotImplementedError(FACTOR)

def search_space():
    return {}
"""
COUNTED = {"type": "expect_table_row_count_to_be_between", "severity": "critical", "meta": {"reason": "made so"}}


def suite(name: str, least: int) -> str:
    return json.dumps({"name": name, "expectations": [COUNTED | {"kwargs": {"min_value": least}}]})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the models `shop`, which owns a table and a view, and `basket`, which takes both."""
    for name, owner, model in (("shop", "", OWNER), ("basket", ', owner="shop"', SHARER)):
        folder = tmp_path / "dags" / name
        folder.mkdir(parents=True)
        (folder / "dag.py").write_text(DAG.format(name=name, owner=owner))
        (folder / "model.py").write_text(model)
    for name in ("visits", "habits"):
        file = tmp_path / "expectations" / "shop" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(suite(name, 1))
    places = {"HOME": "home", "MODELS": "dags", "EXPECTATIONS": "expectations", "FEATURE_REPO": "feature_repo"}
    for name, folder_name in places.items():
        monkeypatch.setenv(f"CONTENDER_{name}", str(tmp_path / folder_name))
    return tmp_path


def run(name: str) -> dict[str, Any]:
    """Bring in and build; what the tasks returned."""
    dag, chain = module_of(settings().models / name, "dag").train, Chain(FEBRUARY, 1, f"{name}-run")
    chain.call(dag, "data.load", validated=chain.call(dag, "data.validate"))
    chain.call(dag, "features.build")
    return chain.returned


def tables(root: Path) -> set[str]:
    lake = root / "home" / "lake"
    return {str(log.parent.relative_to(lake)) for log in lake.rglob("_delta_log")}


@pytest.mark.parametrize(("first", "second"), [("shop", "basket"), ("basket", "shop")])
def test_run_of_the_second_model_finds_what_the_first_made(root: Path, first: str, second: str) -> None:
    made, found = run(first), run(second)
    lake = Lake(settings().lake)
    assert made["data.load"]["written"] == ["visits 2013-01", "visits 2013-02"]
    assert (found["data.validate"]["months"], found["data.load"]["written"]) == ([str(FEBRUARY)], [])
    assert found["features.build"]["months"] == [str(FEBRUARY)]  # a run's own month is always computed
    assert found["features.build"]["snapshots"] == made["features.build"]["snapshots"]
    assert len(lake.read("visits")) == len(lake.read("habits")) == (31 + 28) * 4
    assert {"visits", "habits", "_built/shop"} <= tables(root)
    assert "_built/basket" not in tables(root)


def test_change_of_the_owner_s_code_builds_anew_in_a_run_of_the_sharing_model(root: Path) -> None:
    run("basket")
    model = root / "dags" / "shop" / "model.py"
    model.write_text(OWNER.replace("FACTOR = 1.0", "FACTOR = 2.0"))
    for module in [name for name in sys.modules if name.split(".")[0] in {"shop", "basket"}]:
        del sys.modules[module]
    assert run("basket")["features.build"]["months"] == ["2013-01-01/2013-02-01", str(FEBRUARY)]
    assert set(Lake(settings().lake).read("habits")["many"]) == {2.0}


@pytest.mark.parametrize("name", ["visits", "habits"])
def test_run_of_the_sharing_model_is_held_to_the_owner_s_suites(root: Path, name: str) -> None:
    (root / "expectations" / "shop" / f"{name}.json").write_text(suite(name, 1_000))
    with pytest.raises(ValidationFailed, match=f"{name} 2013-01"):
        run("basket")
    assert "habits" not in tables(root)


def test_runs_of_both_models_at_once_make_one_copy(root: Path) -> None:
    # Ended as Airflow ends a task's process: at Python's own exit a library's thread aborts now and then.
    code = (
        "import os, sys; from tests.unit.operators.test_sharing import run; "
        "run(sys.argv[1]); print('done', flush=True); os._exit(0)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (CHECKOUT, CHECKOUT / "plugins")))}
    calls = [[sys.executable, "-W", "ignore", "-c", code, name] for name in ("shop", "basket")]
    running = [subprocess.Popen(call, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for call in calls]
    said = [process.communicate()[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert all(text.endswith("done\n") for text in said), said
    lake = Lake(settings().lake)
    assert len(lake.read("visits")) == len(lake.read("habits")) == (31 + 28) * 4
    assert lake.read("visits")["id"].is_unique
