from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contender.core.evidence import Estimate, Leak
from contender.core.manifest import digest_of
from contender.core.policy import Budgets, FairnessRule, GatePolicy, Guardrail, SliceRule
from contender.stages.gate.rules import JUDGEMENT, VALIDITY, decide
from contender.stages.gate.ruling import STRICTNESS
from tests.unit.gate.simulated import POLICY, evidence, reason

ENDS = st.floats(-1, 1)
EVERYTHING = GatePolicy(
    metric="log_loss",
    margin=0.01,
    guardrails=(Guardrail(metric="auc", margin=0.01),),
    slices=(SliceRule(column="origin"),),
    fairness=(FairnessRule(column="sex", max_difference=0.1),),
    max_calibration_error=0.05,
    max_prediction_shift=0.1,
    budgets=Budgets(max_image_mb=100),
    require_image=True,
)


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
    decided = decide(evidence(low, high, reference=reference), GatePolicy(minimum_improvement=0.01))
    assert decided.verdict == verdict
    if low is not None:
        assert f"[{low:+.4f}, {high:+.4f}] at 95%" in reason(decided, "improved")


def test_decide_of_a_worse_challenger_says_by_how_much() -> None:
    said = reason(decide(evidence(-0.03, -0.01), POLICY), "improved")
    assert said == (
        "worse: log_loss of 0.4000 against 0.5000 of version 1, worse by 0.0200 [-0.0300, -0.0100] at 95%: "
        "the upper end is below 0"
    )


def test_decide_at_a_later_look_names_its_confidence() -> None:
    said = reason(decide(evidence(0.01, 0.03, look=3, alpha=0.0125), POLICY), "improved")
    assert "better by 0.0200 [+0.0100, +0.0300] at 98.75%" in said


@pytest.mark.parametrize(
    ("low", "high", "reference", "verdict", "said"),
    [
        (-0.009, 0.01, "version 1", "promote", "not inferior: "),
        (-0.01, 0.01, "version 1", "hold", "not shown to be as good: "),
        (-0.05, -0.005, "version 1", "hold", "not shown to be as good: "),
        (-0.05, -0.011, "version 1", "reject", "inferior: "),
        (-0.009, 0.01, "prevalence", "reject", "baseline not beaten: "),
    ],
)
def test_decide_with_a_margin_asks_for_non_inferiority_but_of_a_first_model_for_superiority(
    low: float, high: float, reference: str, verdict: str, said: str
) -> None:
    decided = decide(evidence(low, high, reference=reference), GatePolicy(margin=0.01))
    assert decided.verdict == verdict
    assert decided.findings[-1].reason.startswith(said)


@pytest.mark.parametrize(
    ("more", "rule", "verdict", "said"),
    [
        ({"contaminated": "the champion knew these rows"}, "uncontaminated", "hold", "the champion knew these rows"),
        ({"same_model": True}, "different", "hold", "same model: challenger and version 1"),
        ({"label_coverage": None}, "labelled", "hold", "label coverage unknown"),
        ({"label_coverage": 0.79}, "labelled", "hold", "79.0% of the holdout have one, at least 80.0%"),
        ({"metric": "auc"}, "complete", "hold", "gathered for auc, the policy decides by log_loss"),
        ({"improvement": {}}, "complete", "hold", "metric missing: log_loss"),
        ({"champion": {}}, "complete", "hold", "metric missing: log_loss"),
        ({"clusters": 6}, "measurable", "hold", "has 6 clusters of day, at least 7 are needed: 1 more"),
        ({"effective_clusters": 6.4}, "measurable", "hold", "as good as 6.4 of one size, at least 7 are needed"),
        ({"effective_clusters": None}, "measurable", "hold", "does not say how many clusters of one size"),
        ({"no_interval": "all labels are 1"}, "measurable", "hold", "no interval: all labels are 1"),
        ({"improvement": {"log_loss": Estimate(value=1)}}, "measurable", "hold", "has none of the improvement"),
        ({"alpha": 0.1}, "measurable", "hold", "interval too short: taken at alpha 0.1, look 1 has 0.05"),
        ({"look": 2}, "measurable", "hold", "taken at alpha 0.05, look 2 has 0.025"),
        ({"leaks": ()}, "leak_free", "hold", "leaks unknown"),
        ({"leaks": (Leak(column="paid", power=0.98),)}, "leak_free", "reject", "leak: paid (0.9800) tells the label"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_decide_on_a_comparison_that_means_nothing_never_promotes(
    more: dict[str, Any], rule: str, verdict: str, said: str
) -> None:
    decided = decide(evidence(0.1, 0.2, **more), POLICY)
    assert decided.verdict == verdict
    assert said in reason(decided, rule)
    assert len(decided.findings) == len(VALIDITY), "the figures are not looked at"


def test_decide_without_a_needed_label_coverage_does_not_ask_for_it() -> None:
    decided = decide(evidence(0.1, 0.2, label_coverage=None), GatePolicy(minimum_label_coverage=0))
    assert decided.verdict == "promote"
    assert "labelled" not in {finding.rule for finding in decided.findings}


def test_decide_says_one_line_for_each_rule_asked_and_names_the_evidence() -> None:
    seen = evidence(0.1, 0.2)
    decided = decide(seen, POLICY)
    assert [finding.rule for finding in decided.findings] == [rule.__name__ for rule in (*VALIDITY, JUDGEMENT[0])]
    assert all(len(said.splitlines()) == 1 and said for said in decided.reasons)
    assert decided.evidence_digest == digest_of(seen.facts())


def test_decide_by_a_policy_that_asks_for_everything_holds_where_every_figure_is_missing() -> None:
    figures = {"log_loss": Estimate(value=0.5), "auc": Estimate(value=0.5)}
    better = dict.fromkeys(figures, Estimate(value=0.2, low=0.1, high=0.3))
    decided = decide(
        evidence(0, 0, challenger=figures, champion=figures, improvement=better, agreement=0.0), EVERYTHING
    )
    assert decided.verdict == "hold"
    asked = [rule.__name__ for rule in JUDGEMENT if rule.__name__ != "improved"]
    assert [finding.rule for finding in decided.findings[len(VALIDITY) :]] == asked
    held = {finding.rule for finding in decided.findings if finding.verdict == "hold"}
    assert held == {"aligned", "slices", "fairness", "calibration", "shift", "budgets", "servable"}


@given(ends=st.tuples(ENDS, ENDS), rise=st.floats(0, 1), margin=st.one_of(st.none(), st.floats(0.001, 0.5)))
def test_decide_is_monotone_in_the_interval(ends: tuple[float, float], rise: float, margin: float | None) -> None:
    """Raising one end or both never makes the verdict stricter."""
    low, high = sorted(ends)
    policy = GatePolicy(margin=margin)

    def strictness(at: float, to: float) -> int:
        return STRICTNESS.index(decide(evidence(at, to), policy).verdict)

    before = strictness(low, high)
    assert strictness(min(low + rise, high), high) <= before
    assert strictness(low, high + rise) <= before
    assert strictness(low + rise, high + rise) <= before


@given(low=ENDS, width=st.floats(0, 1))
def test_decide_promotes_exactly_where_the_lower_end_is_above_the_least_improvement(low: float, width: float) -> None:
    policy = GatePolicy(minimum_improvement=0.1)
    assert (decide(evidence(low, low + width), policy).verdict == "promote") == (low > 0.1)
