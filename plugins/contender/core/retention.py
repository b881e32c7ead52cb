"""Retention: which versions' images are kept, and why, as a pure function of what is on record.

Nothing here reads the clock: how old a release is follows from its interval.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from contender.core.errors import ContenderError, some
from contender.core.manifest import Release
from contender.core.records import Record

SUBJECT = "version "  # what a record of the decision log is about, and what evidence is compared with


@dataclass(frozen=True)
class Policy:
    """What is kept of a model.

    Attributes:
        releases: So many of the newest releases (`CONTENDER_KEEP_RELEASES`).
        rollback_days: Releases whose interval ends so many days before that of the newest, or fewer
            (`CONTENDER_ROLLBACK_DAYS`).
        challengers: So many of the newest versions that were held or rejected, or whose promotion never came to its end
            (`CONTENDER_KEEP_CHALLENGERS`).
        after_deployment: Whether a deployment is followed by a removal (`CONTENDER_PRUNE`: `images`, or `none`).
    """

    releases: int = 5
    rollback_days: int = 92
    challengers: int = 2
    after_deployment: bool = True

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Policy:
        """The policy of the environment.

        Raises:
            ContenderError: A variable is no number, or another word.
        """
        after = env.get("CONTENDER_PRUNE") or "images"
        if after not in {"images", "none"}:
            raise _not("CONTENDER_PRUNE", "images, or none", after)
        return cls(
            releases=_number(env, "CONTENDER_KEEP_RELEASES", cls.releases, least=1),
            rollback_days=_number(env, "CONTENDER_ROLLBACK_DAYS", cls.rollback_days),
            challengers=_number(env, "CONTENDER_KEEP_CHALLENGERS", cls.challengers),
            after_deployment=after == "images",
        )


@dataclass(frozen=True)
class Known:
    """What a platform knows of one model.

    Attributes:
        versions: SHA-256 of the stored model, by version: what the registry holds.
        aliases: Aliases by version, whoever gave them.
        releases: The manifests, those of promotions that were killed before they moved the alias among them.
        records: The decision log.
    """

    versions: Mapping[str, str]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    releases: tuple[Release, ...] = ()
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Fates:
    """Why each version is kept, or is not.

    Attributes:
        kept, removed: The reason, by version.
    """

    kept: Mapping[str, str]
    removed: Mapping[str, str]


def judge(known: Known, policy: Policy) -> Fates:
    """What becomes of each version that the registry holds.

    A version is kept where anything speaks for it; that nothing is on record about it does.
    """
    promoted = {_version(record) for record in known.records if record.kind == "promotion"}
    # A manifest is written before the alias moves; those from before they named a record were there before the log was.
    released = {
        release.version: release
        for release in sorted(known.releases, key=lambda one: _rank(one.version))
        if release.version in promoted or not release.decision_hash
    }
    kept = {version: f"it bears the alias {', '.join(names)}" for version, names in known.aliases.items()}
    for version, why in _releases_kept(released, policy).items():
        kept.setdefault(version, why)
    for version in [one for one in kept if one in released]:
        reference = released[version].evidence.reference
        if reference.startswith(SUBJECT):
            kept.setdefault(reference.removeprefix(SUBJECT), f"release {version}, which is kept, was compared with it")
    for version, why in _challengers_kept(known, released, policy).items():
        kept.setdefault(version, why)
    removed = {
        version: f"release {version} is none of the {policy.releases} newest, nor in the rollback window of "
        f"{policy.rollback_days} days"
        if version in released
        else f"it was not promoted, and is none of the {policy.challengers} newest of these"
        for version in known.versions
        if version not in kept
    }
    return Fates(kept, removed)


def _releases_kept(released: Mapping[str, Release], policy: Policy) -> dict[str, str]:
    if not released:
        return {}
    kept = dict.fromkeys(list(released)[-policy.releases :], f"it is one of the {policy.releases} newest releases")
    newest = max(release.interval.end for release in released.values())
    window = timedelta(days=policy.rollback_days)
    for version, release in released.items():
        if newest - release.interval.end <= window:
            kept.setdefault(version, f"it is in the rollback window of {policy.rollback_days} days")
    return kept


def _challengers_kept(known: Known, released: Collection[str], policy: Policy) -> dict[str, str]:
    """The newest of those not promoted, and those of which nothing else is on record: a run may be under way.

    One that was to be promoted is under way no more once another one was: its run was killed, or comes too late and
    measures anew. Until then it is one of the newest.
    """
    decided = {_version(record): record for record in known.records if record.kind in {"decision", "override"}}
    moved = max((record.sequence for record in known.records if record.kind == "promotion"), default=0)
    others = sorted((version for version in known.versions if version not in released), key=_rank)
    done = [
        version
        for version in others
        if version in decided and (decided[version].verdict != "promote" or decided[version].sequence < moved)
    ]
    kept = dict.fromkeys(
        done[max(0, len(done) - policy.challengers) :],
        f"it is one of the {policy.challengers} newest that were decided on and not promoted",
    )
    under_way = [version for version in others if version not in done]
    return kept | {
        version: _under_way(decided[version].verdict if version in decided else None) for version in under_way
    }


def _version(record: Record) -> str:
    return record.subject.removeprefix(SUBJECT)


def _under_way(verdict: str | None) -> str:
    return f"it was decided to {verdict} it, and it is not released" if verdict else "no decision on it is on record"


def _rank(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (0, version)


def _number(env: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    said = env.get(name) or str(default)
    if not said.isdigit() or int(said) < least:
        raise _not(name, f"a whole number of at least {least}", said)
    return int(said)


def _not(name: str, expected: str, got: str) -> ContenderError:
    return ContenderError(
        "the retention policy cannot be read", where=name, expected=expected, got=some([got]),
        next_step="correct the variable; nothing was removed",
    )  # fmt: skip
