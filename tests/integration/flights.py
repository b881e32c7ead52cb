"""One platform on which people reject and approve promotions of `flight_delay`, for all tests that look at it.

Its tests are of several files, and share a process: the name of the fixture `flights` is that of their group. The runs
are made in one order, each fixture asking for the one before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from contender.client.airflow_api import AirflowApi
from contender.embedded import screenshot
from contender.embedded.lifecycle import Platform
from tests.conftest import applied
from tests.integration.live import NO_ENGINE, READ_SELDOM, live, wait_until

DAG = "flight_delay_train"
BOOKED_SECONDS = 8
MODEL = "flight_delay"
APPROVE = "promote.approve"
ENDED = {"success", "failed"}
RUN_SECONDS = 400
REASON = "agreed with the airline in June"
SUBMIT = "[data-testid=trigger-dag-submit]"


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform on empty stores and without a Docker engine, `flight_delay_train` unpaused."""
    home = tmp_path_factory.mktemp("flights")
    with applied({"DOCKER_HOST": NO_ENGINE, **READ_SELDOM}), live(home, DAG) as started:
        yield started


@pytest.fixture(scope="session")
def flights_api(flights: Platform) -> Iterator[AirflowApi]:
    """A client of the platform's Airflow."""
    with contextlib.closing(flights.api()) as client:
        yield client


def browser() -> None:
    """Skip where there is none."""
    try:
        screenshot.chromium()
    except screenshot.NoBrowser as missing:
        pytest.skip(str(missing))


def fill_form(page: Any, interval: str, trials: int, *, approval: bool = False) -> None:
    """Open the trigger form, fill it and click `Trigger`."""
    page.get_by_test_id("trigger-dag-button").click()
    page.fill("#element_interval", interval)
    page.keyboard.press("Tab")
    page.fill("input[name=element_trials]", str(trials))
    page.keyboard.press("Tab")
    if approval:
        page.locator("label:has(input[name=element_approval])").click()
    page.wait_for_timeout(300)
    page.locator(SUBMIT).click()


def states(api: AirflowApi, run: str) -> dict[str, str]:
    return {task["task_id"]: str(task["state"]) for task in api.tasks(DAG, run)}


def instance(run: str, task: str) -> str:
    return f"/dags/{DAG}/dagRuns/{run}/taskInstances/{task}"


def asked(api: AirflowApi, conf: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Trigger a run with approval and wait until it asks; the run and what it asks."""
    run = api.trigger(DAG, {"trials": 1, "approval": True, **conf})
    return run, asking(api, run)


def asking(api: AirflowApi, run: str) -> dict[str, Any]:
    """Wait until a run asks for approval; what it asks."""

    def waits() -> bool:
        found = states(api, run)
        assert api.run(DAG, run)["state"] not in ENDED, found
        return found.get(APPROVE) == "awaiting_input"

    wait_until(waits, RUN_SECONDS)
    return api._expect("GET", f"{instance(run, APPROVE)}/-1/hitlDetails")


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
    browser()
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


@pytest.fixture(scope="session")
def rejected(flights: Platform, flights_api: AirflowApi) -> str:
    """A run of February that a person rejected, on a platform without a champion."""
    run, _ = asked(flights_api, {"interval": "2013-02"})
    found = answered(flights_api, run, "Reject", None)
    assert (found[APPROVE], found["promote.release"]) == ("success", "skipped")
    assert not releases(flights)
    return run


@pytest.fixture(scope="session")
def rejected_by_click(flights: Platform, flights_api: AirflowApi, rejected: str) -> str:
    """The same month again, by the trigger form, rejected by a click."""
    browser()
    before = {str(run["dag_run_id"]) for run in flights_api.runs(DAG)}
    with screenshot.page(flights.airflow_url, flights.password, f"/dags/{DAG}") as page:
        fill_form(page, "2013-02", 1, approval=True)
        wait_until(lambda: len(flights_api.runs(DAG)) > len(before), 30)
    (run,) = {str(run["dag_run_id"]) for run in flights_api.runs(DAG)} - before
    asking(flights_api, run)
    assert run != rejected
    found, _ = clicked(flights, flights_api, run, "Reject", "not before the audit")
    assert (found[APPROVE], found["promote.release"]) == ("success", "skipped")
    assert not releases(flights)
    return run


@pytest.fixture(scope="session")
def approved(flights: Platform, flights_api: AirflowApi, rejected_by_click: str) -> tuple[str, dict[str, Any]]:
    """The same month again, approved after the rejections, and what the person was shown."""
    run, request = asked(flights_api, {"interval": "2013-02"})
    assert run != rejected_by_click
    assert champion(flights) is None
    found = answered(flights_api, run, "Approve", "looks right")
    assert (found[APPROVE], found["promote.release"]) == ("success", "success")
    assert (releases(flights), champion(flights)) == (["1"], "1")
    return run, request


@pytest.fixture(scope="session")
def approved_by_click(flights: Platform, flights_api: AirflowApi, approved: tuple[str, Any]) -> tuple[str, str]:
    """A run of March with an override, approved by a click, and what the page showed."""
    assert champion(flights) == "1"
    run, _ = asked(flights_api, {"interval": "2013-03", "override": f"promote: {REASON}"})
    found, shown = clicked(flights, flights_api, run, "Approve", "as agreed")
    assert (found[APPROVE], found["promote.release"]) == ("success", "success")
    return run, shown
