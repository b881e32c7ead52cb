"""Fifty models of mixed kinds, retrained at once on one embedded platform, beside their plain scripts.

    python -m contender.bench.fifty

The models are made by `make new-model`'s own code from tables of each template's kind, each without another column.
Plain is the same work of every model, one after the other in one process with its libraries imported: the same
operators without Airflow. No image is built in either.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from contender.bench import fleet
from contender.bench.record import record
from contender.bench.tables import TABLES
from contender.core import decisions
from contender.core.settings import CHECKOUT
from contender.parsing.notes import TOGETHER

COMMAND = "python -m contender.bench.fifty"
MODELS, TRIALS, SPARE = 50, 1, 8
NO_ENGINE = "tcp://127.0.0.1:1"
PLAIN = "plain"  # argument that makes this module the plain process


def main() -> None:
    """Measure and record `fifty_models_vs_plain_ratio`."""
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        fork = Path(folder) / "fork"
        names = _fork(fork)
        places = {
            "CONTENDER_MODELS": str(fork / "dags"), "CONTENDER_EXPECTATIONS": str(fork / "expectations"),
            "CONTENDER_FEATURE_REPO": str(fork / "feature_repo"), "DOCKER_HOST": NO_ENGINE,
            # Unpaused, each DAG would train its newest interval as well.
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        }  # fmt: skip
        with patch.dict(os.environ, places):
            plain = _plain(Path(folder) / "plain", fork / "dags", names)
            airflow, verdicts = _orchestrated(Path(folder) / "airflow", names)
    detail = {
        "models": len(names), "airflow_s": round(airflow), "plain_s": round(sum(plain.values())),
        "slowest_plain_s": round(max(plain.values()), 1), **{f"verdict_{word}": n for word, n in verdicts.items()},
    }  # fmt: skip
    record(
        "fifty_models_vs_plain_ratio", airflow / sum(plain.values()), "ratio", "lower", 1.15, COMMAND, detail,
        note="Fifty trainings triggered at once, to the end of the last, over the sum of their plain runs.",
    )  # fmt: skip


def _fork(fork: Path) -> list[str]:
    """A fork of this checkout with fifty models of its own and no other; their names."""
    from contender.scaffold.make import make
    from contender.scaffold.request import Asked

    for part in ("dags/templates", f"dags/{TOGETHER}", "feature_repo"):
        shutil.copytree(CHECKOUT / part, fork / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "dags" / ".airflowignore", fork / "dags")
    for place in (fork / "expectations", fork / "tests" / "models", fork.parent / "data"):
        place.mkdir(parents=True)
    names = []
    for number, (template, (table, asked)) in zip(range(MODELS), cycle(TABLES.items()), strict=False):
        names.append(f"{template}_{number:02}")
        rows = table()
        if template != "forecasting":  # which has no columns to spare
            rows = rows.drop(columns=rows.columns[number % SPARE])
        data = fork.parent / "data" / f"{names[-1]}.csv"  # outside the fork, so that its path is written whole
        rows.to_csv(data, index=False)
        given = Asked(name=names[-1], template=template, data=str(data), **asked)
        make(given, fork, datetime(2026, 1, 1, tzinfo=UTC), lambda _: None)
        print(f"made {names[-1]}", flush=True)
    return names


def _plain(home: Path, models: Path, names: list[str]) -> dict[str, float]:
    """Seconds of each model's plain run."""
    env = fleet.environment_of(home, models)
    fleet.airflow(env, "db", "migrate")
    call = [sys.executable, "-m", "contender.bench.fifty", PLAIN, *names]
    done = subprocess.run(call, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _run_plain(names: list[str]) -> None:
    """The plain process: train each model and print the times."""
    from contender.operators import preload

    preload.preload(["airflow", "scheduler"])
    import mlflow

    from contender.bench.chain import Chain
    from contender.core.model_code import module_of
    from contender.core.settings import settings
    from contender.operators.base import run_interval

    mlflow.MlflowClient().search_experiments()  # its tables are made before the clock starts
    nothing_asked: Any = {
        "params": {}, "dag_run": SimpleNamespace(data_interval_start=None, data_interval_end=None, run_type="manual"),
    }  # fmt: skip
    times = {}
    for name in names:
        made = module_of(settings().models / name, "dag")
        begun = time.perf_counter()
        Chain(run_interval(nothing_asked, made.SPEC), TRIALS, "plain").run(made.train)
        times[name] = time.perf_counter() - begun
    print(json.dumps(times))


def _orchestrated(home: Path, names: list[str]) -> tuple[float, Counter[str]]:
    """Seconds from the first trigger to the end of the last run, and how often each verdict was given."""
    with fleet.platform(home) as platform, closing(platform.api()) as api:
        dags = [f"{name}_train" for name in names]
        fleet.wait_until_parsed(api, dags)
        runs = {dag: api.trigger(dag, {"trials": TRIALS}) for dag in dags}
        fleet.wait_until_ended(api, runs)
        rows: list[dict[str, Any]] = [api.run(dag, run) for dag, run in runs.items()]
    begun = min(datetime.fromisoformat(row["queued_at"]) for row in rows)
    ended = max(datetime.fromisoformat(row["end_date"]) for row in rows)
    verdicts = Counter(
        str(decision.verdict)
        for name in names
        for decision in decisions.verify(home / "decisions" / f"{name}.jsonl")
        if decision.kind == "decision"
    )
    if verdicts.total() != len(names):
        raise RuntimeError(f"{verdicts.total()} verdicts of {len(names)} models: {dict(verdicts)}")
    return (ended - begun).total_seconds(), verdicts


if __name__ == "__main__":
    if sys.argv[1:2] == [PLAIN]:
        _run_plain(sys.argv[2:])
    else:
        main()
