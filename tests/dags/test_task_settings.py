"""What a spec says of how its tasks are run arrives on them, on mapped ones too, and on no other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import WeightRule

from contender.core.errors import SpecError
from contender.core.spec import Limits, ModelSpec, TaskSettings
from contender.core.task_settings import TASKS
from contender.factory import model_dags
from flight_delay.dag import SPEC

SETTINGS = TaskSettings(
    executor_config={"pod_override": {"cpu": "4"}}, queue="large", pool="training", priority_weight=7,
    execution_timeout_minutes=90,
)  # fmt: skip


def with_tasks(**tasks: TaskSettings) -> ModelSpec:
    return ModelSpec(**(dict(SPEC) | {"tasks": {name.replace("__", "."): value for name, value in tasks.items()}}))


@pytest.mark.parametrize("name", ["train.trial", "train.fit"], ids=["mapped", "plain"])
def test_settings_of_a_task_arrive_on_it_alone(name: str) -> None:
    dag = model_dags(ModelSpec(**(dict(SPEC) | {"tasks": {name: SETTINGS}})), doc=None)[0]
    task = dag.task_dict[name]
    assert task.executor_config == {"pod_override": {"cpu": "4"}}
    assert (task.queue, task.pool, task.priority_weight) == ("large", "training", 7)
    assert task.execution_timeout == timedelta(minutes=90)
    assert [other.task_id for other in dag.tasks if other.queue == "large"] == [name]


def test_settings_left_out_keep_the_defaults() -> None:
    plain = model_dags(SPEC, doc=None)[0].task_dict["train.fit"]
    queued = model_dags(with_tasks(train__fit=TaskSettings(queue="large")), doc=None)[0].task_dict["train.fit"]
    assert queued.queue == "large"
    for name in ("executor_config", "pool", "priority_weight", "execution_timeout"):
        assert getattr(queued, name) == getattr(plain, name)


def test_settings_of_an_unknown_task_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        SpecError, match=r"where: tasks; expected: one of data.validate, .*train.trial.*; got: 'train.trail'"
    ):
        with_tasks(train__trail=SETTINGS)


def test_known_tasks_are_those_of_the_dags_but_the_branches() -> None:
    made = {task.task_id for dag in model_dags(SPEC, doc=None) for task in dag.tasks}
    assert set(TASKS) == made - {"gate.promote", "gate.hold", "gate.reject"}


def test_limits_of_a_model_arrive_on_its_dags_and_all_their_tasks() -> None:
    limits = Limits(active_tasks=2, pool="gpu", priority=9)
    for dag in model_dags(ModelSpec(**(dict(SPEC) | {"limits": limits})), doc=None):
        assert dag.max_active_tasks == 2
        assert {(task.pool, task.priority_weight, task.weight_rule) for task in dag.tasks} == {
            ("gpu", 9, WeightRule.ABSOLUTE)
        }


def test_limits_left_out_are_airflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG", "5")
    dag = model_dags(SPEC, doc=None)[0]
    assert dag.max_active_tasks == 5
    assert {(task.pool, task.priority_weight) for task in dag.tasks} == {("default_pool", 1)}


def test_settings_of_a_task_go_before_the_limits_of_its_model() -> None:
    both = {"limits": Limits(pool="gpu", priority=9), "tasks": {"train.fit": SETTINGS}}
    dag = model_dags(ModelSpec(**(dict(SPEC) | both)), doc=None)[0]
    assert (dag.task_dict["train.fit"].pool, dag.task_dict["train.fit"].priority_weight) == ("training", 7)
    assert (dag.task_dict["train.plan"].pool, dag.task_dict["train.plan"].priority_weight) == ("gpu", 9)
