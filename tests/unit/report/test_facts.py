"""What of the log still holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.report.reports import full, record

GATE = record("decision", 1, verdict="hold")
ALICE = record("override", 2, actor="alice", verdict="promote", reasons=("until the quarter ends",))
REJECTED = record("override", 3, actor="admin", verdict="reject", reasons=("rejected by admin",))
APPROVED = record("decision", 4, actor="admin", verdict="promote", reasons=("approved by admin",))


@pytest.mark.parametrize(
    ("followed", "by"),
    [
        ((GATE,), None),
        ((GATE, ALICE), "alice"),
        ((GATE, ALICE, APPROVED), "alice"),
        ((GATE, ALICE, REJECTED), "admin"),
        ((GATE, ALICE, REJECTED, APPROVED), "alice"),
        ((GATE, REJECTED, APPROVED), None),
    ],
    ids=["none", "given", "confirmed", "refused", "refused-then-confirmed", "refused-then-approved"],
)
def test_override_is_the_word_that_still_holds(followed: Any, by: str | None) -> None:
    report = full("hold", followed=followed)
    assert (report.override and report.override.actor) == by
    assert report.stands == (followed[-1].verdict if by else "hold")


def test_records_of_other_evidence_of_the_run_change_nothing() -> None:
    past = [record(kind, number, evidence_digest="dd" * 32) for number, kind in enumerate(("override", "promotion"), 1)]
    report = full("hold", followed=(*past, GATE))
    assert (report.override, report.promotion, report.stands) == (None, None, "hold")


def test_slices_are_sorted_by_the_least_improvement_that_they_may_have() -> None:
    assert [found.value for found in full().worst_slices()] == ["LGA", "JFK"]
