"""What the platform's own pages send to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from airflow.api_fastapi.core_api.security import get_user

from contender.ui.pages import app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a page of each kind, and a file beside them that is nobody's business."""
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path))
    for kind in ("data_docs", "reports"):
        page = tmp_path / kind / "toy" / "page.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<h1>{kind}</h1>")
    (tmp_path / "secret.json").write_text("secret")
    (tmp_path / "reports" / "out").symlink_to(tmp_path)
    return tmp_path


@pytest.fixture
def logged_in() -> Iterator[None]:
    app.dependency_overrides[get_user] = object
    yield
    app.dependency_overrides.clear()


def get(path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow.example") as http:
            return await http.get(path)

    return asyncio.run(ask())


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("path", ["/reports/", "/reports/toy/page.html", "/data_docs/"])
def test_pages_without_a_login_are_refused(path: str) -> None:
    assert get(path).status_code == 401


@pytest.mark.usefixtures("home", "logged_in")
def test_report_comes_with_a_policy_that_lets_it_load_nothing() -> None:
    found = get("/reports/toy/page.html")
    assert found.text == "<h1>reports</h1>"
    policy = found.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'", "sandbox"} <= set(policy)
    assert not any(directive.startswith(("script-src", "img-src", "connect-src")) for directive in policy)
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("home", "logged_in")
def test_reports_of_any_name_are_listed_with_links_to_them(home: Path) -> None:
    (home / "reports" / "toy" / "<i>new.html").write_text("")
    assert '<a href="toy/%3Ci%3Enew.html">toy/&lt;i&gt;new.html</a>' in get("/reports/").text
    assert '<a href="page.html">' in get("/reports/toy/").text
    assert "Decision reports" in get("/reports/").text


@pytest.mark.usefixtures("logged_in")
def test_reports_before_the_first_say_who_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path))
    assert "gate.decide" in get("/reports/").text


@pytest.mark.usefixtures("home", "logged_in")
@pytest.mark.parametrize(
    "path",
    ["..%2fsecret.json", "toy/..%2f..%2fsecret.json", "%2fetc%2fpasswd", "..%2f", "out/secret.json", "none.html"],
)
def test_reports_no_path_leads_out_of_their_folder(path: str) -> None:
    found = get(f"/reports/{path}")
    assert found.status_code == 404
    assert "secret" not in found.text
