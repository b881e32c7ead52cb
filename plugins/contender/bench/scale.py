"""What the number of models costs: the DAG processor, a task's start, the scheduler's memory.

    python -m contender.bench.scale

1, 50 and 500 models, copied from the templates, three DAGs each. A *pass* is `airflow dag-processor -n 1` on a metadata
database that knows the models already; what it takes with no model at all, which is the start of the program, is taken
off. Beside it, the same with Airflow's own layout, a file for each model. The task's start is seen on a live platform:
a DAG of ten tasks that do nothing, from one task's end to the next one's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import psutil  # type: ignore[import-untyped]

from contender.bench import fleet
from contender.bench.record import record
from contender.embedded import processes
from contender.parsing.notes import TOGETHER

COMMAND = "python -m contender.bench.scale"
COUNTS, DAGS_OF_A_MODEL = (1, 50, 500), 3
PASSES, RUNS, REPARSES = 2, 4, 5
REPARSE = """
import json, sys, time
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
import contender.factory
times = []
for _ in range(int(sys.argv[2])):
    begun = time.perf_counter()
    file = Path(sys.argv[1])
    bag = BundleDagBag(file, safe_mode=False, load_op_links=False, bundle_path=file.parent, bundle_name="dags-folder")
    times.append(time.perf_counter() - begun)
print(json.dumps({"seconds": times, "dags": len(bag.dags)}))
"""


def main() -> None:
    """Measure and record `parse_ms_per_dag_500` and `task_start_500_vs_1_ratio`."""
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        rows = [_measured(Path(folder), count) for count in COUNTS]
    first, last = rows[0], rows[-1]
    record(
        "parse_ms_per_dag_500", last["pass_ms_per_dag"], "ms", "lower", 10, COMMAND, rows,
        note="A full pass of the DAG processor over 500 models, for each of their 1,500 DAGs.",
    )  # fmt: skip
    record(
        "task_start_500_vs_1_ratio", last["task_ms"] / first["task_ms"], "ratio", "lower", 1, COMMAND,
        {f"{row['models']}_models_ms": row["task_ms"] for row in rows},
        note="From the end of one task to the end of the next, which does nothing; medians of a live platform.",
    )  # fmt: skip


def _measured(folder: Path, count: int) -> dict[str, Any]:
    """The row of one number of models."""
    models, none = folder / f"dags-{count}", folder / "none"
    names = fleet.write_models(models, count)
    none.mkdir(exist_ok=True)
    start = _pass(folder / "home-none", none)
    dags = DAGS_OF_A_MODEL * count
    together = _pass(folder / f"home-{count}", models) - start
    apart = _pass(folder / f"home-{count}-apart", models, apart=True) - start
    row = {
        "models": count,
        "pass_s": round(together, 2),
        "pass_ms_per_dag": round(1000 * together / dags, 1),
        "a_file_each_ms_per_dag": round(1000 * apart / dags, 1),
        "one_file_ms": round(1000 * _reparse(models, f"{names[0]}/dag.py"), 1),
        "task_reparse_ms": round(1000 * _reparse(models, f"{TOGETHER}/part_1.py", f"{names[-1]}_train"), 1),
        **_live(folder / f"live-{count}", models),
    }
    print(row, flush=True)
    return row


def _pass(home: Path, models: Path, *, apart: bool = False) -> float:
    """Median seconds of a pass; the first, which meets models that it does not know, is left out."""
    env = fleet.environment_of(home, models, apart=apart)
    fleet.airflow(env, "db", "migrate")
    times = [fleet.airflow(env, "dag-processor", "-n", "1") for _ in range(PASSES + 1)]
    return median(times[1:])


def _reparse(models: Path, file: str, dag_id: str = "") -> float:
    """Seconds to read a file in a process that has Airflow imported, as a task's process has."""
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as home:
        env = fleet.environment_of(Path(home), models)
        if dag_id:
            env["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = dag_id
        call = [sys.executable, "-c", REPARSE, str(models / file), str(REPARSES)]
        done = subprocess.run(call, env=env, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["dags"] != DAGS_OF_A_MODEL:
        raise RuntimeError(f"{file} gave {found['dags']} DAGs; expected {DAGS_OF_A_MODEL}")
    return float(median(found["seconds"]))


def _live(home: Path, models: Path) -> dict[str, Any]:
    """Time of a task and memory of the scheduler on a live platform that knows the models."""
    with patch.dict(os.environ, CONTENDER_MODELS=str(models)), fleet.platform(home) as platform:
        with closing(platform.api()) as api:
            fleet.wait_until_parsed(api, [fleet.PROBE])
            gaps = []
            for number in range(RUNS):
                run = api.trigger(fleet.PROBE, {})
                fleet.wait_until_ended(api, {fleet.PROBE: run})
                if number:  # in the first, each worker of the executor starts
                    gaps += _gaps(api.tasks(fleet.PROBE, run))
        memory = _memory_mb(processes.recorded(home)["scheduler"].pid)
    return {"task_ms": round(1000 * median(gaps)), "scheduler_mb": round(memory)}


def _gaps(tasks: list[dict[str, Any]]) -> list[float]:
    """Seconds from each task's end to the next one's."""
    return [(later - earlier).total_seconds() for earlier, later in pairwise(
        sorted(datetime.fromisoformat(task["end_date"]) for task in tasks))]  # fmt: skip


def _memory_mb(pid: int) -> float:
    """Memory of a process and those that it started, MB, what they share counted once (PSS)."""
    top = psutil.Process(pid)
    return float(sum(each.memory_full_info().pss for each in [top, *top.children(recursive=True)])) / 1e6


if __name__ == "__main__":
    main()
