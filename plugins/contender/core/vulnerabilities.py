"""Known vulnerabilities of what is in an image: what was found, and whether it may be promoted all the same."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError

from contender.core.errors import SettingInvalid
from contender.core.results import Result

Severity = Literal["unknown", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
SETTING = "CONTENDER_VULNERABILITIES"
# What stands in the list of what is passed over for the packages of a base that keeps no list of them.
SYSTEM_PACKAGES = "system-packages"
# The lowest score of each rating (CVSS v3.1 specification, table 14).
RATINGS: tuple[tuple[float, Severity], ...] = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


class Policy(Result):
    """What is done about what was found.

    Attributes:
        action: `warn` (it is told) or `block` (nothing is promoted).
        at_least: Blocked is what is rated this or worse. What nobody has rated counts as the worst.
    """

    action: Literal["warn", "block"]
    at_least: Severity = "low"

    def __str__(self) -> str:
        return self.action if self.action == "warn" else f"block:{self.at_least}"


class Vulnerability(Result):
    """One advisory about one package.

    Attributes:
        id: The database's, e.g. `GHSA-…` or `PYSEC-…`.
        package: Its package URL.
        severity: How bad it is rated.
        ignored: Why it is passed over; empty where it is not.
    """

    id: str = Field(min_length=1)
    package: str
    severity: Severity = "unknown"
    ignored: str = ""


class Ignored(Result):
    """An advisory that is passed over for a while.

    Attributes:
        id: The database's; or `system-packages`, where nobody can be asked about an image's.
        reason: Why it does no harm here.
        until: The first day on which it counts again.
    """

    id: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=10)]
    until: date


class Scan(Result):
    """What the database knew of the packages when it was asked.

    Attributes:
        policy: What was to be done about it.
        database: Whom the question was put to.
        packages: How many packages it was asked about.
        not_scanned: Why it was not answered, or what it could not be asked about; empty where it was.
        found: What it knows, the worst first.
    """

    policy: Policy
    database: str
    packages: int
    not_scanned: str = ""
    found: tuple[Vulnerability, ...] = ()

    @property
    def counted(self) -> tuple[Vulnerability, ...]:
        """What is not passed over."""
        return tuple(one for one in self.found if not one.ignored)

    @property
    def objection(self) -> str:
        """Why nothing is to be promoted; empty where nothing speaks against it."""
        if self.policy.action == "warn":
            return ""
        if self.not_scanned:
            return f"not scanned: {self.not_scanned}"
        bad = [one for one in self.counted if _at_least(one.severity, self.policy.at_least)]
        return f"{len(bad)} known vulnerabilities, {_worst(bad)}" if bad else ""

    def __str__(self) -> str:
        """One line for a log or a report."""
        if self.not_scanned:
            return f"not scanned: {self.not_scanned}" + (f"; of the rest, {self._sum()}" if self.found else "")
        return self._sum()

    def _sum(self) -> str:
        passed = len(self.found) - len(self.counted)
        ignored = f", {passed} more ignored with a reason" if passed else ""
        if not self.counted:
            return f"no known vulnerability in {self.packages} packages{ignored}"
        rated = [f"{sum(one.severity == rating for one in self.counted)} {rating}" for rating in reversed(SEVERITIES)]
        counts = ", ".join(count for count in rated if not count.startswith("0 "))
        return f"{len(self.counted)} known vulnerabilities in {self.packages} packages ({counts}){ignored}"


def policy_of(said: str) -> Policy:
    """The policy that a setting names: `warn`, `block`, or `block:high` for what is rated high or worse.

    Raises:
        SettingInvalid: It names none.
    """
    action, _, at_least = (said or "warn").partition(":")
    try:
        return Policy.model_validate({"action": action} | ({"at_least": at_least} if at_least else {}))
    except ValidationError as error:
        raise SettingInvalid(
            "there is no such policy for known vulnerabilities", where=SETTING,
            expected=f"warn, block, or block: and one of {', '.join(SEVERITIES[1:])}", got=said,
            next_step="correct it; nothing was scanned",
        ) from error  # fmt: skip


def ignored_in(text: str, where: str) -> tuple[Ignored, ...]:
    """The advisories of a TOML file: tables `[[ignore]]` with `id`, `reason` and `until`.

    Raises:
        SettingInvalid: It cannot be read, or an entry lacks its reason or its end.
    """
    try:
        return tuple(Ignored.model_validate(entry) for entry in tomllib.loads(text).get("ignore", []))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingInvalid(
            "the list of vulnerabilities to ignore cannot be used", where=where,
            expected="tables [[ignore]] with id, reason (10 characters or more) and until (a date)",
            got=str(error).splitlines()[-2 if isinstance(error, ValidationError) else 0].strip(),
            next_step="correct the entry; nothing was scanned",
        ) from error  # fmt: skip


def severity_of(advisory: dict[str, Any]) -> Severity:
    """How bad an advisory in OSV's form is rated: by its own database's word, else by its CVSS v3 vector.

    >>> severity_of({"database_specific": {"severity": "MODERATE"}})
    'medium'
    >>> severity_of({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]})
    'critical'
    """
    word = str((advisory.get("database_specific") or {}).get("severity", "")).lower().replace("moderate", "medium")
    if word in SEVERITIES:
        return word
    vectors = [one.get("score", "") for one in advisory.get("severity") or [] if one.get("type") == "CVSS_V3"]
    scores = [score for vector in vectors if (score := base_score(vector)) is not None]
    return next((rating for least, rating in RATINGS if scores and max(scores) >= least), "unknown")


WEIGHTS: dict[str, dict[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def base_score(vector: str) -> float | None:
    """Base score of a CVSS v3 vector (specification, sections 7.1 and 7.4); `None` where it is none.

    >>> base_score("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:L/I:L/A:N")
    5.4
    """
    if not re.fullmatch(r"CVSS:3\.[01](/[A-Z]{1,3}:[A-Z])+", vector):
        return None
    said = dict(part.split(":") for part in vector.split("/")[1:])
    try:
        weight = {name: weights[said[name]] for name, weights in WEIGHTS.items()}
        scope, privileges = said["S"], PRIVILEGES[said["S"]][said["PR"]]
    except KeyError:
        return None
    lost = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 6.42 * lost if scope == "U" else 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    return _rounded_up(min((1.0 if scope == "U" else 1.08) * (impact + exploitability), 10))


def _rounded_up(score: float) -> float:
    """To one decimal, as the specification's appendix A does it in whole numbers."""
    units = round(score * 100_000)
    return units / 100_000 if units % 10_000 == 0 else (units // 10_000 + 1) / 10


def _at_least(severity: Severity, bound: Severity) -> bool:
    return severity == "unknown" or SEVERITIES.index(severity) >= SEVERITIES.index(bound)


def _worst(found: list[Vulnerability]) -> str:
    shown = [f"{one.id} ({one.severity}) of {one.package.partition('?')[0]}" for one in found[:3]]
    return ", ".join(shown) + (f" and {len(found) - 3} more" if len(found) > len(shown) else "")
