"""A person's way: log in to the real UI in a real browser, fill the form, click, watch the run succeed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from contender.embedded import screenshot
from contender.embedded.lifecycle import Platform
from tests.integration.live import live

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DAG = "flight_delay_train"
GROUPS = {"data", "features", "train", "gate", "image", "promote"}
RUN_SECONDS = 600
OPEN_DIALOG = "[role=dialog][data-state=open]"
SUBMIT = "[data-testid=trigger-dag-submit]"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform of its own, with the real DAGs; `flight_delay_train` is parsed and unpaused."""
    try:
        screenshot.chromium()
    except screenshot.NoBrowser as missing:
        pytest.skip(str(missing))
    home = tmp_path_factory.mktemp("browser")
    with live(home, DAG) as started:
        yield started


@pytest.fixture
def page(platform: Platform) -> Iterator[Any]:
    """A page that shows the DAG, logged in by the login form."""
    with screenshot.page(platform.airflow_url, platform.password, f"/dags/{DAG}") as shown:
        yield shown


def wait_until(true: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(1)


def fill_form(page: Any, interval: str, trials: int) -> None:
    """Open the trigger form, fill it and click `Trigger`."""
    page.get_by_test_id("trigger-dag-button").click()
    page.fill("#element_interval", interval)
    page.keyboard.press("Tab")
    page.fill("input[name=element_trials]", str(trials))
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    page.locator(SUBMIT).click()


def runs(platform: Platform) -> list[dict[str, Any]]:
    with contextlib.closing(platform.api()) as api:
        return list(api.runs(DAG))


@pytest.mark.parametrize("interval", ["2013-13", "June", "2013-02-30/x"])
def test_form_bad_interval_is_refused_with_a_message(platform: Platform, page: Any, interval: str) -> None:
    before = len(runs(platform))
    fill_form(page, interval, 1)
    page.locator(OPEN_DIALOG).get_by_text("Failed validating 'pattern'", exact=False).wait_for()
    assert interval in page.locator(OPEN_DIALOG).inner_text()
    assert len(runs(platform)) == before


def test_form_filled_and_clicked_runs_the_chain_to_success(platform: Platform, page: Any) -> None:
    before = {run["dag_run_id"] for run in runs(platform)}
    fill_form(page, "2013-02", 1)
    wait_until(lambda: len(runs(platform)) > len(before), 30)
    (run_id,) = {run["dag_run_id"] for run in runs(platform)} - before
    with contextlib.closing(platform.api()) as api:
        wait_until(lambda: api.run(DAG, run_id)["state"] in {"success", "failed"}, RUN_SECONDS)
        run = api.run(DAG, run_id)
        assert run["state"] == "success", [task for task in api.tasks(DAG, run_id) if task["state"] == "failed"]
        assert (run["conf"]["interval"], run["conf"]["trials"]) == ("2013-02", 1)
        assert api.xcom(DAG, run_id, "data.validate")["interval"] == "2013-02-01/2013-03-01"
    screenshot.show_graph(page, platform.airflow_url, DAG, run_id)
    shown = {node.split()[0] for node in page.locator(".react-flow__node").all_inner_texts()}
    assert shown == GROUPS
