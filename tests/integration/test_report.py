"""A decision report in a real browser: reached by its task's link, it asks the network for nothing but itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from contender.client.airflow_api import AirflowApi
from contender.embedded import screenshot
from contender.embedded.lifecycle import Platform
from tests.integration.flights import DAG, browser, instance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def address(flights_api: AirflowApi, approved: tuple[str, Any]) -> str:
    """Where the link of the task of the run that promoted the first model leads."""
    links = flights_api._expect("GET", f"{instance(approved[0], 'gate.decide')}/links")["extra_links"]
    return str(links["Decision report"])


@pytest.fixture(scope="module")
def ui(flights: Platform) -> Iterator[Any]:
    """A page of the UI, logged in."""
    browser()
    with screenshot.page(flights.airflow_url, flights.password, f"/dags/{DAG}") as shown:
        yield shown


def test_report_in_a_browser_requests_nothing_but_itself(ui: Any, address: str) -> None:
    asked, said = [], []
    with contextlib.closing(ui.context.new_page()) as shown:
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.route("**/*", lambda route: route.continue_() if route.request.url == address else route.abort())
        shown.goto(address)
        shown.wait_for_load_state("networkidle")
        assert shown.get_by_role("heading", level=1).inner_text().startswith("Promote")
        assert shown.get_by_text("Version 1 became champion").is_visible()
        pictures = shown.get_by_role("img").all()
        assert pictures
        assert all(picture.bounding_box()["height"] > 50 for picture in pictures)
        # The style sheet stands in the page and was let through by both policies.
        assert shown.locator("table").first.evaluate("table => getComputedStyle(table).borderCollapse") == "collapse"
        shown.emulate_media(media="print", forced_colors="active")
        assert shown.get_by_role("heading", level=1).is_visible()
    assert asked == [address]
    assert said == []


def test_report_is_a_click_away_from_its_task(
    ui: Any, flights: Platform, approved: tuple[str, Any], address: str
) -> None:
    ui.goto(f"{flights.airflow_url}/dags/{DAG}/runs/{approved[0]}/tasks/gate.decide/details")
    link = ui.get_by_role("link", name="Decision report", exact=True)
    link.wait_for()
    assert link.get_attribute("href") == address
    with ui.context.expect_page() if link.get_attribute("target") == "_blank" else contextlib.nullcontext() as opened:
        link.click()
    shown = opened.value if opened else ui
    shown.wait_for_url(address)
    assert shown.get_by_role("heading", level=1).inner_text().startswith("Promote")


def test_reports_are_listed_in_the_navigation(ui: Any, flights: Platform, address: str) -> None:
    ui.goto(f"{flights.airflow_url}/plugin/decision-reports")
    listed = ui.frame_locator("iframe").get_by_role("link")
    listed.first.wait_for()
    (name,) = (text for text in listed.all_inner_texts() if address.endswith(text))
    listed.get_by_text(name, exact=True).click()
    ui.frame_locator("iframe").get_by_role("heading", level=1, name="Promote").wait_for()
