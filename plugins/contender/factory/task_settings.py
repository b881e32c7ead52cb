"""What a spec says of single tasks, given to the tasks of a DAG."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator

from contender.core.spec import ModelSpec


def apply_settings(dag: DAG, spec: ModelSpec) -> None:
    """Give each task what `spec.tasks` says of it; a mapped task hands it on to its instances."""
    for task in dag.tasks:
        if task.task_id not in spec.tasks:
            continue
        found = spec.tasks[task.task_id].model_dump(exclude_none=True)
        if minutes := found.pop("execution_timeout_minutes", None):
            found["execution_timeout"] = timedelta(minutes=minutes)
        if isinstance(task, MappedOperator):
            task.partial_kwargs.update(found)
        else:
            for name, value in found.items():
                setattr(task, name, value)
