"""Gates built wrong on purpose, as public templates ship them: none may ever promote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.core.errors import DataError, SelfTestFailed
from contender.core.evidence import Evidence, Finding, Verdict
from contender.core.interval import Interval
from contender.core.policy import GatePolicy, Guardrail, SliceRule, Task
from contender.core.results import Snapshot
from contender.stages.gate.fingerprints import traced
from contender.stages.gate.firewall import contamination
from contender.stages.gate.holdout import Holdout
from contender.stages.gate.measure import measure
from contender.stages.gate.rules import decide
from contender.stages.gate.self_test import require_passed, self_test
from tests.unit.gate.simulated import METRIC, POLICY, TASKS, holdout, measured, reason, simulated

Measure = Callable[..., Evidence]
Decide = Callable[[Evidence, GatePolicy], Verdict]
GOOD = holdout()  # the gate as it is promotes this challenger


def _gate(
    rows: Holdout = GOOD,
    policy: GatePolicy = POLICY,
    *,
    measure: Measure = measure,
    decide: Decide = decide,
    **more: Any,
) -> Verdict:
    """A run's way through the gate: self-test, measure, decide."""
    facts: dict[str, Any] = {"reference": "version 1", "seed": 7}
    require_passed(self_test(rows, policy, measure=measure, decide=decide, **facts), "flights version 2")
    return decide(measure(rows, policy, holdout_digest="d", label_coverage=1.0, **facts, **more), policy)


def test_gate_as_it_is_promotes_the_good_challenger() -> None:
    assert _gate().verdict == "promote"


