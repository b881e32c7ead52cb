"""Known vulnerabilities: asked of OSV's API (https://google.github.io/osv.dev/api), or of a mirror that speaks it.

Answers of `POST /v1/querybatch` come in the order of the questions and name advisories alone; how bad one is rated,
`GET /v1/vulns/{id}` says. A question that has more answers than a page holds gets a token to go on with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import requests

from contender.adapters.source_address import hidden, shown
from contender.core.inventory import Package
from contender.core.vulnerabilities import (
    SEVERITIES,
    SYSTEM_PACKAGES,
    Ignored,
    Policy,
    Scan,
    Severity,
    Vulnerability,
    severity_of,
)

OFF = "none"
AT_ONCE = 1000  # questions of one call, as the API allows
PAGES = 50  # of answers to one question
TIMEOUT = (3.05, 10)  # seconds to connect, and between two bytes
TOGETHER = 8  # advisories fetched side by side


def scan(
    packages: Sequence[Package],
    database: str,
    policy: Policy,
    ignored: Iterable[Ignored],
    on: date,
    *,
    of_image: bool,
) -> Scan:
    """Ask what is known of packages. A database that does not answer is no error: the scan says so.

    Args:
        packages: What to ask about; what no advisory is about by name, such as the interpreter, is left out.
        database: Address of the API; `none` asks nobody.
        policy: What is to be done about it.
        ignored: What is passed over, each until its day.
        on: The day that the scan is of.
        of_image: Whether they are what was found in an image, which has system packages too.
    """
    questions = [(package, question) for package in packages if (question := _question(package))]
    public = shown(database)  # kept in the manifest and told in messages
    asked = {"policy": policy, "database": public, "packages": len(questions)}
    if database == OFF:
        return Scan(**asked, not_scanned="CONTENDER_OSV is none")
    reasons = {one.id: one.reason for one in ignored if on < one.until}
    try:
        with requests.Session() as session:
            known = _known(session, database, [question for _, question in questions])
            rated = _rated(session, database, {advisory for advisories in known for advisory in advisories})
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        return Scan(**asked, not_scanned=f"{public} did not answer as OSV does: {hidden(_short(error), database)}")
    found = [
        Vulnerability(id=advisory, package=package.purl, severity=rated[advisory], ignored=reasons.get(advisory, ""))
        for (package, _), advisories in zip(questions, known, strict=True) for advisory in advisories
    ]  # fmt: skip
    found.sort(key=lambda one: (-SEVERITIES.index(one.severity), one.id, one.package))
    unasked = _unasked(packages, of_image)
    if unasked and (reason := reasons.get(SYSTEM_PACKAGES)):
        found.append(Vulnerability(id=SYSTEM_PACKAGES, package=unasked, ignored=reason))
        unasked = ""
    elif unasked:
        unasked += f"; take a released Debian as its base, or list the id {SYSTEM_PACKAGES} in vulnerabilities.toml"
    nothing = "" if questions else "there is nothing to ask about"
    return Scan(**asked, found=tuple(found), not_scanned=unasked or nothing)


def _unasked(packages: Sequence[Package], of_image: bool) -> str:
    """Which of an image's system packages nobody can be asked about."""
    system = [package for package in packages if package.purl.startswith("pkg:deb/")]
    if unknown := sum(_question(package) is None for package in system):
        return f"{unknown} system packages are of no known release"
    return "" if system or not of_image else "the image's system packages, of which it keeps no list (dpkg's)"


def _question(package: Package) -> dict[str, Any] | None:
    """Debian's advisories are about sources, and within a release: `Debian:12`.

    Of a release that it does not know, OSV says nothing, as of a package without faults: no other is asked about.
    """
    if package.purl.startswith("pkg:pypi/"):
        return {"package": {"purl": package.purl}}
    distribution, _, release = package.distribution.partition("-")
    if package.source and distribution == "debian" and release.isdecimal():
        ecosystem = f"Debian:{release}"
        return {"package": {"name": package.source, "ecosystem": ecosystem}, "version": package.source_version}
    return None


def _known(session: requests.Session, database: str, questions: list[dict[str, Any]]) -> list[list[str]]:
    """The advisories' names for each question."""
    known: list[list[str]] = [[] for _ in questions]
    ahead = list(enumerate(questions))
    for _ in range(PAGES):
        if not ahead:
            return [sorted(set(names)) for names in known]
        now, ahead = ahead[:AT_ONCE], ahead[AT_ONCE:]
        said = session.post(
            f"{database}/v1/querybatch", json={"queries": [question for _, question in now]}, timeout=TIMEOUT
        )
        said.raise_for_status()
        results = said.json()["results"]
        for (number, question), result in zip(now, results, strict=True):
            known[number] += [str(one["id"]) for one in (result or {}).get("vulns") or []]
            if token := (result or {}).get("next_page_token"):
                ahead.append((number, {**question, "page_token": token}))
    raise ValueError(f"its answers go on after {PAGES} pages")


def _rated(session: requests.Session, database: str, advisories: set[str]) -> dict[str, Severity]:
    def rate(advisory: str) -> Severity:
        said = session.get(f"{database}/v1/vulns/{advisory}", timeout=TIMEOUT)
        said.raise_for_status()
        return severity_of(said.json())

    names = sorted(advisories)
    with ThreadPoolExecutor(TOGETHER) as pool:
        return dict(zip(names, pool.map(rate, names), strict=True))


def _short(error: Exception) -> str:
    """In a line, and the same at each attempt: the client's own words hold addresses in memory."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    return type(error).__name__ if isinstance(error, requests.RequestException) else str(error)[:100]
