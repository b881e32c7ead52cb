"""A DAG of a model, of the standard ones or of one's own: what the spec and the platform say of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk import DAG

from contender.core.spec import ModelSpec
from contender.factory.retries import RETRIES
from contender.factory.task_settings import apply_settings, place_in_the_queue


@contextmanager
def model_dag(
    spec: ModelSpec, purpose: str, *, doc: str | None = None, schedule: Any = None, **arguments: Any
) -> Iterator[DAG]:
    """The DAG `<model>_<purpose>`, to make tasks in.

    Its tasks have the spec's owner, limits and task settings, whatever they are called there, and are tried again after
    what the platform tries again. What one task returns reaches the next as it was, not as text.

    Args:
        spec: The model.
        purpose: The end of the DAG's id.
        doc: Documentation for the UI, in Markdown.
        schedule: As Airflow takes it; `None` for a DAG that is only triggered.
        arguments: Further ones of Airflow's `DAG`, in place of the platform's.

    Yields:
        The DAG, whose tasks are those made in the block.
    """
    limits = {} if spec.limits.active_tasks is None else {"max_active_tasks": spec.limits.active_tasks}
    default_args = {"owner": spec.owner, **RETRIES, **place_in_the_queue(spec.limits)}
    given: dict[str, Any] = {
        "description": spec.title, "start_date": spec.data_from, "catchup": False, "max_active_runs": 1,
        "tags": [spec.name, purpose], "render_template_as_native_obj": True, **limits, **arguments,
        "default_args": default_args | arguments.get("default_args", {}),
    }  # fmt: skip
    with DAG(f"{spec.name}_{purpose}", doc_md=doc, schedule=schedule, **given) as dag:
        yield dag
    apply_settings(dag, spec)
