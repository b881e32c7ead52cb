"""What Airflow costs: the training DAG on the embedded platform beside the same operators in one plain process.

Both start from empty stores and have their libraries imported before the clock starts (the scheduler does so before
it forks); they take turns, and medians are compared. `python -m contender.bench.orchestration`
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from contender.bench.chain import Chain
from contender.bench.record import record
from contender.client.runs import follow
from contender.core.interval import Interval
from contender.embedded.demo import demo, site
from contender.embedded.environment import environment
from contender.embedded.lifecycle import Platform, bring_up, take_down
from contender.embedded.ports import choose_ports
from contender.operators import preload

COMMAND = "python -m contender.bench.orchestration"
# One trial: more would run side by side under Airflow, and the overlap would hide what Airflow costs.
MODEL, INTERVAL, TRIALS = "flight_delay", "2013-03", 1
DAG = f"{MODEL}_train"
REPETITIONS = 2
PLAIN = "plain"  # argument that makes this module the plain process


def main() -> None:
    """Measure and record `orchestration_ratio`, `task_overhead_s` and `demo_seconds_warm`."""
    plain, orchestrated = [], []
    for repetition in range(REPETITIONS):
        print(f"repetition {repetition + 1} of {REPETITIONS}", flush=True)
        plain.append(_plain())
        orchestrated.append(_orchestrated())
    walls = {"plain": [run["wall"] for run in plain], "airflow": [run["wall"] for run in orchestrated]}
    tasks = len(orchestrated[0]["tasks"])
    overhead = (median(walls["airflow"]) - median(walls["plain"])) / tasks
    detail = {"plain_s": median(walls["plain"]), "airflow_s": median(walls["airflow"]), "tasks": tasks}
    record(
        "orchestration_ratio",
        median(walls["airflow"]) / median(walls["plain"]),
        "ratio",
        "lower",
        1.15,
        COMMAND,
        _stages(plain, orchestrated),
        note=f"{INTERVAL}, {TRIALS} trial; image tasks are in it where an engine is.",
    )
    record(
        "task_overhead_s",
        overhead,
        "s",
        "lower",
        0.2,
        COMMAND,
        detail,
        note="Difference of the two wall times over the number of task instances that ran.",
    )
    record(
        "demo_seconds_warm",
        _warm(),
        "s",
        "lower",
        90,
        COMMAND,
        note=f"`make demo` on {INTERVAL} with everything installed, the platform down, stores empty.",
    )


def _plain() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        env = {**os.environ, **environment(Path(folder), choose_ports({}))}
        done = subprocess.run([sys.executable, "-m", "contender.bench.orchestration", PLAIN], env=env, check=True,
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _run_plain() -> None:
    """The plain process: import everything, then run the chain and print its times."""
    preload.preload(["airflow", "scheduler"])
    import mlflow

    from flight_delay.dag import train

    mlflow.MlflowClient().search_experiments()  # the platform's MLflow server made its tables before the run, too
    chain = Chain(Interval.parse(INTERVAL), TRIALS, "plain")
    begun = time.perf_counter()
    chain.run(train)
    print(json.dumps({"wall": time.perf_counter() - begun, "tasks": chain.seconds}))


def _orchestrated() -> dict[str, Any]:
    """Times of one run under Airflow, from the run's start to its last task's end."""
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        try:
            platform = bring_up(Path(folder), say=_silent)
            with closing(platform.api()) as api:
                while api.dag(DAG) is None:
                    time.sleep(1)
                api.unpause(DAG)
                run = (DAG, api.trigger(DAG, {"interval": INTERVAL, "trials": TRIALS}))
                follow(site(platform, api), run, _silent)
            return _times(platform)
        finally:
            take_down(Path(folder), say=_silent)


def _warm() -> float:
    """Seconds of a whole demo on empty stores."""
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        try:
            begun = time.perf_counter()
            demo(Path(folder), MODEL, INTERVAL, say=_silent)
            return time.perf_counter() - begun
        finally:
            take_down(Path(folder), say=_silent)


def _silent(_: str) -> None:
    """A benchmark says nothing of what its platform says."""


def _times(platform: Platform) -> dict[str, Any]:
    with closing(platform.api()) as api:
        run = api.runs(DAG)[0]
        ran = [task for task in api.tasks(DAG, run["dag_run_id"]) if task["start_date"] and task["duration"]]
    begun = datetime.fromisoformat(run["start_date"])
    ended = max(datetime.fromisoformat(task["end_date"]) for task in ran)
    return {"wall": (ended - begun).total_seconds(), "tasks": {_label(task): task["duration"] for task in ran}}


def _label(task: Mapping[str, Any]) -> str:
    return task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def _stages(plain: list[dict[str, Any]], orchestrated: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table stage by stage: seconds of each task in both."""
    names = [name for name in orchestrated[0]["tasks"] if name in plain[0]["tasks"]]
    rows = [
        {
            "task": name,
            "plain_s": round(median(run["tasks"][name] for run in plain), 2),
            "airflow_s": round(median(run["tasks"][name] for run in orchestrated), 2),
        }
        for name in names
    ]
    whole = {"task": "whole run"}
    walls = {f"{kind}_s": round(median(run["wall"] for run in runs), 2)
             for kind, runs in (("plain", plain), ("airflow", orchestrated))}  # fmt: skip
    return [*rows, {**whole, **walls}]


if __name__ == "__main__":
    if sys.argv[1:] == [PLAIN]:
        _run_plain()
    else:
        main()
