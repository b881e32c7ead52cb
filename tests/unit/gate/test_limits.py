from __future__ import annotations

from typing import Any

import pytest

from contender.core.evidence import Evidence, GroupFigures
from contender.core.policy import Budgets, FairnessRule, GatePolicy
from contender.core.results import ImageProof
from contender.stages.gate.limits import LIMITS, aligned, budgets, calibration, fairness, servable, shift
from tests.unit.gate.simulated import POLICY, evidence


def _seen(**more: Any) -> Evidence:
    return evidence(0.1, 0.2, **more)


def _image(**more: Any) -> ImageProof:
    facts: dict[str, Any] = {
        "image": "flights:2", "digest": "sha256:1", "model_digest": "m", "answered": 20, "largest_difference": 0.0,
        "size_mb": 900.0, "p95_latency_ms": 12.0, "memory_mb": 300.0,
    }  # fmt: skip
    return ImageProof(**(facts | more))


def _by_sex(challenger: float | None, champion: float | None = 0.3, **more: Any) -> GroupFigures:
    facts: dict[str, Any] = {"column": "sex", "measure": "selection_rate", "threshold": 0.5, "groups": {}}
    return GroupFigures(**(facts | more), challenger=challenger, champion=champion)


def test_limits_that_the_policy_does_not_set_say_nothing() -> None:
    assert [rule(_seen(), POLICY) for rule in LIMITS] == [None] * len(LIMITS)


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        ((_by_sex(0.1),), "promote", "fair: selection_rate by sex differs by 0.1000 (0.3000 of version 1), the limit"),
        ((_by_sex(0.2),), "hold", "unfair: selection_rate by sex differs by 0.2000 (0.3000 of version 1)"),
        ((_by_sex(0.2, left_out=("other",)),), "hold", "too few rows of other"),
        ((_by_sex(None),), "hold", "fairness unknown: fewer than two groups of 200 rows"),
        ((_by_sex(0.1, threshold=0.3),), "hold", "fairness unknown"),
        ((), "hold", "fairness unknown"),
    ],
    ids=["within", "over, less than the champion", "over, a group left out", "one group", "other threshold", "absent"],
)
def test_fairness_by_the_limit(found: tuple[GroupFigures, ...], verdict: str, said: str) -> None:
    ruling = fairness(_seen(fairness=found), GatePolicy(fairness=(FairnessRule(column="sex", max_difference=0.15),)))
    assert ruling is not None
    assert ruling.verdict == verdict
    assert said in ruling.reason


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        ({"challenger": 0.05, "champion": 0.02}, "promote", "calibrated: expected calibration error 0.0500 (0.0200 of"),
        ({"challenger": 0.06}, "hold", "not calibrated: expected calibration error 0.0600, the limit is 0.0500"),
        ({}, "hold", "calibration unknown"),
    ],
)
def test_calibration_by_the_limit(found: dict[str, float], verdict: str, said: str) -> None:
    ruling = calibration(_seen(calibration=found), GatePolicy(max_calibration_error=0.05))
    assert ruling is not None
    assert ruling.verdict == verdict
    assert said in ruling.reason


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [(0.1, "promote", "not shifted: "), (0.11, "hold", "shifted: "), (None, "hold", "shift unknown")],
)
def test_shift_by_the_limit(found: float | None, verdict: str, said: str) -> None:
    ruling = shift(_seen(shift=found), GatePolicy(max_prediction_shift=0.1))
    assert ruling is not None
    assert ruling.verdict == verdict
    assert ruling.reason.startswith(said)


@pytest.mark.parametrize(
    ("found", "verdict"), [(0.6, "promote"), (-0.6, "promote"), (0.1, "promote"), (0.09, "hold"), (-0.09, "hold")]
)
def test_aligned_by_the_correlation_and_the_rows(found: float, verdict: str) -> None:
    ruling = aligned(_seen(agreement=found), POLICY)
    assert ruling is not None
    assert ruling.verdict == verdict
    assert f"{found:+.4f}" in ruling.reason


def test_shift_of_a_first_model_is_not_asked_for() -> None:
    assert shift(_seen(shift=None, reference="prevalence"), GatePolicy(max_prediction_shift=0.1)) is None


@pytest.mark.parametrize(
    ("image", "verdict", "said"),
    [
        (_image(), "promote", "within budget: latency (p95) 12.0 of 20.0 ms; within budget: memory 300.0 of 400.0 MB"),
        (_image(p95_latency_ms=21.0), "hold", "of 20.0 ms; it may be a busy machine: clear image.prove to measure"),
        (_image(memory_mb=401.0), "reject", "over budget: memory 401.0 of 400.0 MB"),
        (_image(p95_latency_ms=21.0, memory_mb=401.0), "reject", "over budget: latency (p95) 21.0 of 20.0 ms"),
        (_image(size_mb=10_000.0), "promote", "within budget"),
        (_image(memory_mb=None), "hold", "budget unknown: memory of the image was not measured"),
        (None, "hold", "there is no proven image"),
    ],
    ids=["within", "slow", "large", "slow and large", "image size not limited", "not measured", "no image"],
)
def test_budgets_by_the_proven_image(image: ImageProof | None, verdict: str, said: str) -> None:
    policy = GatePolicy(budgets=Budgets(max_p95_latency_ms=20, max_memory_mb=400))
    ruling = budgets(_seen(image=image), policy)
    assert ruling is not None
    assert ruling.verdict == verdict
    assert said in ruling.reason


@pytest.mark.parametrize(
    ("require_image", "no_engine", "verdict"),
    [(False, True, "promote"), (True, True, "hold"), (False, False, "hold")],
    ids=["no engine", "no engine, image required", "image tasks did not run"],
)
def test_budgets_without_an_image_pass_only_where_no_engine_was_there_and_none_is_required(
    require_image: bool, no_engine: bool, verdict: str
) -> None:
    policy = GatePolicy(budgets=Budgets(max_memory_mb=400), require_image=require_image)
    ruling = budgets(_seen(image=None, image_skipped="for a reason", no_engine=no_engine), policy)
    assert ruling is not None
    assert ruling.verdict == verdict
    assert "(for a reason)" in ruling.reason


@pytest.mark.parametrize(("image", "verdict"), [(_image(), "promote"), (None, "hold")])
def test_servable_where_an_image_is_required(image: ImageProof | None, verdict: str) -> None:
    ruling = servable(_seen(image=image), GatePolicy(require_image=True))
    assert ruling is not None
    assert ruling.verdict == verdict
