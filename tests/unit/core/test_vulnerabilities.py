from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from contender.core.errors import SettingInvalid
from contender.core.vulnerabilities import (
    SYSTEM_PACKAGES,
    Ignored,
    Policy,
    Scan,
    Severity,
    Vulnerability,
    base_score,
    ignored_in,
    policy_of,
    severity_of,
)
from tests.docs.pages import example

# Examples of the specification of CVSS v3 and of published advisories, with the scores that are published with them.
SCORES = {
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H": 9.8,
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H": 10.0,
    "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N": 6.4,
    "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N": 6.1,
    "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H": 7.8,
    "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N": 5.9,
    "CVSS:3.0/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H": 4.6,
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N": 0.0,
}


@pytest.mark.parametrize(("vector", "score"), SCORES.items(), ids=SCORES)
def test_base_score_is_the_published_one(vector: str, score: float) -> None:
    assert base_score(vector) == score


@pytest.mark.parametrize(
    "vector", ["", "7.5", "CVSS:4.0/AV:N", "CVSS:3.1/AV:N/AC:L", "CVSS:3.1/AV:Z/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"]
)
def test_base_score_of_what_is_no_vector_is_none(vector: str) -> None:
    assert base_score(vector) is None


ADVISORIES: dict[str, tuple[dict[str, Any], Severity]] = {
    "its database's word": ({"database_specific": {"severity": "HIGH"}}, "high"),
    "GitHub's moderate": ({"database_specific": {"severity": "MODERATE"}}, "medium"),
    "a vector": ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}]}, "high"),
    "another version's vector alone": ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, "unknown"),
    "nothing": ({}, "unknown"),
}


@pytest.mark.parametrize(("advisory", "severity"), ADVISORIES.values(), ids=ADVISORIES)
def test_severity_of_an_advisory(advisory: dict[str, Any], severity: Severity) -> None:
    assert severity_of(advisory) == severity


def scan(policy: str, *found: tuple[Severity, str], not_scanned: str = "") -> Scan:
    seen = [Vulnerability(id=f"V-{number}", package="pkg:pypi/x@1", severity=severity, ignored=ignored)
            for number, (severity, ignored) in enumerate(found)]  # fmt: skip
    return Scan(policy=policy_of(policy), database="d", packages=3, found=tuple(seen), not_scanned=not_scanned)


OBJECTIONS = {
    "warn lets all pass": (scan("warn", ("critical", "")), ""),
    "warn lets pass what was not scanned": (scan("warn", not_scanned="away"), ""),
    "block refuses what was not scanned": (scan("block", not_scanned="away"), "not scanned: away"),
    "block refuses any": (scan("block", ("low", "")), "1 known vulnerabilities, V-0 (low) of pkg:pypi/x@1"),
    "block lets none pass": (scan("block"), ""),
    "a bound lets what is below pass": (scan("block:high", ("medium", "")), ""),
    "a bound refuses what is at it": (scan("block:high", ("high", "")), "1 known vulnerabilities"),
    "nobody's rating counts as the worst": (scan("block:critical", ("unknown", "")), "V-0 (unknown)"),
    "ignored is passed over": (scan("block", ("critical", "never reached by our code")), ""),
}


@pytest.mark.parametrize(("found", "objection"), OBJECTIONS.values(), ids=OBJECTIONS)
def test_objection_of_a_scan(found: Scan, objection: str) -> None:
    assert objection in found.objection
    assert bool(found.objection) == bool(objection)


def test_scan_in_a_line_says_what_was_found_ignored_or_not_scanned() -> None:
    found = scan("warn", ("high", ""), ("low", ""), ("low", ""), ("critical", "never reached by our code"))
    assert str(found) == "3 known vulnerabilities in 3 packages (1 high, 2 low), 1 more ignored with a reason"
    assert str(scan("warn", not_scanned="away")) == "not scanned: away"
    partly = scan("warn", ("high", ""), not_scanned="some")
    assert str(partly) == "not scanned: some; of the rest, 1 known vulnerabilities in 3 packages (1 high)"
    assert str(scan("warn")) == "no known vulnerability in 3 packages"


@pytest.mark.parametrize("said", ["off", "block:bad", "BLOCK", "block:high:low"])
def test_policy_that_nobody_knows_is_refused(said: str) -> None:
    with pytest.raises(SettingInvalid, match=r"CONTENDER_VULNERABILITIES.*warn, block, or block:"):
        policy_of(said)


def test_policy_of_nothing_is_to_warn() -> None:
    assert (policy_of(""), str(policy_of("block:high"))) == (Policy(action="warn"), "block:high")


def test_ignored_are_read_with_reason_and_end() -> None:
    text = '[[ignore]]\nid = "GHSA-1"\nreason = "we never parse XML"\nuntil = 2026-03-01\n'
    assert ignored_in(text, "f") == (Ignored(id="GHSA-1", reason="we never parse XML", until=date(2026, 3, 1)),)


def test_example_of_the_page_is_read() -> None:
    found = ignored_in(example("docs/releases.md", "ignored"), "vulnerabilities.toml")
    end = date(2027, 1, 31)
    assert [(one.id, one.until) for one in found] == [("GHSA-xxxx-xxxx-xxxx", end), (SYSTEM_PACKAGES, end)]


@pytest.mark.parametrize(
    "text",
    [
        '[[ignore]]\nid = "a"\nuntil = 2026-03-01\n',
        '[[ignore]]\nid = "a"\nreason = "short"\nuntil = 2026-03-01\n',
        '[[ignore]]\nid = "a"\nreason = "we never parse XML"\n',
        "[[ignore]\n",
    ],
    ids=["no reason", "a short reason", "no end", "no TOML"],
)
def test_ignored_without_a_reason_or_an_end_are_refused(text: str) -> None:
    with pytest.raises(SettingInvalid, match=r"where: vulnerabilities\.toml"):
        ignored_in(text, "vulnerabilities.toml")
