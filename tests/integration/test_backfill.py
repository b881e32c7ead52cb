"""Three months by Airflow's own backfill on a live platform, then one of them again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from contender.client.airflow_api import AirflowApi
from contender.core import decisions
from contender.core.settings import CHECKOUT
from contender.embedded import processes
from contender.embedded.lifecycle import Platform, bring_up, take_down
from tests.docs.pages import example

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

DAG = "flight_delay_train"
RUN_SECONDS = 1200
MONTHS = ("2013-02-01/2013-03-01", "2013-03-01/2013-04-01", "2013-04-01/2013-05-01")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform on empty stores, `flight_delay_train` parsed and paused, as README asks for."""
    home = tmp_path_factory.mktemp("backfill")
    try:
        started = bring_up(home, print)
        with contextlib.closing(started.api()) as api:
            wait_until(lambda: api.dag(DAG) is not None, 60)
        yield started
    finally:
        take_down(home, print)
        assert processes.survivors(home) == []


def wait_until(true: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(1)


def run_on(platform: Platform, commands: str) -> None:
    """Run commands of the README in the checkout, on this platform."""
    env = {**os.environ, "CONTENDER_HOME": str(platform.home)}
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def ended(api: AirflowApi, number: int) -> list[dict[str, Any]]:
    """The runs, oldest first, once there are so many and all have ended."""
    wait_until(
        lambda: len(runs := api.runs(DAG)) == number and all(run["state"] in {"success", "failed"} for run in runs),
        RUN_SECONDS,
    )
    return sorted(api.runs(DAG), key=lambda run: run["start_date"])


def test_backfill_of_three_months_yields_three_versions_and_verdicts_and_one_again_yields_none(
    platform: Platform,
) -> None:
    commands = example("README.md", "backfill")
    assert "2013-07-01" in commands
    assert "2013-09-30" in commands
    run_on(platform, commands.replace("2013-07-01", "2013-02-01").replace("2013-09-30", "2013-04-30"))
    with contextlib.closing(platform.api()) as api:
        runs = ended(api, 3)
        assert [run["state"] for run in runs] == ["success"] * 3
        fitted = [api.xcom(DAG, run["dag_run_id"], "train.fit") for run in runs]
        assert [one["version"] for one in fitted] == ["1", "2", "3"]
        log = decisions.verify(platform.home / "decisions" / "flight_delay.jsonl")
        verdicts = [record for record in log if record.kind == "decision"]
        assert [str(record.interval) for record in verdicts] == list(MONTHS)

        again = api.trigger(DAG, {"interval": "2013-04"})
        assert ended(api, 4)[-1]["state"] == "success"
        assembled = [api.xcom(DAG, run, "train.assemble") for run in (runs[-1]["dag_run_id"], again)]
        assert assembled[0]["training_set"] == assembled[1]["training_set"]
        refitted = api.xcom(DAG, again, "train.fit")
        assert (refitted["version"], refitted["new_version"]) == ("3", False)
        assert refitted["model_digest"] == fitted[-1]["model_digest"]

    promoted = [record for record in log if record.kind == "promotion"]
    for record in promoted:
        manifest = platform.home / "releases" / "flight_delay" / record.subject.split()[-1] / "release.json"
        assert json.loads(manifest.read_text())["verdict"]["verdict"] == "promote"
