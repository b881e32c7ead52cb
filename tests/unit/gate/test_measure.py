from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.core.evidence import Estimate, Evidence
from contender.core.manifest import digest_of
from contender.core.policy import METRICS_OF, GatePolicy, Guardrail, MetricName, Task
from contender.stages.gate.holdout import Holdout
from contender.stages.gate.rules import decide
from tests.unit.gate.simulated import (
    METRIC,
    POLICY,
    TASKS,
    holdout,
    logistic,
    measured,
    permuted,
    reason,
    simulated,
    swapped,
)


@pytest.mark.parametrize("metric", ["log_loss", "brier", "auc"])
def test_gate_with_a_better_challenger_promotes_and_swapped_rejects(metric: MetricName) -> None:
    policy, rows = GatePolicy(metric=metric, resamples=400), holdout()
    if metric == "auc":
        noise = np.random.default_rng(1).normal(size=len(rows.labels))
        rows = replace(rows, reference=logistic(np.log(rows.reference) + 2 * noise))
    better, worse = measured(rows, policy), measured(swapped(rows), policy)
    assert decide(better, policy).verdict == "promote"
    assert decide(worse, policy).verdict == "reject"
    assert better.rows == 720
    assert better.clusters == 12
    for name, improvement in better.improvement.items():
        mirrored = worse.improvement[name]
        assert improvement.low is not None
        assert (improvement.value, improvement.low) == (-mirrored.value, -(mirrored.high or 0))


@settings(deadline=None, max_examples=20)
@given(task=st.sampled_from(TASKS), seed=st.integers(0, 1000))
def test_measure_when_rows_are_permuted_gives_the_same_evidence(task: Task, seed: int) -> None:
    rows, policy = simulated(task, seed=seed, days=8, each=15), GatePolicy(metric=METRIC[task], resamples=200)
    order = np.random.default_rng(seed).permutation(len(rows.labels))
    assert measured(rows, policy) == measured(permuted(rows, order), policy)


@settings(deadline=None, max_examples=20)
@given(task=st.sampled_from(TASKS), seed=st.integers(0, 1000))
def test_measure_when_models_are_swapped_mirrors_every_figure(task: Task, seed: int) -> None:
    rows, policy = simulated(task, seed=seed, days=8, each=15), GatePolicy(metric=METRIC[task], resamples=200)
    there, back = measured(rows, policy), measured(swapped(rows), policy)
    assert (there.challenger, there.champion) == (back.champion, back.challenger)
    assert set(there.improvement) == set(METRICS_OF[task])
    for name, found in there.improvement.items():
        mirrored = back.improvement[name]
        assert found.value == -mirrored.value
        if found.low is None or found.high is None:
            assert mirrored.low is None
        else:
            assert (found.low, found.high) == (-(mirrored.high or 0), -(mirrored.low or 0))


@pytest.mark.parametrize("task", TASKS)
def test_gate_of_every_task_promotes_the_better_and_rejects_the_worse(task: Task) -> None:
    policy = GatePolicy(metric=METRIC[task], resamples=200)
    assert decide(measured(simulated(task), policy), policy).verdict == "promote"
    assert decide(measured(swapped(simulated(task)), policy), policy).verdict == "reject"


def test_measure_not_in_full_keeps_to_what_the_policy_asks_for() -> None:
    rows, policy = holdout(), GatePolicy(resamples=200, guardrails=(Guardrail(metric="auc", margin=0.1),))
    full, brief = measured(rows, policy), measured(rows, policy, in_full=False)
    assert list(brief.improvement) == ["log_loss", "auc"]
    assert (brief.curves, brief.calibration, brief.shift) == ((), {}, None)
    assert full.calibration
    assert full.shift is not None
    assert [finding.verdict for finding in decide(brief, policy).findings] == [
        finding.verdict for finding in decide(full, policy).findings
    ]
    limited = policy.model_copy(update={"max_calibration_error": 0.5, "max_prediction_shift": 9.0})
    asked = measured(rows, limited, in_full=False)
    assert (asked.calibration, asked.shift) == (full.calibration, full.shift)


def test_measure_against_a_baseline_has_neither_shift_nor_agreement() -> None:
    evidence = measured(holdout(), reference="prevalence")
    assert (evidence.shift, evidence.agreement) == (None, None)


def test_measure_with_the_same_seed_repeats_and_with_another_differs() -> None:
    rows = holdout()
    assert digest_of(measured(rows).facts()) == digest_of(measured(rows).facts())
    assert measured(rows) != measured(rows, seed=8)


def test_measure_survives_json() -> None:
    evidence = measured(holdout())
    assert Evidence.model_validate_json(evidence.model_dump_json()) == evidence


def test_measure_at_a_later_look_gives_wider_intervals() -> None:
    policy = GatePolicy(resamples=800)
    first, third = measured(holdout(), policy), measured(holdout(), policy, look=3)
    assert (first.alpha, third.look, third.alpha) == (0.05, 3, 0.0125)
    near, wide = first.improvement["log_loss"], third.improvement["log_loss"]
    assert near.value == wide.value
    assert (wide.high or 0) > (near.high or 0)


