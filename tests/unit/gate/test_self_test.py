from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contender.core.errors import SelfTestFailed
from contender.core.policy import Budgets, FairnessRule, GatePolicy, Guardrail, MetricName, SliceRule, Task
from contender.stages.gate.measure import measure
from contender.stages.gate.rules import decide
from contender.stages.gate.self_test import Gate, require_passed, self_test
from tests.unit.gate.simulated import METRIC, POLICY, TASKS, holdout, logistic, simulated, swapped

CASES = ["champion against itself", "challenger with permuted labels", "challenger with a leaked feature"]


def _tested(rows: Any, policy: GatePolicy = POLICY, reference: str = "version 1", **more: Any) -> list[Any]:
    checks = self_test(rows, policy, reference=reference, seed=7, **more)
    assert [check.name for check in checks] == CASES
    return list(checks)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("margin", [None, 0.01])
@pytest.mark.parametrize("reference", ["version 1", "prevalence"])
def test_self_test_of_the_gate_as_it_is_passes(task: Task, margin: float | None, reference: str) -> None:
    policy = GatePolicy(metric=METRIC[task], resamples=200, margin=margin)
    for rows in (simulated(task), swapped(simulated(task))):
        checks = _tested(rows, policy, reference)
        require_passed(tuple(checks), "flights version 2")
        assert checks[1].got.startswith("reject against ")
        assert checks[2].got == "reject, the leak named"


@pytest.mark.parametrize("metric", ["brier", "auc", "accuracy", "f1"])
def test_self_test_by_any_metric_passes(metric: MetricName) -> None:
    require_passed(tuple(_tested(holdout(), GatePolicy(metric=metric, resamples=200))), "flights version 2")


def test_self_test_does_not_hang_on_what_the_policy_asks_besides() -> None:
    policy = GatePolicy(
        resamples=200, minimum_label_coverage=1.0, guardrails=(Guardrail(metric="auc", margin=0),),
        slices=(SliceRule(column="nowhere"),), fairness=(FairnessRule(column="nowhere", max_difference=0.1),),
        max_calibration_error=0.01, max_prediction_shift=0.01, budgets=Budgets(max_image_mb=1), require_image=True,
    )  # fmt: skip
    assert _tested(holdout(), policy) == _tested(holdout())


def test_self_test_with_the_same_seed_repeats() -> None:
    assert _tested(holdout()) == _tested(holdout())


def test_self_test_measures_three_cases_by_one_metric() -> None:
    asked = []

    def counting(*given: Any, **more: Any) -> Any:
        asked.append(measure(*given, **more))
        return asked[-1]

    _tested(holdout(), measure=counting)
    assert [list(evidence.improvement) for evidence in asked] == [["log_loss"]] * 3
    assert all(not evidence.curves and not evidence.slices and not evidence.calibration for evidence in asked)


def test_self_test_beside_a_champion_that_guesses_takes_the_labels_for_a_champion() -> None:
    rows = holdout()
    guess = logistic(np.random.default_rng(1).normal(0, 0.01, 720))
    policy = GatePolicy(resamples=200, metric="auc")
    checks = _tested(replace(rows, reference=guess), policy)
    require_passed(tuple(checks), "flights version 2")
    assert checks[1].got == "hold against version 1, reject against the labels themselves"


def test_self_test_beside_a_champion_that_the_world_has_left_behind_passes() -> None:
    """It is so wrong that a guess is better: the very case in which a new champion is needed."""
    rows = holdout()
    checks = _tested(replace(rows, reference=logistic(-5 * np.log(rows.challenger / (1 - rows.challenger)))))
    require_passed(tuple(checks), "flights version 2")
    assert checks[1].got == "promote against version 1, reject against the labels themselves"


def test_self_test_of_a_margin_that_lets_a_guess_pass_fails_closed() -> None:
    with pytest.raises(
        SelfTestFailed, match=r"challenger with permuted labels: reject; got: promote against version 1"
    ):
        require_passed(tuple(_tested(holdout(), GatePolicy(resamples=200, margin=5.0))), "flights version 2")


@pytest.mark.parametrize("labels", [None, 0, 1])
def test_self_test_without_an_interval_says_that_it_could_not_run(labels: int | None) -> None:
    rows = holdout(days=3) if labels is None else replace(holdout(), labels=np.full(720, labels))
    why = "the holdout has 3 clusters of day" if labels is None else f"all 720 labels of the holdout are {labels}"
    checks = _tested(rows)
    require_passed(tuple(checks), "flights version 2")
    assert all(check.got.startswith(f"could not run: {why}") for check in checks)


def test_better_by_a_signed_metric_is_what_lies_nearer_to_zero() -> None:
    rows = simulated("regression")
    gate = Gate(GatePolicy(metric="mae").model_copy(update={"metric": "bias"}), "version 1", 7, measure, decide)
    assert gate.better(rows.labels + 0.1, rows.labels - 0.5, rows)
    assert not gate.better(rows.labels - 0.5, rows.labels + 0.1, rows)


def test_require_passed_without_a_check_fails_closed() -> None:
    with pytest.raises(SelfTestFailed, match="got: none"):
        require_passed((), "flights version 2")
