"""Operators of a DAG called one after another in this process, without Airflow's machinery."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from contender.core.interval import Interval


@dataclass
class InProcess:
    """One pass through a DAG, or a part of one.

    Attributes:
        interval: What to work on.
        trials: Number of tuning trials.
        run_id: Identity of the pass.
        user: Who triggered it.
        params: Further parameters of the run.
        seconds: Wall time of each task, by task id.
        returned: What each task returned, by task id.
        pushed: What else each task left, by task id and key.
    """

    interval: Interval
    trials: int
    run_id: str
    user: str = "bench"
    params: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    returned: dict[str, Any] = field(default_factory=dict)
    pushed: dict[tuple[str, str], Any] = field(default_factory=dict)

    def context(self, task_id: str, map_index: int = -1) -> Any:
        """As much of a task's context as the operators use."""
        run = SimpleNamespace(
            run_id=self.run_id, run_type="manual", data_interval_start=self.interval.start,
            data_interval_end=self.interval.end, run_after=datetime(2014, 1, 1, tzinfo=UTC),
            triggering_user_name=self.user,
        )  # fmt: skip
        ti = SimpleNamespace(
            dag_id="chain", run_id=self.run_id, task_id=task_id, map_index=map_index,
            xcom_push=lambda key, value: self.pushed.__setitem__((task_id, key), value),
        )  # fmt: skip
        return {
            "params": {"interval": str(self.interval), "trials": self.trials, **self.params}, "dag_run": run, "ti": ti,
            "run_id": self.run_id, "outlet_events": defaultdict(SimpleNamespace),
        }  # fmt: skip

    def call(self, dag: Any, task_id: str, *, name: str = "", map_index: int = -1, **arguments: Any) -> Any:
        """Execute one task with its arguments filled in."""
        task = dag.task_dict[task_id]
        if map_index >= 0:
            task = task.unmap(arguments)
        for argument, value in arguments.items():
            setattr(task, argument, value)
        begun = time.perf_counter()
        # The operator's own method, without the guard that it is called by Airflow's task runner.
        execute = getattr(type(task), "choose_branch", None) or type(task).execute.__wrapped__
        result = execute(task, self.context(task_id, map_index))
        self.seconds[name or task_id] = time.perf_counter() - begun
        self.returned[name or task_id] = result
        return result
