from __future__ import annotations

from typing import Any

import pytest

from contender.core.manifest import digest_of
from contender.core.policy import GatePolicy
from contender.stages.gate.rules import JUDGEMENT, VALIDITY, decide
from tests.unit.gate.simulated import POLICY, evidence


@pytest.mark.parametrize(
    ("low", "high", "reference", "verdict"),
    [
        (0.011, 0.2, "version 1", "promote"),
        (0.01, 0.2, "version 1", "hold"),
        (-0.1, 0.2, "version 1", "hold"),
        (-0.1, 0.0, "version 1", "hold"),
        (-0.2, -0.001, "version 1", "reject"),
        (None, None, "version 1", "hold"),
        (0.011, 0.2, "prevalence", "promote"),
        (0.01, 0.2, "prevalence", "reject"),
        (None, None, "prevalence", "hold"),
    ],
    ids=str,
)
def test_decide_by_the_interval_of_the_improvement(
    low: float | None, high: float | None, reference: str, verdict: str
) -> None:
    policy = GatePolicy(minimum_improvement=0.01)
    decided = decide(evidence(low, high, reference=reference), policy)
    assert decided.verdict == verdict
    if low is not None:
        assert f"[{low:+.4f}, {high:+.4f}] at 95%" in decided.reasons[-1]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"metric": "auc"}, "gathered for auc, the policy decides by log_loss"),
        ({"clusters": 6}, "at least 7 are needed"),
        ({"improvement": {}}, "no interval of the improvement in log_loss"),
    ],
    ids=["other metric", "too few clusters", "metric absent"],
)
def test_decide_on_evidence_that_does_not_fit_the_policy_holds(more: dict[str, Any], reason: str) -> None:
    decided = decide(evidence(0.1, 0.2, **more), POLICY)
    assert decided.verdict == "hold"
    assert reason in decided.reasons[-1]


def test_decide_says_one_line_for_each_rule_and_names_theevidence() -> None:
    given = evidence(0.1, 0.2)
    decided = decide(given, POLICY)
    assert len(decided.reasons) == len(VALIDITY) + len(JUDGEMENT)
    assert decided.evidence_digest == digest_of(given.facts())
