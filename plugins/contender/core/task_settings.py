"""`Limits` and `TaskSettings`: how a model's tasks are run beside those of others, in Airflow's own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from contender.core.declared import Declared
from contender.core.misfits import Misfit

# Every task that works; the branches of the gate are empty. A test holds this against the DAGs.
TASKS = (
    "data.validate", "data.load", "features.build", "features.materialise",
    "train.assemble", "train.plan", "train.trial", "train.fit", "image.build", "image.prove", "image.inventory",
    "gate.measure", "gate.decide", "promote.approve", "promote.push", "promote.release",
    "score.predict", "deploy.serve", "deploy.prune",
)  # fmt: skip


class Limits(Declared):
    """What a model may take of what all models share.

    Attributes:
        active_tasks: How many tasks of one of its DAGs run at once; left out, as many as Airflow's
            `[core] max_active_tasks_per_dag` says, which the platform sets below what runs at once in all.
        pool: Airflow pool whose slots its tasks take, for what several models share, e.g. graphics processors; it must
            exist.
        priority: Where slots are short, tasks of models with a larger one go first.
    """

    active_tasks: int | None = Field(default=None, ge=1)
    pool: str = Field(default="default_pool", min_length=1)
    priority: int = Field(default=1, ge=1, le=1000)


class TaskSettings(Declared):
    """What Airflow is told of a task; what is left out keeps the platform's or Airflow's default.

    Attributes:
        executor_config: For the executor, e.g. `{"pod_template_file": ...}` for the Kubernetes executor.
        queue: Queue of the Celery workers that run it.
        pool: Airflow pool whose slots it takes; it must exist.
        priority_weight: Larger ones go first where slots are short.
        execution_timeout_minutes: After so long an attempt fails.
    """

    executor_config: dict[str, Any] | None = None
    queue: str | None = Field(default=None, min_length=1)
    pool: str | None = Field(default=None, min_length=1)
    priority_weight: int | None = Field(default=None, ge=1)
    execution_timeout_minutes: float | None = Field(default=None, gt=0, le=60 * 24 * 7)


def unknown_tasks(tasks: dict[str, TaskSettings]) -> Iterator[Misfit]:
    """Names that are no task's."""
    for name in tasks:
        if name not in TASKS:
            yield Misfit("tasks", f"one of {', '.join(TASKS)}", repr(name))
