from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.core.errors import DataError, NoLabels
from contender.core.evidence import Estimate, Evidence
from contender.core.manifest import digest_of
from contender.core.policy import GatePolicy, MetricName
from contender.stages.gate.baselines import baseline_scores
from contender.stages.gate.firewall import contamination
from contender.stages.gate.measure import measure
from contender.stages.gate.rules import JUDGEMENT, VALIDITY, decide

POLICY = GatePolicy(resamples=200)
DAY = datetime(2013, 6, 1, tzinfo=UTC)


def _logistic(logit: Any) -> Any:
    return 1 / (1 + np.exp(-logit))


def _holdout(*, seed: int = 0, days: int = 12, each: int = 60, skill: float = 1.0) -> dict[str, Any]:
    """Labels, a challenger of the given skill, a reference of skill 0.5, and days with an effect of their own."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), each)
    signal = rng.normal(size=days * each)
    labels = rng.random(len(day)) < _logistic(signal * 1.5 - 1 + rng.normal(0, 0.3, days)[day])
    return {
        "labels": labels.astype(int),
        "challenger": _logistic(signal * 1.5 * skill - 1),
        "reference": _logistic(signal * 0.75 - 1),
        "clusters": pd.Series(pd.Timestamp("2013-06-15") + pd.to_timedelta(day, unit="D")).dt.date.to_numpy(),
    }


def _measure(holdout: dict[str, Any], policy: GatePolicy = POLICY, **more: Any) -> Evidence:
    given_names: dict[str, Any] = {"reference_name": "champion", "holdout_digest": "d", "seed": 7} | more
    return measure(**holdout, policy=policy, **given_names)


def _evidence(low: float | None, high: float | None, **more: Any) -> Evidence:
    facts: dict[str, Any] = {
        "metric": "log_loss",
        "reference": "champion",
        "holdout_digest": "d",
        "rows": 1000,
        "clusters": 12,
        "challenger": {"log_loss": Estimate(value=0.4)},
        "champion": {"log_loss": Estimate(value=0.5)},
        "improvement": {"log_loss": Estimate(value=0.1, low=low, high=high)},
    }
    return Evidence(**(facts | more))


@pytest.mark.parametrize("metric", ["log_loss", "brier", "auc"])
def test_gate_with_a_better_challenger_promotes_and_swapped_rejects(metric: MetricName) -> None:
    policy, holdout = GatePolicy(metric=metric, resamples=400), _holdout()
    if metric == "auc":
        noise = np.random.default_rng(1).normal(size=len(holdout["labels"]))
        holdout["reference"] = _logistic(np.log(holdout["reference"]) + 2 * noise)
    swapped = holdout | {"challenger": holdout["reference"], "reference": holdout["challenger"]}
    better, worse = _measure(holdout, policy), _measure(swapped, policy)
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
    holdout = _holdout(seed=seed, days=8, each=15)
    order = np.random.default_rng(seed).permutation(len(holdout["labels"]))
    shuffled = {name: values[order] for name, values in holdout.items()}
    assert _measure(holdout) == _measure(shuffled)


def test_measure_with_the_same_seed_repeats_and_with_another_differs() -> None:
    holdout = _holdout()
    assert digest_of(_measure(holdout).facts()) == digest_of(_measure(holdout).facts())
    assert _measure(holdout) != _measure(holdout, seed=8)


def test_measure_survives_json() -> None:
    evidence = _measure(_holdout())
    assert Evidence.model_validate_json(evidence.model_dump_json()) == evidence


def test_gate_with_equal_scores_holds_at_exactly_zero() -> None:
    holdout = _holdout()
    evidence = _measure(holdout | {"challenger": holdout["reference"]})
    assert evidence.improvement["log_loss"] == Estimate(value=0, low=0, high=0)
    assert decide(evidence, POLICY).verdict == "hold"


def test_gate_with_the_same_model_holds_whatever_the_figures() -> None:
    verdict = decide(_measure(_holdout(), same_model=True), POLICY)
    assert verdict.verdict == "hold"
    assert any(reason.startswith("same model") for reason in verdict.reasons)


def test_gate_with_a_contaminated_holdout_holds_whatever_the_figures() -> None:
    verdict = decide(_measure(_holdout(), contaminated="the champion knew these rows"), POLICY)
    assert verdict.verdict == "hold"
    assert "the champion knew these rows" in verdict.reasons[0]


@pytest.mark.parametrize("metric", ["log_loss", "auc"])
@pytest.mark.parametrize("label", [0, 1])
def test_gate_with_one_class_in_the_holdout_holds_and_says_so(metric: MetricName, label: int) -> None:
    policy, holdout = GatePolicy(metric=metric), _holdout()
    evidence = _measure(holdout | {"labels": np.full(720, label)}, policy)
    assert "auc" not in evidence.improvement
    verdict = decide(evidence, policy)
    assert verdict.verdict == "hold"
    assert verdict.reasons[-1] == f"no interval: all 720 labels of the holdout are {label}"


@pytest.mark.parametrize("reference", ["champion", "prevalence"])
@pytest.mark.parametrize("days", [1, 6])
def test_gate_with_too_few_clusters_holds_and_says_so(days: int, reference: str) -> None:
    evidence = _measure(_holdout(days=days), reference_name=reference)
    assert evidence.improvement["log_loss"].low is None
    verdict = decide(evidence, POLICY)
    assert verdict.verdict == "hold"
    assert verdict.reasons[-1] == f"no interval: the holdout has {days} clusters of day, at least 7 are needed"


def test_gate_on_auc_with_all_positives_in_one_cluster_holds() -> None:
    holdout, policy = _holdout(), GatePolicy(metric="auc")
    holdout["labels"][60:] = 0
    verdict = decide(_measure(holdout, policy), policy)
    assert verdict.verdict == "hold"
    assert "some resamples of the 12 clusters carry no value of auc" in verdict.reasons[-1]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("challenger", np.nan),
        ("reference", np.nan),
        ("challenger", 1.5),
        ("reference", -0.1),
        ("challenger", np.inf),
        ("labels", 2),
        ("labels", np.nan),
        ("clusters", None),
    ],
)
def test_measure_with_an_unusable_value_names_column_and_row(column: str, value: float) -> None:
    holdout = _holdout()
    values = holdout[column].astype(object if column == "clusters" else float)
    values[3] = value
    with pytest.raises(DataError, match=rf"{column}.* of 1 of 720 holdout rows cannot be measured.*rows 3;"):
        _measure(holdout | {column: values})


def test_measure_with_missing_nullable_labels_refuses() -> None:
    holdout = _holdout()
    labels = pd.Series(holdout["labels"], dtype="Int64")
    labels[5] = pd.NA
    with pytest.raises(DataError, match="labels of 1 of 720"):
        _measure(holdout | {"labels": labels})


def test_measure_of_an_empty_holdout_refuses() -> None:
    with pytest.raises(NoLabels, match="no labelled row"):
        _measure(dict.fromkeys(("labels", "challenger", "reference", "clusters"), np.array([])))


def test_measure_with_lengths_that_differ_refuses() -> None:
    holdout = _holdout()
    with pytest.raises(DataError, match="differ in length"):
        _measure(holdout | {"challenger": holdout["challenger"][1:]})


@pytest.mark.parametrize(
    ("low", "high", "reference", "verdict"),
    [
        (0.011, 0.2, "champion", "promote"),
        (0.01, 0.2, "champion", "hold"),
        (-0.1, 0.2, "champion", "hold"),
        (-0.1, 0.0, "champion", "hold"),
        (-0.2, -0.001, "champion", "reject"),
        (None, None, "champion", "hold"),
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
    decided = decide(_evidence(low, high, reference=reference), policy)
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
    decided = decide(_evidence(0.1, 0.2, **more), POLICY)
    assert decided.verdict == "hold"
    assert reason in decided.reasons[-1]


def test_decide_says_one_line_for_each_rule_and_names_the_evidence() -> None:
    evidence = _evidence(0.1, 0.2)
    decided = decide(evidence, POLICY)
    assert len(decided.reasons) == len(VALIDITY) + len(JUDGEMENT)
    assert decided.evidence_digest == digest_of(evidence.facts())


def test_gate_on_equal_skill_promotes_about_as_rarely_as_alpha_says() -> None:
    promoted = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        day = np.repeat(np.arange(15), 20)
        logit = rng.normal(size=300) - 1
        labels = (rng.random(300) < _logistic(logit)).astype(int)
        noisy = [_logistic(logit + rng.normal(0, 0.5, 15)[day] + rng.normal(0, 0.3, 300)) for _ in range(2)]
        holdout = {"labels": labels, "challenger": noisy[0], "reference": noisy[1], "clusters": day}
        promoted += decide(_measure(holdout), POLICY).verdict == "promote"
    assert promoted <= 12, "expected 5 of 200; more than 12 has a probability below 0.002"


def test_baseline_scores_of_prevalence_are_the_training_share() -> None:
    assert baseline_scores("prevalence", 0.24, 3).tolist() == [0.24, 0.24, 0.24]


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_baseline_scores_of_one_class_refuse(share: float) -> None:
    with pytest.raises(DataError, match="one class only"):
        baseline_scores("prevalence", share, 3)


def test_baseline_scores_of_an_unknown_kind_refuse() -> None:
    with pytest.raises(DataError, match="'oracle'"):
        baseline_scores("oracle", 0.5, 3)


@pytest.mark.parametrize(
    ("challenger", "champion", "start", "reason"),
    [
        (DAY, DAY - timedelta(days=30), DAY, ""),
        (DAY.isoformat(), "2013-05-01T00:00:00Z", DAY, ""),
        (DAY + timedelta(seconds=1), DAY, DAY, "the challenger was trained until"),
        (DAY, "2013-06-01T02:00:00+01:00", DAY, "the champion was trained until"),
        (None, DAY, DAY, "not known until when the challenger"),
        (DAY, None, DAY, "not known until when the champion"),
        (DAY, "last week", DAY, "not known until when the champion was trained: 'last week'"),
        (DAY, datetime(2013, 5, 1), DAY, "not known until when the champion"),  # noqa: DTZ001
        (DAY, pd.NaT, DAY, "not known until when the champion"),
        (DAY, DAY, None, "the start of the holdout cannot be read"),
    ],
)
def test_contamination_names_the_model_at_fault(challenger: Any, champion: Any, start: Any, reason: str) -> None:
    said = contamination(challenger, champion, start)
    assert bool(said) == bool(reason)
    assert reason in said
