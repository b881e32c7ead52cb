"""Pictures for the docs: of a run's graph in Airflow's own UI, or of the top of a decision report.

    python -m contender.embedded.screenshot flight_delay_train [RUN]
    python -m contender.embedded.screenshot .contender/reports/flight_delay/<report>.html

The browser tests open the UI with the same functions. The browser is the system's own Chromium, driven by Playwright.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT, settings
from contender.embedded import home as places
from contender.embedded.environment import ADMIN
from contender.embedded.ports import HOST

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZE = {"width": 1600, "height": 1000}
PICTURE = {"width": 1600, "height": 640}
REPORT = {"width": 960, "height": 1000}
PATIENCE_MS = 60_000


class NoBrowser(ContenderError):
    """There is no Chromium on this machine."""


def chromium() -> str:
    """Path of the system's Chromium.

    Raises:
        NoBrowser: None of the usual names is on the path.
    """
    for name in CHROMIUM:
        if found := shutil.which(name):
            return found
    raise NoBrowser(
        "there is no browser",
        where="PATH",
        expected=f"one of {', '.join(CHROMIUM)}",
        next_step="Debian: apt-get install chromium",
    )


@contextlib.contextmanager
def blank(size: Mapping[str, int]) -> Iterator[Any]:
    """An empty Playwright page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            shown = browser.new_context(viewport=size).new_page()  # a context that more pages may join
            shown.set_default_timeout(PATIENCE_MS)
            yield shown
        finally:
            browser.close()


@contextlib.contextmanager
def page(url: str, password: str, path: str, *, user: str = ADMIN) -> Iterator[Any]:
    """A Playwright page of the UI at `path`, logged in by the login form."""
    with blank(SIZE) as shown:
        shown.goto(url + path)
        shown.fill("input[name=username]", user)
        shown.fill("input[name=password]", password)
        shown.keyboard.press("Enter")
        shown.wait_for_url(f"**{path}*")
        yield shown


def show_graph(shown: Any, url: str, dag_id: str, run_id: str) -> None:
    """Turn a logged-in page to the graph of a run, full width, and wait until its nodes are drawn."""
    shown.goto(f"{url}/dags/{dag_id}/runs/{run_id}")
    shown.get_by_label("Show Graph", exact=False).first.click()
    shown.locator(".react-flow__node").first.wait_for()


def newest_run(shown: Any, dag_id: str) -> str:
    """ID of the newest run, asked for by the page itself."""
    call = f"fetch('/api/v2/dags/{dag_id}/dagRuns?order_by=-run_after&limit=1').then(answer => answer.json())"
    return str(shown.evaluate(call)["dag_runs"][0]["dag_run_id"])


def take(home: Path, dag_id: str, target: Path, run_id: str = "") -> None:
    """Save the graph of a run of `dag_id`, the newest if none is named; the platform of `home` must be running."""
    url = f"http://{HOST}:{places.remembered(home)['ports']['airflow']}"
    with page(url, places.password(home), f"/dags/{dag_id}") as shown:
        shown.set_viewport_size(PICTURE)
        show_graph(shown, url, dag_id, run_id or newest_run(shown, dag_id))
        shown.get_by_label("Collapse Details Panel").click()
        shown.get_by_label("Fit View").click()
        shown.wait_for_timeout(1500)  # the view glides into place
        target.parent.mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=str(target))


def take_report(report: Path, target: Path) -> None:
    """Save a decision report down to its metrics."""
    with blank(REPORT) as shown:
        shown.goto(report.resolve().as_uri())
        below = shown.locator("#figures").bounding_box()
        seen = {"x": 0, "y": 0, "width": REPORT["width"], "height": below["y"] + below["height"] + 32}
        shown.screenshot(path=str(target), full_page=True, clip=seen)


def main(what: str = "flight_delay_train", run_id: str = "") -> None:
    """Save the picture of a report, if it is one, otherwise of a DAG's run."""
    images = CHECKOUT / "docs" / "images"
    if what.endswith(".html"):
        take_report(Path(what), images / "decision_report.png")
    else:
        take(settings().home, what, images / f"{what}.png", run_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
