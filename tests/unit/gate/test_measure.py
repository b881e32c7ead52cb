from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.core.evidence import Estimate, Evidence
from contender.core.manifest import digest_of
from contender.core.policy import GatePolicy, MetricName
from contender.stages.gate.holdout import Holdout
from contender.stages.gate.rules import decide
from tests.unit.gate.simulated import POLICY, holdout, logistic, measured, permuted, reason, swapped


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
@given(seed=st.integers(0, 1000))
def test_measure_when_rows_are_permuted_gives_the_same_evidence(seed: int) -> None:
    rows = holdout(seed=seed, days=8, each=15)
    order = np.random.default_rng(seed).permutation(len(rows.labels))
    assert measured(rows) == measured(permuted(rows, order))


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
        reason(verdict, "measurable") == f"no interval: the holdout has {days} clusters of day, at least 7 are needed"
    )


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
