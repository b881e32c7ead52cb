"""A folder of many models, for benches of what their number costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from contender.client.airflow_api import AirflowApi
from contender.client.runs import RunFailed
from contender.core.settings import CHECKOUT
from contender.embedded import home as places
from contender.embedded.environment import environment
from contender.embedded.lifecycle import Platform, bring_up, take_down
from contender.embedded.ports import choose_ports
from contender.parsing.listing import SETTING
from contender.parsing.notes import TOGETHER

PROBE, PROBE_TASKS = "probe", 10
PROBE_FILE = f'''"""Airflow DAG of {PROBE_TASKS} tasks that do nothing, one after the other."""

from datetime import UTC, datetime

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, chain

with DAG("{PROBE}", start_date=datetime(2013, 1, 1, tzinfo=UTC), schedule=None) as dag:
    chain(*(PythonOperator(task_id=f"task_{{n}}", python_callable=lambda: None) for n in range({PROBE_TASKS})))
'''


def write_models(folder: Path, count: int) -> list[str]:
    """Make a folder of models by copying the templates' declarations in turn, and a DAG that does nothing.

    Args:
        folder: Where the models go; made anew.
        count: How many models.

    Returns:
        The models' names.
    """
    shutil.rmtree(folder, ignore_errors=True)
    templates = sorted((CHECKOUT / "dags" / "templates").glob("*/dag.py"))
    names = []
    for number, template in zip(range(count), cycle(templates), strict=False):
        names.append(f"{template.parent.name}_{number:03}")
        text = template.read_text(encoding="utf-8").replace(f'name="{template.parent.name}"', f'name="{names[-1]}"', 1)
        _write(folder / names[-1] / "dag.py", text)
    _write(folder / PROBE / "dag.py", PROBE_FILE)
    shutil.copytree(CHECKOUT / "dags" / TOGETHER, folder / TOGETHER, ignore=shutil.ignore_patterns("__pycache__"))
    return names


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def environment_of(home: Path, models: Path, *, apart: bool = False) -> dict[str, str]:
    """The whole environment of a process of a platform on a folder of models.

    Args:
        home: The platform's home; it is prepared.
        models: The folder of models.
        apart: Whether each model's file is parsed by itself, however many there are.
    """
    places.prepare(home)
    user = {**os.environ, "CONTENDER_MODELS": str(models)}
    made = {**user, **environment(home, choose_ports({}), user)}
    if apart:
        del made[SETTING]  # Airflow takes an empty one for a name
    return made


def airflow(env: dict[str, str], *arguments: str) -> float:
    """Run Airflow's command line; how long it took, s."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "airflow", *arguments], env=env, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip
    return time.perf_counter() - begun


@contextmanager
def platform(home: Path) -> Iterator[Platform]:
    """A running platform, for the environment as it is; taken down in the end."""
    try:
        yield bring_up(home, say=lambda _: None)
    finally:
        take_down(home, say=lambda _: None)


def wait_until_parsed(api: AirflowApi, dags: Iterable[str], seconds: float = 300) -> None:
    """Wait until Airflow knows the DAGs, and let them run.

    Raises:
        RunFailed: A file cannot be parsed, or a DAG is not there in time.
    """
    deadline = time.monotonic() + seconds
    for dag in dags:
        while (row := api.dag(dag)) is None or row["is_stale"]:
            if (errors := api.import_errors()) or time.monotonic() > deadline:
                raise RunFailed(f"there is no DAG {dag}", where="import errors", got=errors or "none")
            time.sleep(1)
        api.unpause(dag)


def wait_until_ended(api: AirflowApi, runs: Mapping[str, str], seconds: float = 3600) -> None:
    """Wait until each run, by its DAG, has succeeded.

    Raises:
        RunFailed: One failed, or did not end in time.
    """
    deadline = time.monotonic() + seconds
    for dag, run in runs.items():
        while (state := api.run(dag, run)["state"]) != "success":
            if state == "failed" or time.monotonic() > deadline:
                raise RunFailed(f"a run of {dag} did not succeed", where=run, expected="success", got=state)
            time.sleep(0.5)
