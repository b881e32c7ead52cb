"""The graph of the training DAG, and what its parameter form takes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import ParamValidationError

from contender.core.policy import GatePolicy
from contender.factory import model_dags
from flight_delay.dag import SPEC

STAGES = ["data", "features", "train", "image", "gate", "promote"]
EDGES = {
    "data.validate": {"data.load"},
    "data.load": {"features.build"},
    "features.build": {"features.materialise"},
    "features.materialise": {"train.assemble", "promote.release"},
    "train.assemble": {"train.plan", "train.trial", "train.fit", "gate.measure", "gate.decide", "promote.release"},
    "train.plan": {"train.trial"},
    "train.trial": {"train.fit"},
    "train.fit": {"image.build", "image.prove", "image.inventory", "gate.measure", "gate.decide", "promote.release"},
    "image.build": {"image.prove", "image.inventory"},
    "image.prove": {"gate.decide"},
    "image.inventory": {"promote.release"},
    "gate.measure": {"gate.decide"},
    "gate.decide": {"gate.promote", "gate.hold", "gate.reject", "promote.push", "promote.release"},
    "gate.promote": {"promote.approve"},
    "gate.hold": set(),
    "gate.reject": set(),
    "promote.approve": {"promote.push"},
    "promote.push": {"promote.release"},
    "promote.release": set(),
}


@pytest.fixture
def train(bag: Any) -> Any:
    return bag.dags["flight_delay_train"]


def param_of(dag: Any, name: str) -> Any:
    """A copy of a parameter: it keeps what it is resolved to, and other tests run the DAG."""
    return deepcopy(dag.params.get_param(name))


def test_train_has_the_six_stages_in_order(train: Any) -> None:
    assert [name for name in train.task_group_dict if name] == STAGES
    rank = {stage: number for number, stage in enumerate(STAGES)}
    for task in train.tasks:
        for after in task.downstream_task_ids:
            assert rank[task.task_id.split(".")[0]] <= rank[after.split(".")[0]]


def test_train_has_exactly_these_edges(train: Any) -> None:
    assert {task.task_id: task.downstream_task_ids for task in train.tasks} == EDGES


def test_labels_are_on_the_branches_of_the_gate_alone(train: Any) -> None:
    labels = {(start, end): info["label"] for start, ends in train.edge_info.items() for end, info in ends.items()}
    assert labels == {("gate.decide", f"gate.{name}"): name for name in ("promote", "hold", "reject")}


def test_decision_and_inventory_come_also_when_the_image_was_skipped_and_never_when_something_failed(
    train: Any,
) -> None:
    rules = {task.task_id: task.trigger_rule for task in train.tasks if task.trigger_rule != TriggerRule.ALL_SUCCESS}
    assert rules == {
        "gate.decide": TriggerRule.NONE_FAILED,
        "image.inventory": TriggerRule.NONE_FAILED,
        "promote.approve": TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
    }


def with_approval(approval: Any) -> Any:
    policy = GatePolicy.model_validate({**SPEC.gate.model_dump(), "approval": approval})
    return model_dags(SPEC.model_copy(update={"gate": policy}), doc=None)[0]


@pytest.mark.parametrize("approval", ["none", "on_promote"])
def test_approval_follows_the_promote_branch_alone(approval: str) -> None:
    assert with_approval(approval).task_dict["promote.approve"].upstream_task_ids == {"gate.promote"}


def test_approval_always_follows_each_branch() -> None:
    train = with_approval("always")
    branches = {f"gate.{name}" for name in ("promote", "hold", "reject")}
    assert train.task_dict["promote.approve"].upstream_task_ids == branches
    for name, after in EDGES.items():
        assert train.task_dict[name].downstream_task_ids == (after | {"promote.approve"} if name in branches else after)


def test_release_updates_the_asset_of_the_champion_which_starts_the_deployment_and_scoring_reads(bag: Any) -> None:
    release = bag.dags["flight_delay_train"].task_dict["promote.release"]
    assert [asset.name for asset in release.outlets] == ["champion/flight_delay"]
    starts = bag.dags["flight_delay_deploy"].timetable.asset_condition
    assert starts.name == "champion/flight_delay"
    predict = bag.dags["flight_delay_score"].task_dict["score.predict"]
    assert [asset.name for asset in predict.inlets] == ["champion/flight_delay"]


def test_form_has_five_parameters_with_titles_and_descriptions(train: Any) -> None:
    assert list(train.params) == ["interval", "trials", "force_rebuild", "approval", "override"]
    for name in train.params:
        param = param_of(train, name)
        assert param.schema["title"]
        assert param.description


GOOD = {
    "nothing": None,
    "a month": "2013-02",
    "an interval": "2013-06-01/2013-07-01",
    "several months": "2013-03-01/2013-06-01",
}
BAD = {
    "month 13": "2013-13",
    "month 0": "2013-00",
    "day 32": "2013-06-32",
    "a day": "2013-06-03",
    "half a month": "2013-06-01/2013-06-16",
    "a year": "2013",
    "words": "last month",
    "an open interval": "2013-06-01/",
    "a number": 201306,
}


@pytest.mark.parametrize("purpose", ["train", "score"])
@pytest.mark.parametrize("value", GOOD.values(), ids=GOOD.keys())
def test_interval_that_can_be_read_is_accepted(bag: Any, purpose: str, value: Any) -> None:
    param = param_of(bag.dags[f"flight_delay_{purpose}"], "interval")
    assert param.resolve(value) == value


@pytest.mark.parametrize("purpose", ["train", "score"])
@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_interval_that_cannot_be_read_is_refused(bag: Any, purpose: str, value: Any) -> None:
    param = param_of(bag.dags[f"flight_delay_{purpose}"], "interval")
    with pytest.raises(ParamValidationError):
        param.resolve(value)


@pytest.mark.parametrize("value", [0, 501, 2.5, "many"], ids=str)
def test_trials_out_of_range_are_refused(train: Any, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        param_of(train, "trials").resolve(value)


@pytest.mark.parametrize(
    "value", [None, "promote: agreed in June", "hold:  a strike makes it void", "reject: 0123456789"]
)
def test_override_with_a_reason_is_accepted(train: Any, value: Any) -> None:
    assert param_of(train, "override").resolve(value) == value


WORDLESS = {
    "no reason": "promote",
    "no reason after the colon": "promote:",
    "a short reason": "promote: because",
    "blanks for a reason": "promote:                   ",
    "a reason filled up with blanks": "promote: because       ",
    "another word": "release: agreed in June",
    "no word": "agreed with the airline in June",
    "a flag": True,
}


@pytest.mark.parametrize("value", WORDLESS.values(), ids=WORDLESS.keys())
def test_override_without_a_word_or_a_reason_is_refused(train: Any, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        param_of(train, "override").resolve(value)


def test_tasks_carry_no_copy_of_the_dags_parameters(bag: Any) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert not set(task.params) & set(dag.params), task.task_id
