"""The scan, against a server that speaks OSV's documented form: pages, order, summaries, severities."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from contender.adapters import vulnerabilities
from contender.core.inventory import Package
from contender.core.vulnerabilities import Ignored, Policy, Scan, policy_of

WARN = policy_of("warn")
DAY = date(2026, 1, 15)
NUMPY = Package(name="numpy", version="1.0", purl="pkg:pypi/numpy@1.0")
SSL = Package(
    name="libssl3", version="3.0.1", purl="pkg:deb/debian/libssl3@3.0.1?distro=debian-12", source="openssl",
    source_version="3.0.1-2", distribution="debian-12",
)  # fmt: skip
PYTHON = Package(name="python", version="3.11.9", purl="pkg:generic/python@3.11.9")
SID = Package(name="bash", version="5", purl="pkg:deb/debian/bash@5", source="bash", source_version="5")


def scan(
    packages: Sequence[Package], database: str, policy: Policy, ignored: Sequence[Ignored], on: date, of: bool = False
) -> Scan:
    """What is known of packages, which are an image's only where that is said."""
    return vulnerabilities.scan(packages, database, policy, ignored, on, of_image=of)


@dataclass
class Osv:
    """A database: advisories by package name, one to a page, and what it was asked."""

    known: dict[str, list[str]]
    advisories: dict[str, dict[str, Any]]
    fails: bool = False
    asked: list[Any] = field(default_factory=list)
    url: str = ""

    def batch(self, queries: list[dict[str, Any]]) -> dict[str, Any]:
        """As documented: answers in order, an empty object for nothing, a token where there is more."""
        results = []
        for query in queries:
            package = query["package"]
            name = package.get("name") or package["purl"].rpartition("/")[2].partition("@")[0]
            page, known = int(query.get("page_token", 0)), self.known.get(name, [])
            shown = [{"id": one, "modified": "2026-01-01T00:00:00Z"} for one in known[page : page + 1]]
            more = {"next_page_token": str(page + 1)} if len(known) > page + 1 else {}
            results.append(({"vulns": shown} if shown else {}) | more)
        return {"results": results}


