"""A person rejects a promotion on a live platform, then approves it; what was said is on record."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from contender.client.airflow_api import AirflowApi
from contender.core import decisions
from contender.embedded import processes
from contender.embedded.lifecycle import Platform, bring_up, take_down
from tests.integration.test_backfill import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DAG = "flight_delay_train"
BOOKED_SECONDS = 8
MODEL = "flight_delay"
APPROVE = "promote.approve"
ENDED = {"success", "failed"}
RUN_SECONDS = 400


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform on empty stores and without a Docker engine, `flight_delay_train` unpaused."""
    home = tmp_path_factory.mktemp("approval")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        try:
            started = bring_up(home, print)
            with contextlib.closing(started.api()) as api:
                wait_until(lambda: api.dag(DAG) is not None, 60)
                api.unpause(DAG)
            yield started
        finally:
            take_down(home, print)
            assert processes.survivors(home) == []


@pytest.fixture(scope="module")
def api(platform: Platform) -> Iterator[AirflowApi]:
    """A client of the platform's Airflow."""
    with contextlib.closing(platform.api()) as client:
        yield client


def states(api: AirflowApi, run: str) -> dict[str, str]:
    return {task["task_id"]: str(task["state"]) for task in api.tasks(DAG, run)}


def instance(run: str, task: str) -> str:
    return f"/dags/{DAG}/dagRuns/{run}/taskInstances/{task}"


def asked(api: AirflowApi, conf: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Trigger a run with approval and wait until it asks; the run and what it asks."""
    run = api.trigger(DAG, {"trials": 1, "approval": True, **conf})

    def waits() -> bool:
        found = states(api, run)
        assert api.run(DAG, run)["state"] not in ENDED, found
        return found.get(APPROVE) == "awaiting_input"

    wait_until(waits, RUN_SECONDS)
    return run, api._expect("GET", f"{instance(run, APPROVE)}/-1/hitlDetails")


def answered(api: AirflowApi, run: str, option: str, comment: str | None) -> dict[str, str]:
    """Answer, wait for the run's end, and return its tasks' states."""
    said = {"chosen_options": [option], "params_input": {"comment": comment}}
    # A person takes seconds. Airflow 3.3.2 fails a task that is answered before the scheduler has booked its parking.
    time.sleep(BOOKED_SECONDS)
    api._expect("PATCH", f"{instance(run, APPROVE)}/-1/hitlDetails", json=said)
    wait_until(lambda: api.run(DAG, run)["state"] in ENDED, RUN_SECONDS)
    assert api.run(DAG, run)["state"] == "success"
    return states(api, run)


def records(platform: Platform, run: str) -> list[decisions.Record]:
    return [record for record in decisions.verify(platform.home / "decisions" / f"{MODEL}.jsonl") if record.run == run]


def mlflow(platform: Platform, path: str, **query: str) -> dict[str, Any]:
    """What MLflow's own API says; empty where it knows no such thing."""
    with requests.Session() as http:
        http.trust_env = False
        answer = http.get(f"{platform.mlflow_url}/api/2.0/mlflow/{path}", params=query, timeout=20)
    return dict(answer.json()) if answer.ok else {}


def champion(platform: Platform) -> str | None:
    found = mlflow(platform, "registered-models/alias", name=MODEL, alias="champion")
    return str(found["model_version"]["version"]) if found else None


def releases(platform: Platform) -> list[str]:
    return sorted(path.parent.name for path in Path(platform.home / "releases").rglob("release.json"))


@pytest.fixture(scope="module")
def rejected(platform: Platform, api: AirflowApi) -> str:
    """A run of February that a person rejected, on a platform without a champion."""
    run, _ = asked(api, {"interval": "2013-02"})
    found = answered(api, run, "Reject", None)
    assert (found[APPROVE], found["promote.release"]) == ("success", "skipped")
    assert not releases(platform)
    return run


@pytest.fixture(scope="module")
def approved(platform: Platform, api: AirflowApi, rejected: str) -> tuple[str, dict[str, Any]]:
    """The same month again, approved after the rejection, and what the person was shown."""
    run, request = asked(api, {"interval": "2013-02"})
    assert run != rejected
    assert champion(platform) is None
    found = answered(api, run, "Approve", "looks right")
    assert (found[APPROVE], found["promote.release"]) == ("success", "success")
    return run, request


def test_rejected_run_moves_no_alias_and_is_on_record(platform: Platform, rejected: str) -> None:
    gate, person = records(platform, rejected)
    assert (gate.kind, gate.actor, gate.verdict) == ("decision", "airflow:manual", "promote")
    assert (person.kind, person.actor, person.verdict) == ("override", "admin", "reject")
    assert person.reasons == ("rejected by admin",)
    assert person.evidence_digest == gate.evidence_digest


def test_request_for_approval_shows_figures_intervals_and_reasons(
    api: AirflowApi, approved: tuple[str, dict[str, Any]]
) -> None:
    run, request = approved
    body, evidence = request["body"], api.xcom(DAG, run, "gate.measure")
    for metric, better in evidence["improvement"].items():
        assert f"| {metric} | {evidence['challenger'][metric]['value']:.4f} | " in body, body
        assert f"{better['low']:+.4f} to {better['high']:+.4f} |" in body, body
    for reason in api.xcom(DAG, run, "gate.decide", "verdict")["reasons"]:
        assert f"- {reason}" in body
    assert list(request["params"]) == ["comment"]


def test_approved_run_moves_the_alias_and_names_who_approved(
    platform: Platform, approved: tuple[str, dict[str, Any]]
) -> None:
    assert (releases(platform), champion(platform)) == (["1"], "1")
    gate, person, promotion = records(platform, approved[0])
    assert gate.kind == "decision"
    assert (person.kind, person.actor, person.verdict) == ("decision", "admin", "promote")
    assert person.reasons == ("approved by admin: looks right",)
    assert person.evidence_digest == gate.evidence_digest
    assert promotion.kind == "promotion"
    assert promotion.reasons[-1] == "approved by admin: looks right"


def test_links_lead_to_the_reports_and_to_the_mlflow_run(
    platform: Platform, api: AirflowApi, approved: tuple[str, dict[str, Any]]
) -> None:
    run, _ = approved
    links = api._expect("GET", f"{instance(run, 'data.validate')}/links")["extra_links"]
    assert links == {"Data docs": f"{platform.airflow_url}/contender/data_docs/{MODEL}/2013-02-01/"}
    page = api._http.get(links["Data docs"], timeout=20)
    assert '<a href="flights.html">' in page.text
    fitted = api._expect("GET", f"{instance(run, 'train.fit')}/links")["extra_links"]
    assert fitted["MLflow run"].startswith(f"{platform.mlflow_url}/#/experiments/")
    run_id = api.xcom(DAG, run, "train.fit")["run_id"]
    assert fitted["MLflow run"].endswith(f"/runs/{run_id}")
    found = mlflow(platform, "runs/get", run_id=run_id)
    assert found["run"]["info"]["experiment_id"] == fitted["MLflow run"].split("/")[-3]
