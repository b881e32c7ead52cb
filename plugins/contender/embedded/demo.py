"""`make demo`: the platform up, the chain shown on it, the champion served and asked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from contender.client.airflow_api import AirflowApi
from contender.client.demo import check_request, data_docs, show
from contender.client.lock import lock
from contender.client.progress import Say
from contender.client.runs import Site
from contender.client.summary import addresses
from contender.embedded.champion import ensure_served
from contender.embedded.environment import ADMIN
from contender.embedded.lifecycle import Platform, bring_up, check_alive


def demo(home: Path, model: str, interval: str, say: Say = print) -> None:
    """Show the whole chain once. The platform stays up, however this ends.

    Args:
        home: The platform's folder.
        model: The model whose `<model>_train` is run.
        interval: What to train on, e.g. `2013-06`; empty for the newest of the model's data.
        say: Takes each line of the report.

    Raises:
        RunFailed: A task failed, or the DAG cannot be parsed; names which, and its error.
        ContenderError: The platform could not be brought up, or the champion not be served.
    """
    check_request(model, interval)
    with lock(home, "demo"):
        began = time.monotonic()
        platform = bring_up(home, say)
        api = platform.api()
        try:
            values = show(
                site(platform, api), model, interval, say,
                beside=("score",), serve=lambda *_: ensure_served(platform, model, say),
            )  # fmt: skip
        finally:
            api.close()
        rows = {
            "Airflow UI": f"{platform.airflow_url}   user {ADMIN}, password {platform.password}",
            "MLflow UI": platform.mlflow_url,
            "data docs": f"{platform.airflow_url}{data_docs(values)}   (after logging in to Airflow)",
        }
        say(f"\n{addresses(rows)}")
        say(f"\nDone in {time.monotonic() - began:.0f} s. `make stop` ends the platform.")


def site(platform: Platform, api: AirflowApi) -> Site:
    """The platform as the shared flow sees it."""
    logs = Path(platform.env["AIRFLOW__LOGGING__BASE_LOG_FOLDER"])

    def task_log(dag_id: str, run_id: str, task: dict[str, Any]) -> str:
        folder = logs / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task['task_id']}"
        if task.get("map_index", -1) >= 0:
            folder /= f"map_index={task['map_index']}"
        return str(folder / f"attempt={task['try_number']}.log")

    return Site(
        api=api,
        url=platform.airflow_url,
        again="`make demo`",
        dags=platform.env["AIRFLOW__CORE__DAGS_FOLDER"],
        parser=f"read {platform.home / 'logs' / 'dag-processor.log'}",
        check_alive=lambda: check_alive(platform.home),
        task_log=task_log,
    )
