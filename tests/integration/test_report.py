"""A decision report in a real browser: reached by its task's link, it asks the network for nothing but itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from contender.embedded import screenshot
from contender.embedded.lifecycle import Platform
from tests.integration.live import NO_ENGINE, live
from tests.integration.test_backfill import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DAG = "flight_delay_train"
RUN_SECONDS = 500


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform on empty stores and without a Docker engine, `flight_delay_train` unpaused."""
    try:
        screenshot.chromium()
    except screenshot.NoBrowser as missing:
        pytest.skip(str(missing))
    home = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", NO_ENGINE)
        with live(home, DAG) as started:
            yield started


@pytest.fixture(scope="module")
def run(platform: Platform) -> str:
    """A run that promoted the first model."""
    with contextlib.closing(platform.api()) as api:
        started = api.trigger(DAG, {"interval": "2013-02", "trials": 1})
        wait_until(lambda: api.run(DAG, started)["state"] in {"success", "failed"}, RUN_SECONDS)
        assert api.run(DAG, started)["state"] == "success", api.tasks(DAG, started)
        return started


@pytest.fixture(scope="module")
def address(platform: Platform, run: str) -> str:
    """Where the task's link leads."""
    with contextlib.closing(platform.api()) as api:
        links = api._expect("GET", f"/dags/{DAG}/dagRuns/{run}/taskInstances/gate.decide/links")["extra_links"]
    return str(links["Decision report"])


@pytest.fixture(scope="module")
def ui(platform: Platform) -> Iterator[Any]:
    """A page of the UI, logged in."""
    with screenshot.page(platform.airflow_url, platform.password, f"/dags/{DAG}") as shown:
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


def test_report_is_a_click_away_from_its_task(ui: Any, platform: Platform, run: str, address: str) -> None:
    ui.goto(f"{platform.airflow_url}/dags/{DAG}/runs/{run}/tasks/gate.decide/details")
    link = ui.get_by_role("link", name="Decision report", exact=True)
    link.wait_for()
    assert link.get_attribute("href") == address
    with ui.context.expect_page() if link.get_attribute("target") == "_blank" else contextlib.nullcontext() as opened:
        link.click()
    shown = opened.value if opened else ui
    shown.wait_for_url(address)
    assert shown.get_by_role("heading", level=1).inner_text().startswith("Promote")


def test_reports_are_listed_in_the_navigation(ui: Any, platform: Platform, address: str) -> None:
    ui.goto(f"{platform.airflow_url}/plugin/decision-reports")
    listed = ui.frame_locator("iframe").get_by_role("link")
    listed.first.wait_for()
    assert address.endswith(listed.first.inner_text())
    listed.first.click()
    ui.frame_locator("iframe").get_by_role("heading", level=1, name="Promote").wait_for()