def test_measure_of_a_holdout_that_is_used_up_has_no_interval() -> None:
    evidence = measured(holdout(), look=2)
    assert evidence.improvement["log_loss"].low is None
    assert reason(decide(evidence, POLICY), "measurable").startswith("no interval: this holdout is used up: look 2")


def test_gate_with_equal_scores_holds_at_exactly_zero() -> None:
    rows = holdout()
    evidence = measured(replace(rows, challenger=rows.reference))
    assert evidence.improvement["log_loss"] == Estimate(value=0, low=0, high=0)
    assert evidence.same_model
    assert decide(evidence, POLICY).verdict == "hold"


def test_gate_with_equal_digests_holds_whatever_the_figures() -> None:
    verdict = decide(measured(holdout(), challenger_digest="abc", reference_digest="abc"), POLICY)
    assert verdict.verdict == "hold"
    assert any(reason.startswith("same model") for reason in verdict.reasons)


def test_gate_with_a_contaminated_holdout_holds_whatever_the_figures() -> None:
    verdict = decide(measured(holdout(), contaminated="the champion knew these rows"), POLICY)
    assert verdict.verdict == "hold"
    assert "the champion knew these rows" in verdict.reasons[0]


@pytest.mark.parametrize("metric", ["log_loss", "auc"])
@pytest.mark.parametrize("label", [0, 1])
def test_gate_with_one_class_in_the_holdout_holds_and_says_so(metric: MetricName, label: int) -> None:
    policy = GatePolicy(metric=metric)
    evidence = measured(replace(holdout(), labels=np.full(720, label)), policy)
    assert "auc" not in evidence.improvement
    verdict = decide(evidence, policy)
    assert verdict.verdict == "hold"
    assert reason(verdict, "measurable") == f"no interval: all 720 labels of the holdout are {label}"


@pytest.mark.parametrize("reference", ["version 1", "prevalence"])
@pytest.mark.parametrize("days", [1, 6])
def test_gate_with_too_few_clusters_holds_and_says_so(days: int, reference: str) -> None:
    evidence = measured(holdout(days=days), reference=reference)
    assert evidence.improvement["log_loss"].low is None
    verdict = decide(evidence, POLICY)
    assert verdict.verdict == "hold"
    assert (
        reason(verdict, "measurable")
        == f"no interval: the holdout has {days} clusters of day, at least 7 are needed: {7 - days} more"
    )


def test_gate_with_most_rows_in_one_cluster_holds_and_says_so() -> None:
    rows, large = holdout(days=15), np.arange(900) < 600
    lopsided = replace(rows, clusters=np.where(large, rows.clusters[0], rows.clusters))
    assert decide(measured(rows), POLICY).verdict == "promote"
    evidence = measured(lopsided)
    assert evidence.effective_clusters == pytest.approx(900**2 / (600**2 + 5 * 60**2))
    verdict = decide(evidence, POLICY)
    assert verdict.verdict == "hold"
    assert reason(verdict, "measurable") == (
        "no interval: the holdout has 6 clusters of day of unlike size, as good as 2.1 of one size, at least 7 are "
        "needed"
    )


def test_gate_with_clusters_of_nearly_one_size_takes_them_for_their_number() -> None:
    rows = holdout(days=7)
    evidence = measured(permuted(rows, np.arange(0, 415)))
    assert evidence.effective_clusters == pytest.approx(6.99, abs=0.01)
    assert evidence.no_interval == ""


def test_gate_on_auc_with_all_positives_in_one_cluster_holds() -> None:
    rows, policy = holdout(), GatePolicy(metric="auc")
    labels = np.where(np.arange(720) < 60, rows.labels, 0)
    verdict = decide(measured(replace(rows, labels=labels), policy), policy)
    assert verdict.verdict == "hold"
    assert "some resamples of the 12 clusters carry no value of auc" in reason(verdict, "measurable")


def test_gate_on_equal_skill_promotes_about_as_rarely_as_alpha_says() -> None:
    promoted, frame = 0, pd.DataFrame(index=range(300))
    for seed in range(200):
        rng = np.random.default_rng(seed)
        day = np.repeat(np.arange(15), 20)
        logit = rng.normal(size=300) - 1
        labels = (rng.random(300) < logistic(logit)).astype(int)
        ours, theirs = (logistic(logit + rng.normal(0, 0.5, 15)[day] + rng.normal(0, 0.3, 300)) for _ in range(2))
        rows = Holdout(task="binary", labels=labels, challenger=ours, reference=theirs, clusters=day, frame=frame)
        promoted += decide(measured(rows), POLICY).verdict == "promote"
    assert promoted <= 12, "expected 5 of 200; more than 12 has a probability below 0.002"
