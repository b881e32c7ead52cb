"""What a spec says of how its tasks are run, given to the tasks of a DAG."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, WeightRule
from airflow.sdk.definitions.mappedoperator import MappedOperator

from contender.core.spec import Limits, ModelSpec


def place_in_the_queue(limits: Limits) -> dict[str, Any]:
    """The pool and the priority of a model's tasks, as arguments of each.

    By Airflow's default a task also has the weight of all that come after it, so that the first tasks of many models
    would go before the last ones of any; here the model's priority alone decides, and then the age of the run.
    """
    return {"pool": limits.pool, "priority_weight": limits.priority, "weight_rule": WeightRule.ABSOLUTE}


def standard_id(task: Any) -> str:
    """The id of an operator's task in the standard DAGs, wherever it is: `data.validate` of `DataValidate`."""
    kind = task.operator_class if isinstance(task, MappedOperator) else type(task)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", ".", kind.__name__).lower()


def apply_settings(dag: DAG, spec: ModelSpec) -> None:
    """Give each task what `spec.tasks` says of it; a mapped task hands it on to its instances.

    In a DAG of one's own a task may be called otherwise: there its operator says which of the standard ones it is.
    """
    for task in dag.tasks:
        settings = spec.tasks.get(task.task_id) or spec.tasks.get(standard_id(task))
        if settings is None:
            continue
        found = settings.model_dump(exclude_none=True)
        if minutes := found.pop("execution_timeout_minutes", None):
            found["execution_timeout"] = timedelta(minutes=minutes)
        if isinstance(task, MappedOperator):
            task.partial_kwargs.update(found)
        else:
            for name, value in found.items():
                setattr(task, name, value)
