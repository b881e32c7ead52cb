from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core.errors import DataError
from contender.core.policy import FairnessMeasure, FairnessRule, GatePolicy
from contender.stages.gate.fairness import groups
from contender.stages.gate.holdout import Holdout, checked
from contender.stages.gate.rules import decide
from tests.unit.gate.simulated import holdout, measured, reason, simulated

RNG = np.random.default_rng(4)
SEX = np.array(["f", "m"] * 500, dtype=object)
LABELS = RNG.random(1000) < 0.4
OURS, THEIRS = np.round(RNG.random(1000), 2), np.round(RNG.random(1000), 2)


def _holdout(sex: Any = SEX) -> Holdout:
    frame = pd.DataFrame({"sex": sex}, index=range(9, 1009))
    return Holdout(
        task="binary", labels=LABELS, challenger=OURS, reference=THEIRS, clusters=np.arange(1000) % 10, frame=frame
    )


def _rule(**more: Any) -> FairnessRule:
    return FairnessRule(column="sex", **({"max_difference": 0.1} | more))


@pytest.mark.parametrize(
    ("measure", "of"),
    [("selection_rate", np.full(1000, True)), ("true_positive_rate", LABELS), ("false_positive_rate", ~LABELS)],
    ids=["selection_rate", "true_positive_rate", "false_positive_rate"],
)
@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_groups_have_the_rates_by_definition(measure: FairnessMeasure, of: Any, threshold: float) -> None:
    given = _holdout()
    (found,) = groups(given, checked(given), (_rule(measure=measure, threshold=threshold, minimum_rows=50),))
    rates = {
        role: [float((scores[of & (sex == SEX)] >= threshold).mean()) for sex in ("f", "m")]
        for role, scores in (("challenger", OURS), ("champion", THEIRS))
    }
    assert found.groups == pytest.approx(dict(zip("fm", rates["challenger"], strict=True)))
    assert found.challenger == pytest.approx(abs(np.diff(rates["challenger"])[0]))
    assert found.champion == pytest.approx(abs(np.diff(rates["champion"])[0]))
    assert found.left_out == ()


def test_groups_with_too_few_rows_of_the_kind_that_counts_are_left_out_and_named() -> None:
    sex = SEX.copy()
    sex[np.flatnonzero(LABELS)[:20]] = "x"
    sex[np.flatnonzero(~LABELS)[:300]] = "x"
    sex[:5] = None
    given = _holdout(sex)
    selected, positive = groups(
        given, checked(given),
        (_rule(minimum_rows=30), _rule(minimum_rows=30, measure="true_positive_rate")),
    )  # fmt: skip
    assert set(selected.groups) == {"f", "m", "x"}
    assert selected.left_out == ("(missing)",)
    assert set(positive.groups) == {"f", "m"}
    assert positive.left_out == ("(missing)", "x")


def test_groups_of_one_group_have_no_difference() -> None:
    given = _holdout(np.full(1000, "f"))
    (found,) = groups(given, checked(given), (_rule(),))
    assert list(found.groups) == ["f"]
    assert (found.challenger, found.champion) == (None, None)


def test_groups_without_enough_rows_anywhere_have_no_rate() -> None:
    given = _holdout()
    (found,) = groups(given, checked(given), (_rule(minimum_rows=600),))
    assert (found.groups, found.challenger, found.left_out) == ({}, None, ("f", "m"))


@pytest.mark.parametrize(("sex", "said"), [(None, "no column sex"), ([None] * 1000, "the column sex is empty")])
def test_groups_by_a_column_that_makes_none_refuse_and_name_it(sex: Any, said: str) -> None:
    given = _holdout(sex) if sex else replace(_holdout(), frame=pd.DataFrame(index=range(1000)))
    with pytest.raises(DataError, match=said):
        groups(given, checked(given), (_rule(),))


def test_gate_that_decides_groups_differently_holds() -> None:
    rows = holdout()
    taller = rows.frame.assign(sex=np.where(rows.challenger > 0.4, "m", "f"))
    policy = GatePolicy(resamples=200, fairness=(_rule(minimum_rows=50, threshold=0.4),))
    verdict = decide(measured(replace(rows, frame=taller), policy), policy)
    assert verdict.verdict == "hold"
    assert reason(verdict, "fairness").startswith("unfair: selection_rate by sex differs by 1.0000")


def test_gate_with_a_fairness_rule_for_a_model_without_a_decision_holds() -> None:
    policy = GatePolicy(resamples=200, metric="mae", fairness=(FairnessRule(column="origin", max_difference=0.1),))
    verdict = decide(measured(simulated("regression"), policy), policy)
    assert verdict.verdict == "hold"
    assert reason(verdict, "fairness").startswith("fairness unknown")
