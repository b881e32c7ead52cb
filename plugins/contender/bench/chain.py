"""The same operators as the training DAG, called one after another in this process, without Airflow's machinery."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from contender.core.interval import Interval


@dataclass
class Chain:
    """One pass through the training DAG.

    Attributes:
        interval: What to train on.
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

    def run(self, dag: Any) -> str:
        """Run the whole chain; returns the verdict."""
        validated = self.call(dag, "data.validate")
        self.call(dag, "data.load", validated=validated)
        self.call(dag, "features.build")
        materialised = self.call(dag, "features.materialise")
        assembled = self.call(dag, "train.assemble")
        planned = self.call(dag, "train.plan", assembled=assembled)
        tried = [
            self.call(dag, "train.trial", name=f"train.trial[{number}]", map_index=number, trial=number,
                      assembled=assembled)
            for number in planned
        ]  # fmt: skip
        fitted = self.call(dag, "train.fit", trials=tried, assembled=assembled)
        built, proof, skipped = self._image(dag, fitted)
        inventory = self.call(dag, "image.inventory", fitted=fitted, built=built)
        evidence = self.call(dag, "gate.measure", assembled=assembled, fitted=fitted)
        branch = self.call(dag, "gate.decide", assembled=assembled, fitted=fitted, evidence=evidence, proof=proof,
                           built=built, skipped=skipped)  # fmt: skip
        if branch == "gate.promote":
            pushed = self.call(dag, "promote.push", evidence=self.pushed["gate.decide", "evidence"])
            self.call(dag, "promote.release", assembled=assembled, materialised=materialised, fitted=fitted,
                      inventory=inventory, evidence=self.pushed["gate.decide", "evidence"], approval=None,
                      evidence=self.pushed["gate.decide", "evidence"], approval=None, pushed=pushed,
                      verdict=self.pushed["gate.decide", "verdict"])  # fmt: skip
        return str(branch).removeprefix("gate.")

    def _image(self, dag: Any, fitted: Any) -> tuple[Any, Any, str]:
        from airflow.sdk.exceptions import AirflowSkipException

        try:
            built = self.call(dag, "image.build", fitted=fitted)
        except AirflowSkipException as error:
            return None, None, str(error)
        return built, self.call(dag, "image.prove", fitted=fitted, built=built), ""
