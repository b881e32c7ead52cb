from __future__ import annotations

from typing import Any

import pytest

from contender.core.errors import SpecError
from contender.core.misfits import Misfit
from contender.core.policy import Budgets, FairnessRule, GatePolicy, Guardrail, SliceRule, Task


def test_gate_policy_with_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"'log_loss', 'brier'.* or 'bias'.*got: 'logloss'"):
        GatePolicy(metric="logloss")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"margin": 0.01, "minimum_improvement": 0.01}, "where: margin, minimum_improvement; expected: one of them"),
        ({"guardrails": (Guardrail(metric="log_loss", margin=0),)}, "other metrics than 'log_loss'"),
        ({"guardrails": (Guardrail(metric="auc", margin=0),) * 2}, "each once; got: auc, auc"),
        (
            {"slices": (SliceRule(column="origin"),) * 2},
            "where: slices; expected: names that differ; got: more than once: origin",
        ),
        (
            {"fairness": (FairnessRule(column="sex", max_difference=0.1),) * 2},
            "where: fairness; .* more than once: sex by selection_rate",
        ),
        ({"alpha": 0.5}, "where: alpha"),
        ({"resamples": 100}, "where: resamples"),
        ({"max_single_feature_power": 0.5}, "where: max_single_feature_power"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " and ".join(value),
)
def test_gate_policy_that_contradicts_itself_is_refused_by_name(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        GatePolicy(**facts)


def test_gate_policy_names_the_deciding_metric_before_its_guardrails() -> None:
    guardrails = (Guardrail(metric="auc", margin=0.01), Guardrail(metric="brier", margin=0))
    assert GatePolicy(metric="log_loss", guardrails=guardrails).metrics() == ("log_loss", "auc", "brier")


def test_gate_policy_by_one_column_and_two_measures_is_accepted() -> None:
    measures: tuple[Any, ...] = ("selection_rate", "true_positive_rate")
    rules = tuple(FairnessRule(column="sex", measure=measure, max_difference=0.1) for measure in measures)
    assert GatePolicy(fairness=rules).fairness == rules


@pytest.mark.parametrize(
    ("task", "facts", "said"),
    [
        (
            "regression",
            {"metric": "mae", "baseline": "prevalence"},
            ("gate.baseline", "of a regression model one of mean", "'prevalence'"),
        ),
        ("binary", {"baseline": "naive"}, ("gate.baseline", "of a binary model one of prevalence", "'naive'")),
        (
            "regression",
            {"metric": "auc", "baseline": "mean"},
            ("gate.metric", "of a regression model one of mae, rmse, r2, bias", "auc"),
        ),
        (
            "multiclass",
            {"fairness": (FairnessRule(column="sex", max_difference=0.1),)},
            ("gate.fairness", "none of a multiclass model, which does not decide between two", "sex"),
        ),
        (
            "forecast",
            {"metric": "mase", "baseline": "naive", "max_calibration_error": 0.1},
            ("gate.max_calibration_error", "None of a forecast model, which gives no probabilities", 0.1),
        ),
    ],
)
def test_gate_policy_names_what_does_not_fit_a_task(task: Task, facts: dict[str, Any], said: Misfit) -> None:
    (found,) = GatePolicy(**facts).misfits(task)
    assert found == said


def test_gate_policy_that_fits_has_no_misfits() -> None:
    assert list(GatePolicy(max_calibration_error=0.1).misfits("multiclass")) == []
    assert list(GatePolicy(metric="mase", baseline="naive").misfits("forecast")) == []


def test_budgets_are_limited_where_any_limit_is_set() -> None:
    assert not Budgets().limited()
    assert Budgets(max_image_mb=900).limited()
