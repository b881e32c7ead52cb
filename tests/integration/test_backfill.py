"""README's backfill on a live platform: three months, one after another, then one of them again."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from contender.client.airflow_api import AirflowApi
from contender.core import decisions
from contender.core.settings import CHECKOUT
from contender.embedded.lifecycle import Platform
from tests.docs.pages import example
from tests.integration.live import wait_until

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(1800)]

MODEL = "origin_departures"
DAG = f"{MODEL}_train"
RUN_SECONDS = 1200
# What README says, and what is said here for less work: of a model with few rows, months with less history, and one
# trial for each.
HERE = {
    "flight_delay": MODEL,
    "2013-07-01": "2013-04-01",
    "2013-09-30": "2013-06-30",
    "--max-active-runs 1": r"--max-active-runs 1 --dag-run-conf '{\"trials\": 1}'",
}
MONTHS = ("2013-04-01/2013-05-01", "2013-05-01/2013-06-01", "2013-06-01/2013-07-01")


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
    flights: Platform, flights_api: AirflowApi
) -> None:
    api, commands = flights_api, example("README.md", "backfill")
    for written, here in HERE.items():
        assert written in commands
        commands = commands.replace(written, here)
    run_on(flights, commands)
    runs = ended(api, 3)
    assert [run["state"] for run in runs] == ["success"] * 3
    assert [run["conf"] for run in runs] == [{"trials": 1}] * 3
    fitted = [api.xcom(DAG, run["dag_run_id"], "train.fit") for run in runs]
    assert [one["version"] for one in fitted] == ["1", "2", "3"]
    log = decisions.verify(flights.home / "decisions" / f"{MODEL}.jsonl")
    verdicts = [record for record in log if record.kind == "decision"]
    assert [str(record.interval) for record in verdicts] == list(MONTHS)

    again = api.trigger(DAG, {"interval": "2013-06", "trials": 1})
    assert ended(api, 4)[-1]["state"] == "success"
    assembled = [api.xcom(DAG, run, "train.assemble") for run in (runs[-1]["dag_run_id"], again)]
    assert assembled[0]["training_set"] == assembled[1]["training_set"]
    refitted = api.xcom(DAG, again, "train.fit")
    assert (refitted["version"], refitted["new_version"]) == ("3", False)
    assert refitted["model_digest"] == fitted[-1]["model_digest"]

    promoted = [record for record in log if record.kind == "promotion"]
    assert promoted
    for record in promoted:
        manifest = flights.home / "releases" / MODEL / record.subject.split()[-1] / "release.json"
        assert json.loads(manifest.read_text())["verdict"]["verdict"] == "promote"