def _same_scores(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
    return measure(replace(rows, reference=rows.challenger), policy, **more)


def _stale_champion(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
    """The champion's scores, hence its figures, from the day of its own promotion."""
    return measure(replace(rows, reference=np.random.default_rng(1).permutation(rows.reference)), policy, **more)


def _unpaired(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
    """Each model measured on rows of its own."""
    half = len(rows.labels) // 2
    return measure(replace(rows, reference=np.roll(rows.reference, half)), policy, **more)


def _permuted(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
    """The challenger's answers joined to the rows in another order."""
    return measure(replace(rows, challenger=np.random.default_rng(1).permutation(rows.challenger)), policy, **more)


def _sorted(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
    """Labels and scores each in an order of their own: everybody looks brilliant."""
    both = {name: np.sort(getattr(rows, name)) for name in ("labels", "challenger", "reference")}
    return measure(replace(rows, **both), policy, **more)


def _without_metric(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
    evidence = measure(rows, policy, **more)
    return evidence.model_copy(update={"improvement": {}, "challenger": {}})


def _without_leaks(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
    """Nobody looks at the inputs."""
    return measure(replace(rows, inputs=()), policy, **more)


@pytest.mark.parametrize(
    ("void", "said"),
    [
        (_same_scores, "by figures that are not of these rows"),
        (_stale_champion, "champion against itself"),
        (_unpaired, "champion against itself"),
        (_permuted, "champion against itself"),
        (_sorted, "by figures that are not of these rows"),
        (_without_metric, "a difference in log_loss, which is missing"),
        (_without_leaks, "hold, the leak not found"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_gate_with_a_void_measure_fails_its_self_test(void: Measure, said: str) -> None:
    with pytest.raises(SelfTestFailed, match=said):
        _gate(measure=void)


def _always(name: Any) -> Decide:
    def decided(evidence: Evidence, policy: GatePolicy) -> Verdict:
        return Verdict(
            verdict=name, findings=(Finding(rule="flag", verdict=name, reason="deploy = True"),), evidence_digest="e"
        )

    return decided


def _at_least_as_good(evidence: Evidence, policy: GatePolicy) -> Verdict:
    return _always("promote" if evidence.improvement[policy.metric].value >= 0 else "reject")(evidence, policy)


def _without_leak_rule(evidence: Evidence, policy: GatePolicy) -> Verdict:
    return decide(evidence.model_copy(update={"leaks": measured(GOOD).leaks}), policy)


@pytest.mark.parametrize(
    ("void", "said"),
    [
        (_always("promote"), "champion against itself"),
        (_always("hold"), "challenger with a leaked feature"),
        (_at_least_as_good, "champion against itself"),
        (_without_leak_rule, "challenger with a leaked feature"),
    ],
    ids=["flag promote", "flag hold", "at least as good", "leak rule left out"],
)
def test_gate_with_a_void_decide_fails_its_self_test(void: Decide, said: str) -> None:
    with pytest.raises(SelfTestFailed, match=said):
        _gate(decide=void)


def test_gate_given_the_same_model_twice_holds() -> None:
    """The template that compares the challenger with itself."""
    verdict = _gate(replace(GOOD, reference=GOOD.challenger))
    assert verdict.verdict == "hold"
    assert reason(verdict, "different").startswith("same model")


def test_gate_after_the_alias_was_moved_holds() -> None:
    """The champion is the challenger already; its scores were read before."""
    verdict = _gate(challenger_digest="abc", reference_digest="abc")
    assert verdict.verdict == "hold"
    assert reason(verdict, "different").startswith("same model")


def test_gate_on_a_new_split_in_each_run_holds() -> None:
    """The template whose test rows the champion was trained on, because it drew another split of the same rows."""
    due = pd.Series(pd.date_range("2013-06-15", periods=720, freq="24min", tz="UTC").as_unit("us"))
    rows = pd.DataFrame({"example_id": [f"row {i}" for i in range(720)], "due_at": due, "day": due.dt.date.astype(str)})
    window, snapshot = (
        Interval.parse("2013-06-15/2013-06-27"),
        Snapshot(table="t", version=1, digest="d" * 64, rows=360),
    )
    half = np.random.default_rng(0).permutation(720) < 360
    trained = traced(
        rows[half], version="1", model_digest="a" * 64, train=window, cluster="day", training_set=snapshot,
    )  # fmt: skip
    said = contamination(rows[~half], window, "day", {"challenger": [trained], "champion": [trained]})
    verdict = _gate(contaminated=said)
    assert verdict.verdict == "hold"
    assert "the champion (version 1) was trained until" in reason(verdict, "uncontaminated")


def test_gate_without_the_metric_of_a_guardrail_holds() -> None:
    def without_auc(rows: Holdout, policy: GatePolicy, **more: Any) -> Evidence:
        evidence = measure(rows, policy, **more)
        return evidence.model_copy(
            update={"improvement": {name: it for name, it in evidence.improvement.items() if name != "auc"}}
        )

    policy = GatePolicy(resamples=200, guardrails=(Guardrail(metric="auc", margin=0.5),))
    verdict = _gate(policy=policy, measure=without_auc)
    assert verdict.verdict == "hold"
    assert reason(verdict, "complete").startswith("metric missing: auc")


def test_gate_by_a_slice_that_is_empty_decides_nothing() -> None:
    empty = replace(GOOD, frame=GOOD.frame.assign(origin=None))
    with pytest.raises(DataError, match="the column origin is empty"):
        _gate(empty, GatePolicy(resamples=200, slices=(SliceRule(column="origin"),)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("column", ["labels", "challenger", "reference"])
def test_gate_with_a_missing_value_decides_nothing(task: Task, column: str) -> None:
    rows = simulated(task)
    values = np.array(getattr(rows, column), dtype=float)
    values[5] = np.nan
    with pytest.raises(DataError, match="of 1 of 720 holdout rows cannot be measured"):
        _gate(replace(rows, **{column: values}), GatePolicy(metric=METRIC[task], resamples=200))


@pytest.mark.parametrize("label", [0, 1])
def test_gate_on_one_class_holds(label: int) -> None:
    verdict = _gate(replace(GOOD, labels=np.full(720, label)))
    assert verdict.verdict == "hold"
    assert reason(verdict, "measurable") == f"no interval: all 720 labels of the holdout are {label}"


def test_gate_without_a_scale_for_its_metric_holds() -> None:
    verdict = _gate(replace(simulated("forecast"), scale=None), GatePolicy(metric="mase", resamples=200))
    assert verdict.verdict == "hold"
    assert "mase could not be measured on this holdout (mase has no value" in reason(verdict, "complete")


def test_gate_by_the_auc_of_a_class_that_the_holdout_lacks_holds() -> None:
    rows = simulated("multiclass")
    verdict = _gate(replace(rows, labels=np.minimum(rows.labels, 1)), GatePolicy(metric="auc", resamples=200))
    assert verdict.verdict == "hold"
    assert reason(verdict, "measurable") == "no interval: auc has no value on this holdout"


def test_gate_with_rows_permuted_between_the_models_never_promotes() -> None:
    """The challenger's answers belong to other rows: not to be seen by the self-test, and worse than the champion."""
    order = np.random.default_rng(2).permutation(720)
    assert _gate(replace(GOOD, challenger=GOOD.challenger[order])).verdict == "reject"


@pytest.mark.parametrize("task", TASKS)
def test_gate_with_the_champion_s_answers_joined_to_other_rows_holds(task: Task) -> None:
    """The self-test cannot see it: the champion just looks bad, and the challenger brilliant beside it."""
    rows = simulated(task)
    elsewhere = np.random.default_rng(3).permutation(rows.reference)
    verdict = _gate(replace(rows, reference=elsewhere), GatePolicy(metric=METRIC[task], resamples=200))
    assert verdict.verdict == "hold"
    assert reason(verdict, "improved").startswith("improved: ")
    assert reason(verdict, "aligned").startswith("not aligned: ")


@settings(deadline=None, max_examples=15)
@given(task=st.sampled_from(TASKS), seed=st.integers(0, 99))
def test_gate_of_any_task_never_promotes_a_guess(task: Task, seed: int) -> None:
    rows = simulated(task, seed=seed)
    guess = np.random.default_rng(seed).permutation(rows.challenger)
    assert _gate(replace(rows, challenger=guess), GatePolicy(metric=METRIC[task], resamples=200)).verdict != "promote"