@pytest.fixture
def osv() -> Iterator[Osv]:
    database = Osv(
        known={"numpy": ["PYSEC-1", "GHSA-2"], "openssl": ["DEBIAN-CVE-3"]},
        advisories={
            "PYSEC-1": {"id": "PYSEC-1"},
            "GHSA-2": {"id": "GHSA-2", "database_specific": {"severity": "CRITICAL"}},
            "DEBIAN-CVE-3": {"severity": [
                {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N"}
            ]},
        },
    )  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            database.asked.append(asked)
            self.answer(database.batch(asked["queries"]) if self.path == "/v1/querybatch" else None)

        def do_GET(self) -> None:
            self.answer(database.advisories.get(self.path.removeprefix("/v1/vulns/")))

        def answer(self, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(503 if database.fails else 200 if content is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        database.url = f"http://127.0.0.1:{server.server_port}"
        yield database
        server.shutdown()
        thread.join()


def test_scan_finds_every_page_and_rates_what_it_finds_the_worst_first(osv: Osv) -> None:
    found = scan((NUMPY, SSL, PYTHON), osv.url, WARN, (), DAY)
    assert [(one.id, one.severity, one.package) for one in found.found] == [
        ("GHSA-2", "critical", NUMPY.purl), ("DEBIAN-CVE-3", "medium", SSL.purl), ("PYSEC-1", "unknown", NUMPY.purl),
    ]  # fmt: skip
    assert (found.not_scanned, found.packages) == ("", 2)


def test_scan_asks_by_purl_and_of_debian_by_source_and_release(osv: Osv) -> None:
    scan((NUMPY, SSL, PYTHON), osv.url, WARN, (), DAY)
    first, second = osv.asked
    by_source = {"package": {"name": "openssl", "ecosystem": "Debian:12"}, "version": "3.0.1-2"}
    assert first["queries"] == [{"package": {"purl": NUMPY.purl}}, by_source]
    assert second["queries"] == [{"package": {"purl": NUMPY.purl}, "page_token": "1"}]


def test_scan_asks_a_thousand_at_once_and_keeps_the_order(osv: Osv) -> None:
    many = [Package(name=f"p{n}", version="1", purl=f"pkg:pypi/p{n}@1") for n in range(1500)]
    osv.known = {"p1499": ["GHSA-2"]}
    found = scan(many, osv.url, WARN, (), DAY)
    assert [(one.id, one.package) for one in found.found] == [("GHSA-2", "pkg:pypi/p1499@1")]
    assert [len(asked["queries"]) for asked in osv.asked] == [1000, 500]


def test_scan_passes_over_what_is_ignored_until_its_day(osv: Osv) -> None:
    ignored = [Ignored(id="GHSA-2", reason="we never parse XML", until=date(2026, 1, 16))]
    found = scan((NUMPY,), osv.url, WARN, ignored, DAY)
    assert {one.id: one.ignored for one in found.found} == {"GHSA-2": "we never parse XML", "PYSEC-1": ""}
    assert [one.id for one in found.counted] == ["PYSEC-1"]
    ended = scan((NUMPY,), osv.url, WARN, ignored, date(2026, 1, 16))
    assert {one.id for one in ended.counted} == {"GHSA-2", "PYSEC-1"}


def test_scan_of_a_database_that_fails_says_so(osv: Osv) -> None:
    osv.fails = True
    found = scan((NUMPY,), osv.url, policy_of("block"), (), DAY)
    assert found.not_scanned == f"{osv.url} did not answer as OSV does: HTTP 503"
    assert found.objection == f"not scanned: {found.not_scanned}"


def test_scan_whose_advisories_cannot_be_had_is_none(osv: Osv) -> None:
    osv.advisories = {}
    found = scan((NUMPY,), osv.url, WARN, (), DAY)
    assert (found.found, found.not_scanned) == ((), f"{osv.url} did not answer as OSV does: HTTP 404")


def test_scan_that_is_answered_for_fewer_packages_is_none(osv: Osv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osv, "batch", lambda _: {"results": []})
    assert "did not answer as OSV does" in scan((NUMPY,), osv.url, WARN, (), DAY).not_scanned


def test_scan_of_a_database_that_is_not_there_says_so_the_same_at_each_attempt() -> None:
    found = [scan((NUMPY,), "http://127.0.0.1:1", WARN, (), DAY) for _ in range(2)]
    assert found[0].not_scanned == "http://127.0.0.1:1 did not answer as OSV does: ConnectionError"
    assert found[0] == found[1]


def test_scan_of_no_database_asks_nobody() -> None:
    assert scan((NUMPY,), "none", WARN, (), DAY).not_scanned == "CONTENDER_OSV is none"


@pytest.mark.parametrize(
    ("packages", "unasked"),
    [
        ((NUMPY, PYTHON), "the image's system packages, of which it keeps no list"),
        ((NUMPY, SSL, SID), "1 system packages are of no known release"),
    ],
    ids=["no list", "no release"],
)
def test_scan_of_an_image_whose_system_packages_nobody_can_be_asked_about_is_none_until_that_is_passed_over(
    osv: Osv, packages: tuple[Package, ...], unasked: str
) -> None:
    osv.known = {}
    found = scan(packages, osv.url, policy_of("block"), (), DAY, of=True)
    assert found.objection.startswith(f"not scanned: {unasked}")
    assert "list the id system-packages in vulnerabilities.toml" in str(found)
    ignored = [Ignored(id="system-packages", reason="the base is built of sources", until=date(2026, 1, 16))]
    passed = scan(packages, osv.url, policy_of("block"), ignored, DAY, of=True)
    assert (passed.objection, passed.not_scanned) == ("", "")
    assert [(one.id, one.ignored) for one in passed.found] == [("system-packages", "the base is built of sources")]
    assert unasked in passed.found[0].package
    assert scan(packages, osv.url, policy_of("block"), ignored, date(2026, 1, 16), of=True).objection


def test_scan_of_what_would_be_installed_needs_no_system_packages(osv: Osv) -> None:
    osv.known = {}
    assert scan((NUMPY,), osv.url, policy_of("block"), (), DAY).objection == ""
