"""What becomes of each version, of what is on record alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from contender.core.errors import ContenderError
from contender.core.interval import Interval
from contender.core.manifest import Release
from contender.core.records import Decision, Record
from contender.core.retention import Known, Policy, judge

OLD = Policy(releases=2, rollback_days=0, challengers=1)


def release(version: int, month: str = "2013-01", reference: str = "prevalence", decision_hash: str = "") -> Release:
    """As much of a manifest as the policy looks at."""
    evidence = type("E", (), {"reference": reference})()
    return Release.model_construct(
        version=str(version), interval=Interval.parse(month), evidence=evidence, decision_hash=decision_hash,  # type: ignore[arg-type]
    )  # fmt: skip


def records(*said: tuple[int, str]) -> tuple[Record, ...]:
    found: list[Record] = []
    for version, verdict in said:
        kind: dict[str, Any] = {"kind": "decision", "verdict": verdict} if verdict != "moved" else {"kind": "promotion"}
        decision = Decision(
            model="toy", subject=f"version {version}", actor="a", run="r", reasons=("because",),
            time=datetime(2013, 1, 1, tzinfo=UTC), **kind,
        )  # fmt: skip
        found.append(Record.after(found[-1] if found else None, decision))
    return tuple(found)


def known(*numbers: int, **further: Any) -> Known:
    return Known(versions={str(number): "d" for number in numbers}, **further)


def test_judge_keeps_the_newest_releases_by_number_and_not_by_text() -> None:
    releases = tuple(release(number) for number in (9, 10, 11, 2))
    fates = judge(known(2, 9, 10, 11, releases=releases), OLD)
    # All four are of one interval, which is the newest: with a window of no day they are in it.
    assert fates.removed == {}
    apart = tuple(release(number, f"2013-{month:02}") for month, number in enumerate((2, 9, 10, 11), start=1))
    fates = judge(known(2, 9, 10, 11, releases=apart), OLD)
    assert set(fates.kept) == {"10", "11"}
    assert "none of the 2 newest, nor in the rollback window of 0 days" in fates.removed["9"]


def test_judge_keeps_releases_in_the_rollback_window_by_their_intervals() -> None:
    # A backfill of old months has the newest numbers; the window is that of the newest interval.
    releases = (release(1, "2013-11"), release(2, "2013-12"), release(3, "2013-01"), release(4, "2013-02"))
    fates = judge(known(1, 2, 3, 4, releases=releases), Policy(releases=1, rollback_days=31))
    assert {version: why[:22] for version, why in fates.kept.items()} == {
        "4": "it is one of the 1 new", "1": "it is in the rollback ", "2": "it is in the rollback ",
    }  # fmt: skip
    assert list(fates.removed) == ["3"]


def test_judge_keeps_what_bears_any_alias_and_what_kept_releases_were_compared_with_but_no_further_back() -> None:
    chain = tuple(release(n, f"2013-{n:02}", f"version {n - 1}" if n > 1 else "prevalence") for n in range(1, 8))
    fates = judge(known(*range(1, 8), releases=chain, aliases={"2": ("shadow",)}), OLD)
    assert fates.kept["2"] == "it bears the alias shadow"
    assert fates.kept["1"] == "release 2, which is kept, was compared with it"
    assert fates.kept["5"] == "release 6, which is kept, was compared with it"
    assert list(fates.removed) == ["3", "4"]


def test_judge_keeps_the_newest_held_and_whatever_is_still_under_way() -> None:
    said = records((1, "hold"), (2, "reject"), (3, "promote"), (4, "hold"))
    fates = judge(known(1, 2, 3, 4, 5, records=said), OLD)
    assert fates.kept == {
        "4": "it is one of the 1 newest that were decided on and not promoted",
        "3": "it was decided to promote it, and it is not released",
        "5": "no decision on it is on record",
    }
    assert list(fates.removed) == ["1", "2"]
    assert list(judge(known(1, 2, records=said), Policy(challengers=0)).removed) == ["1", "2"]


def test_judge_takes_a_manifest_for_a_release_once_its_promotion_is_on_record() -> None:
    # Versions 2 and 4 were killed between their manifest and the alias; after 2, version 3 was promoted.
    said = ((1, "promote"), (1, "moved"), (2, "promote"), (3, "promote"), (3, "moved"), (4, "promote"))
    manifests = tuple(release(n, f"2013-{n:02}", f"version {n - 1}", decision_hash="h") for n in (1, 2, 3, 4))
    last = Policy(releases=1, rollback_days=0, challengers=0)
    fates = judge(known(1, 2, 3, 4, releases=manifests, records=records(*said)), last)
    assert fates.kept["3"] == "it is one of the 1 newest releases"  # 4 is the newest manifest, and 3 has its place
    assert fates.kept["4"] == "it was decided to promote it, and it is not released"
    assert fates.kept["2"] == "release 3, which is kept, was compared with it"
    apart = tuple(one if one.version != "3" else release(3, "2013-03", "version 1", "h") for one in manifests)
    fates = judge(known(1, 2, 3, 4, releases=apart, records=records(*said)), last)
    assert fates.removed["2"] == "it was not promoted, and is none of the 0 newest of these"
    assert set(fates.kept) == {"1", "3", "4"}


def test_policy_has_defaults_and_is_read_from_the_environment() -> None:
    assert Policy.from_env({}) == Policy(releases=5, rollback_days=92, challengers=2, after_deployment=True)
    env = {"CONTENDER_KEEP_RELEASES": "1", "CONTENDER_ROLLBACK_DAYS": "0", "CONTENDER_KEEP_CHALLENGERS": "0",
           "CONTENDER_PRUNE": "none"}  # fmt: skip
    assert Policy.from_env(env) == Policy(1, 0, 0, after_deployment=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("CONTENDER_KEEP_RELEASES", "0"), ("CONTENDER_KEEP_RELEASES", "many"), ("CONTENDER_ROLLBACK_DAYS", "-1"),
     ("CONTENDER_PRUNE", "all")],
)  # fmt: skip
def test_policy_that_cannot_be_read_is_refused_and_named(name: str, value: str) -> None:
    with pytest.raises(ContenderError, match=name):
        Policy.from_env({name: value})
