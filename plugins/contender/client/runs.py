"""A DAG's run, from the parsed file to its end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contender.client import progress
from contender.client.airflow_api import AirflowApi
from contender.client.progress import Say
from contender.core.errors import ContenderError, some

PARSE_SECONDS = 90.0
POLL_SECONDS = 0.7
QUEUED_SECONDS = 8.0
FINAL = {"success", "failed"}


class RunFailed(ContenderError):
    """The run, or the parsing of its DAG, failed."""


@dataclass(frozen=True)
class Site:
    """A running platform: its Airflow, and what differs from one way of running it to the other.

    Attributes:
        api: Client of its Airflow.
        url: Airflow's address as the user reaches it, for links; without a slash at its end.
        again: The command that shows the chain here, for advice.
        dags: Folder of the DAG files as the user knows it.
        parser: How to read what the DAG processor says, for advice.
        check_alive: Raises where a part of the platform has ended.
        task_log: Where the log of a task instance is, by DAG, run and the task's row.
    """

    api: AirflowApi
    url: str
    again: str
    dags: str
    parser: str
    check_alive: Callable[[], None]
    task_log: Callable[[str, str, dict[str, Any]], str]

    def run_url(self, dag_id: str, run_id: str) -> str:
        """The run's page."""
        return f"{self.url}/dags/{dag_id}/runs/{run_id}"


def wait_until_parsed(site: Site, dag_id: str) -> None:
    """Wait until Airflow knows the DAG as its file now is.

    Raises:
        RunFailed: The file cannot be parsed, or there is none.
    """
    deadline = time.monotonic() + PARSE_SECONDS
    while (row := site.api.dag(dag_id)) is None or row.get("is_stale") or row.get("has_import_errors"):
        errors = site.api.import_errors()
        model = dag_id.removesuffix("_train")
        mine = [error for error in errors if model in Path(error["filename"]).parts or len(errors) == 1]
        if mine:
            raise RunFailed(
                f"{mine[0]['filename']} cannot be parsed",
                where=site.dags,
                got="\n" + _indented(mine[0]["stack_trace"]) + "\n",
                next_step="correct it; it is parsed again within 10 s",
            )
        if time.monotonic() > deadline:
            raise RunFailed(
                f"there is no DAG {dag_id}",
                where=site.dags,
                expected=f"{model}/dag.py that defines it",
                got=some(error["filename"] for error in errors) or "no such DAG, and no file that fails to parse",
                next_step=site.parser,
            )
        site.check_alive()
        time.sleep(POLL_SECONDS)


def follow(site: Site, run: tuple[str, str], say: Say) -> None:
    """Tell each task's start and end until the run ends.

    Args:
        site: The platform.
        run: The run's DAG and ID.
        say: Takes each line.

    Raises:
        RunFailed: The run failed; the message has each failed task's error and where its log is.
    """
    began, seen, patient = time.monotonic(), dict[str, str](), False
    while True:
        # The run's state first: when it is final, the tasks read after it are too.
        state = str(site.api.run(*run)["state"])
        tasks = site.api.tasks(*run)
        for line in progress.changes(seen, tasks, time.monotonic() - began):
            say(line)
        if state in FINAL:
            break
        if state == "queued" and not patient and time.monotonic() - began > QUEUED_SECONDS:
            patient = True
            say("  Waiting: another run of this DAG is still under way")
        site.check_alive()
        time.sleep(POLL_SECONDS)
    if state != "success":
        say(f"           {progress.not_run(tasks)} tasks after it were not run")
        raise _failure(site, run, tasks)


def _failure(site: Site, run: tuple[str, str], tasks: list[dict[str, Any]]) -> RunFailed:
    failed = progress.failures(tasks)
    told = [
        f"\n  {progress.label(task)}: {progress.error_message(site.api.log(*run, task))}"
        f"\n    log: {site.task_log(*run, task)}"
        for task in failed[:3]
    ]
    return RunFailed(
        f"{run[0]} failed in {some(progress.label(task) for task in failed) or 'no task of its own'}",
        got="".join(told) + "\n",
        next_step=f"correct the cause, then {site.again} again; the run: {site.run_url(*run)}",
    )


def _indented(text: str, last: int = 12) -> str:
    return re.sub(r"(?m)^", "  | ", "\n".join(text.rstrip().splitlines()[-last:]))
