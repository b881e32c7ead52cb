"""People reject and approve promotions on a live platform, by REST and by clicks; what was said is on record."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from contender.client.airflow_api import AirflowApi, AirflowRefused
from contender.core import decisions
from contender.core.markdown import plain
from contender.embedded import screenshot
from contender.embedded.lifecycle import Platform
from tests.integration.live import NO_ENGINE, live
from tests.integration.test_backfill import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DAG = "flight_delay_train"
BOOKED_SECONDS = 8
MODEL = "flight_delay"
APPROVE = "promote.approve"
ENDED = {"success", "failed"}
RUN_SECONDS = 400
REASON = "agreed with the airline in June"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform on empty stores and without a Docker engine, `flight_delay_train` unpaused."""
    home = tmp_path_factory.mktemp("approval")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", NO_ENGINE)
        with live(home, DAG) as started:
            yield started


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


def ended(api: AirflowApi, run: str) -> dict[str, str]:
    """Wait for the run's end; its tasks' states."""
    wait_until(lambda: api.run(DAG, run)["state"] in ENDED, RUN_SECONDS)
    assert api.run(DAG, run)["state"] == "success"
    return states(api, run)


def answered(api: AirflowApi, run: str, option: str, comment: str | None) -> dict[str, str]:
    """Answer by the REST API."""
    said = {"chosen_options": [option], "params_input": {"comment": comment}}
    # A person takes seconds. Airflow 3.3.2 fails a task that is answered before the scheduler has booked its parking.
    time.sleep(BOOKED_SECONDS)
    api._expect("PATCH", f"{instance(run, APPROVE)}/-1/hitlDetails", json=said)
    return ended(api, run)


def clicked(platform: Platform, api: AirflowApi, run: str, option: str, comment: str) -> tuple[dict[str, str], str]:
    """Answer by a click in a real browser; also the text of the page on which the answer was given."""
    try:
        screenshot.chromium()
    except screenshot.NoBrowser as missing:
        pytest.skip(str(missing))
    path = f"/dags/{DAG}/runs/{run}/tasks/{APPROVE}/required_actions"
    with screenshot.page(platform.airflow_url, platform.password, path) as page:
        page.get_by_test_id(f"hitl-option-{option}").wait_for()
        page.get_by_text("Decision report").wait_for()
        page.fill("#element_comment", comment)
        page.keyboard.press("Tab")
        shown = str(page.inner_text("body"))
        time.sleep(BOOKED_SECONDS)
        page.get_by_test_id(f"hitl-option-{option}").click()
        return ended(api, run), shown


def records(platform: Platform, run: str) -> list[decisions.Record]:
    """What is on record of a run, its look aside: a repeated comparison has none of its own."""
    found = decisions.verify(platform.home / "decisions" / f"{MODEL}.jsonl")
    return [record for record in found if record.run == run and record.kind != "look"]


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
def rejected_by_click(platform: Platform, api: AirflowApi, rejected: str) -> str:
    """The same month again, rejected by a click."""
    run, _ = asked(api, {"interval": "2013-02"})
    assert run != rejected
    found, _ = clicked(platform, api, run, "Reject", "not before the audit")
    assert (found[APPROVE], found["promote.release"]) == ("success", "skipped")
    assert not releases(platform)
    return run


@pytest.fixture(scope="module")
def approved(platform: Platform, api: AirflowApi, rejected_by_click: str) -> tuple[str, dict[str, Any]]:
    """The same month again, approved after the rejections, and what the person was shown."""
    run, request = asked(api, {"interval": "2013-02"})
    assert run != rejected_by_click
    assert champion(platform) is None
    found = answered(api, run, "Approve", "looks right")
    assert (found[APPROVE], found["promote.release"]) == ("success", "success")
    assert (releases(platform), champion(platform)) == (["1"], "1")
    return run, request


@pytest.fixture(scope="module")
def approved_by_click(platform: Platform, api: AirflowApi, approved: tuple[str, Any]) -> tuple[str, str]:
    """A run of March with an override, approved by a click, and what the page showed."""
    assert champion(platform) == "1"
    run, _ = asked(api, {"interval": "2013-03", "override": f"promote: {REASON}"})
    found, shown = clicked(platform, api, run, "Approve", "as agreed")
    assert (found[APPROVE], found["promote.release"]) == ("success", "success")
    return run, shown


def test_rejected_run_moves_no_alias_and_is_on_record(platform: Platform, rejected: str) -> None:
    gate, person = records(platform, rejected)
    assert (gate.kind, gate.actor, gate.verdict) == ("decision", "airflow:manual", "promote")
    assert (person.kind, person.actor, person.verdict) == ("override", "admin", "reject")
    assert person.reasons == ("rejected by admin",)
    assert person.evidence_digest == gate.evidence_digest


def test_rejection_by_click_is_on_record_with_name_and_comment(platform: Platform, rejected_by_click: str) -> None:
    _, person = records(platform, rejected_by_click)
    assert (person.kind, person.actor, person.verdict) == ("override", "admin", "reject")
    assert person.reasons == ("rejected by admin: not before the audit",)


def test_approval_by_click_after_an_override_is_on_record_with_name_and_comment(
    platform: Platform, approved_by_click: tuple[str, str]
) -> None:
    run, shown = approved_by_click
    gate, override, person, promotion = records(platform, run)
    assert gate.actor == "airflow:manual"
    assert (override.kind, override.actor, override.verdict) == ("override", "admin", "promote")
    assert override.reasons == (REASON,)
    assert (person.kind, person.actor, person.verdict) == ("decision", "admin", "promote")
    assert person.reasons == ("approved by admin: as agreed",)
    assert (promotion.kind, champion(platform)) == ("promotion", "2")
    assert f"Override by admin: promote, {REASON}" in shown


def test_override_without_a_reason_is_refused_by_the_api(api: AirflowApi) -> None:
    before = len(api.runs(DAG))
    with pytest.raises(AirflowRefused, match=r"(?s)400.*override"):
        api.trigger(DAG, {"interval": "2013-02", "override": "promote: because"})
    assert len(api.runs(DAG)) == before


def test_request_for_approval_shows_figures_intervals_and_reasons(
    platform: Platform, api: AirflowApi, approved: tuple[str, dict[str, Any]]
) -> None:
    run, request = approved
    body, evidence = request["body"], api.xcom(DAG, run, "gate.measure")
    for metric, better in evidence["improvement"].items():
        assert f"| {metric} | {evidence['challenger'][metric]['value']:.4f} | " in body, body
        assert f"{better['low']:+.4f} to {better['high']:+.4f} |" in body, body
    for finding in api.xcom(DAG, run, "gate.decide", "verdict")["findings"]:
        assert f"- {plain(finding['reason'])}" in body
    assert "[Decision report](" in body
    assert f"[Plots in MLflow]({platform.mlflow_url}/#/experiments/" in body
    assert list(request["params"]) == ["comment"]


def test_approved_run_moves_the_alias_and_names_who_approved(
    platform: Platform, approved: tuple[str, dict[str, Any]]
) -> None:
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
