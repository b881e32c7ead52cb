"""What a spec says of how its tasks are run arrives on them, on mapped ones too, and on no other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import WeightRule

from contender.core.errors import SpecError
from contender.core.spec import Limits, ModelSpec, TaskSettings
from contender.core.task_settings import TASKS
from contender.factory import model_dag, model_dags
from contender.factory.retries import RETRIES
from contender.factory.task_settings import standard_id
from contender.operators.data import DataValidate
from contender.operators.train import TrainFit, TrainTrial
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


def test_settings_and_limits_reach_a_dag_of_ones_own_by_its_operators() -> None:
    tasks = {"train.trial": SETTINGS, "data.validate": TaskSettings(queue="wide")}
    spec = ModelSpec(**(dict(SPEC) | {"tasks": tasks, "limits": Limits(active_tasks=2, pool="gpu", priority=9)}))
    with model_dag(spec, "fit", tags=["mine"]) as dag:
        validate = DataValidate(task_id="look", spec=spec)
        trial = TrainTrial.partial(task_id="tries", spec=spec, assembled=None).expand(trial=[1])
        fit = TrainFit(task_id="fit", spec=spec, assembled=None, trials=None)
    assert (dag.dag_id, dag.max_active_tasks, dag.tags) == (f"{SPEC.name}_fit", 2, {"mine"})
    assert [task.queue for task in (validate, fit)] == ["wide", "default"]
    assert {(task.pool, task.priority_weight, task.retries, task.owner) for task in (validate, fit)} == {
        ("gpu", 9, RETRIES["retries"], SPEC.owner)
    }
    assert trial.partial_kwargs["executor_config"] == SETTINGS.executor_config


def test_operator_says_which_standard_task_it_is() -> None:
    ours = [task for dag in model_dags(SPEC, doc=None) for task in dag.tasks if task.task_id in TASKS]
    assert [standard_id(task) for task in ours] == [task.task_id for task in ours]


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
