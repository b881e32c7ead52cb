"""The scan, against a server that speaks OSV's documented form: pages, order, summaries, severities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from contender.adapters import vulnerabilities
from contender.core.inventory import Package
from contender.core.vulnerabilities import Ignored, Policy, Scan, policy_of
from tests.osv import Osv

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
        # Of these OSV has no list, or one by another name, and would find nothing.
        ((NUMPY, SSL.model_copy(update={"distribution": "ubuntu-24.04"})), "1 system packages are of no known release"),
        ((NUMPY, SSL.model_copy(update={"distribution": "debian-12.5"})), "1 system packages are of no known release"),
    ],
    ids=["no list", "no release", "another distribution", "a point release"],
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
