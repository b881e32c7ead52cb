"""A person's way: log in to the real UI in a real browser, fill the form, click, watch the run succeed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contender.client.airflow_api import AirflowApi
from contender.embedded import screenshot
from contender.embedded.lifecycle import Platform
from tests.integration.flights import DAG, browser, fill_form

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

GROUPS = {"data", "features", "train", "gate", "image", "promote"}
OPEN_DIALOG = "[role=dialog][data-state=open]"


@pytest.fixture(scope="module")
def ui(flights: Platform) -> Iterator[Any]:
    """A page of the UI, logged in by the login form."""
    browser()
    with screenshot.page(flights.airflow_url, flights.password, f"/dags/{DAG}") as shown:
        yield shown


@pytest.mark.parametrize("interval", ["2013-13", "June", "2013-02-30/x"])
def test_form_bad_interval_is_refused_with_a_message(
    flights: Platform, flights_api: AirflowApi, ui: Any, interval: str
) -> None:
    before = len(flights_api.runs(DAG))
    ui.goto(f"{flights.airflow_url}/dags/{DAG}")
    fill_form(ui, interval, 1)
    ui.locator(OPEN_DIALOG).get_by_text("Failed validating 'pattern'", exact=False).wait_for()
    assert interval in ui.locator(OPEN_DIALOG).inner_text()
    assert len(flights_api.runs(DAG)) == before


def test_form_filled_and_clicked_runs_the_chain_to_success(
    flights: Platform, flights_api: AirflowApi, ui: Any, rejected_by_click: str
) -> None:
    run = flights_api.run(DAG, rejected_by_click)
    assert run["state"] == "success"
    assert {name: run["conf"][name] for name in ("interval", "trials", "approval")} == {
        "interval": "2013-02", "trials": 1, "approval": True,
    }  # fmt: skip
    assert flights_api.xcom(DAG, rejected_by_click, "data.validate")["interval"] == "2013-02-01/2013-03-01"
    screenshot.show_graph(ui, flights.airflow_url, DAG, rejected_by_click)
    shown = {node.split()[0] for node in ui.locator(".react-flow__node").all_inner_texts()}
    assert shown == GROUPS
