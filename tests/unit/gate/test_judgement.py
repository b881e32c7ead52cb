from __future__ import annotations

from typing import Any

import pytest

from contender.core.evidence import Estimate, Evidence, SliceFigures
from contender.core.policy import GatePolicy, Guardrail, SliceRule
from contender.stages.gate.judgement import guardrails, slices
from contender.stages.gate.ruling import worded
from tests.unit.gate.simulated import POLICY, evidence


def _with_auc(low: float | None, high: float | None) -> Evidence:
    improvement = Estimate(value=0.0 if low is None or high is None else (low + high) / 2, low=low, high=high)
    return evidence(
        0.1,
        0.2,
        challenger={"auc": Estimate(value=0.7)},
        champion={"auc": Estimate(value=0.72)},
        improvement={"auc": improvement},
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.009, 0.01, "promote"), (-0.02, 0.01, "hold"), (-0.03, -0.011, "reject"), (None, None, "hold")],
)
def test_guardrails_by_the_interval_and_the_margin(low: float | None, high: float | None, verdict: str) -> None:
    ruling = guardrails(_with_auc(low, high), GatePolicy(guardrails=(Guardrail(metric="auc", margin=0.01),)))
    assert ruling is not None
    assert ruling.verdict == verdict
    assert "auc of 0.7000 against 0.7200 of version 1" in ruling.reason


def test_guardrails_of_two_metrics_take_the_stricter_and_name_both() -> None:
    given, found = _with_auc(-0.001, 0.01), Estimate(value=-0.2, low=-0.3, high=-0.1)
    for name in ("challenger", "champion", "improvement"):
        getattr(given, name)["brier"] = found
    policy = GatePolicy(guardrails=(Guardrail(metric="auc", margin=0.01), Guardrail(metric="brier", margin=0.05)))
    ruling = guardrails(given, policy)
    assert ruling is not None
    assert ruling.verdict == "reject"
    assert "not inferior: auc" in ruling.reason
    assert "; inferior: brier" in ruling.reason


def test_rules_that_the_policy_does_not_ask_for_say_nothing() -> None:
    assert guardrails(evidence(0.1, 0.2), POLICY) is None
    assert slices(evidence(0.1, 0.2), POLICY) is None


def _slice(value: str, low: float, high: float) -> SliceFigures:
    estimate = Estimate(value=(low + high) / 2, low=low, high=high)
    return SliceFigures(column="origin", value=value, rows=300, clusters=12, improvement=estimate)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.01, 0.02, "promote"),
        (-0.03, 0.0, "promote"),
        (-0.018, -0.001, "promote"),
        (-0.04, -0.005, "hold"),
        (-0.04, -0.011, "reject"),
    ],
    ids=["spans zero", "touches zero", "worse, within the allowed", "worse, estimate beyond", "worse, all beyond"],
)
def test_slices_by_the_interval_of_the_worst(low: float, high: float, verdict: str) -> None:
    policy = GatePolicy(slices=(SliceRule(column="origin", largest_regression=0.01),))
    ruling = slices(evidence(0.1, 0.2, slices=(_slice("JFK", 0.01, 0.02), _slice("EWR", low, high))), policy)
    assert ruling is not None
    assert ruling.verdict == verdict
    assert ("origin=EWR worse by" in ruling.reason) == (verdict != "promote")


def test_slices_without_enough_data_decide_nothing_and_are_named() -> None:
    policy = GatePolicy(slices=(SliceRule(column="origin"),))
    few = SliceFigures(column="origin", value="LGA", rows=3, clusters=1, not_enough="3 rows, at least 200 are needed")
    ruling = slices(evidence(0.1, 0.2, slices=(_slice("JFK", 0.01, 0.02), few)), policy)
    assert ruling is not None
    assert ruling.verdict == "promote"
    assert ruling.reason == (
        "slices: none of 1 credibly worse than allowed; not enough data in origin=LGA (3 rows, at least 200 are needed)"
    )


def test_slices_of_a_column_by_which_none_has_enough_data_hold() -> None:
    policy = GatePolicy(slices=(SliceRule(column="origin"), SliceRule(column="carrier")))
    few = SliceFigures(column="carrier", value="UA", rows=3, clusters=1, not_enough="3 rows, at least 200 are needed")
    ruling = slices(evidence(0.1, 0.2, slices=(_slice("JFK", 0.01, 0.02), few)), policy)
    assert ruling is not None
    assert ruling.verdict == "hold"
    assert "slices unknown: no slice by carrier has enough data; not enough data in carrier=UA" in ruling.reason


def test_slices_that_the_evidence_lacks_hold() -> None:
    policy = GatePolicy(slices=(SliceRule(column="origin"), SliceRule(column="carrier")))
    ruling = slices(evidence(0.1, 0.2, slices=(_slice("JFK", 0.01, 0.02),)), policy)
    assert ruling == ("hold", "slices missing: the evidence has none by carrier")


def test_slices_with_neither_figure_nor_reason_hold() -> None:
    policy = GatePolicy(slices=(SliceRule(column="origin"),))
    ruling = slices(
        evidence(0.1, 0.2, slices=(SliceFigures(column="origin", value="JFK", rows=1, clusters=1),)), policy
    )
    assert ruling is not None
    assert ruling.verdict == "hold"


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(value=0.02, low=0.01, high=0.03), "better by 0.0200 [+0.0100, +0.0300]"),
        (Estimate(value=-0.02, low=-0.03, high=-0.01), "worse by 0.0200 [-0.0300, -0.0100]"),
        (Estimate(value=0), "no difference, without an interval"),
        (None, "without a figure"),
    ],
)
def test_worded_fits_the_sign(estimate: Any, text: str) -> None:
    assert worded(estimate) == text
