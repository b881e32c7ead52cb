"""`make demo`: the platform up, a run of `<model>_train` followed to its end, the champion served and asked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contender.core.errors import ContenderError, some
from contender.core.interval import Interval
from contender.core.settings import settings
from contender.embedded import home as places
from contender.embedded import progress
from contender.embedded.airflow_api import AirflowApi
from contender.embedded.champion import NoChampion, ensure_served, example_request, predict
from contender.embedded.environment import ADMIN
from contender.embedded.lifecycle import Platform, Say, bring_up, check_alive
from contender.embedded.summary import WANTED, addresses, summary

PARSE_SECONDS = 90.0
POLL_SECONDS = 0.7
QUEUED_SECONDS = 8.0
FINAL = {"success", "failed"}


class RunFailed(ContenderError):
    """The run, or the parsing of its DAG, failed."""


def demo(home: Path, model: str, interval: str, say: Say = print) -> None:
    """Show the whole chain once. The platform stays up, however this ends.

    Args:
        home: The platform's folder.
        model: The model whose `<model>_train` is run.
        interval: What to train on, e.g. `2013-06`.
        say: Takes each line of the report.

    Raises:
        RunFailed: A task failed, or the DAG cannot be parsed; names which, and its error.
        ContenderError: The platform could not be brought up, or the champion not be served.
    """
    # A typing error is worth no minute of starting.
    Interval.parse_months(interval)
    _check_declared(model)
    with places.lock(home, "demo"):
        began = time.monotonic()
        platform = bring_up(home, say)
        api = platform.api()
        try:
            dag_id = f"{model}_train"
            _wait_until_parsed(platform, api, dag_id)
            for name in (dag_id, f"{model}_score"):
                row = api.dag(name)
                if row is not None and row["is_paused"]:
                    api.unpause(name)
            run_id = api.trigger(dag_id, {"interval": interval})
            say(f"Triggered {dag_id} on {interval}: {_run_url(platform, dag_id, run_id)}")
            follow(platform, api, (dag_id, run_id), say)
            values = {(task, key): api.xcom(dag_id, run_id, task, key) for task, key in WANTED}
        finally:
            api.close()
        say(f"\n{model}: {dag_id} on {interval}\n{summary(values)}")
        say(_serve_and_ask(platform, model, values, interval, say))
        say(f"\n{addresses(_addresses(platform, values))}")
        say(f"\nDone in {time.monotonic() - began:.0f} s. `make stop` ends the platform.")


def _check_declared(model: str) -> None:
    folder = settings().models
    known = sorted(path.parent.name for path in folder.glob("*/dag.py"))
    if model not in known:
        raise RunFailed(
            f"there is no model {model}",
            where=str(folder),
            expected=f"one of {', '.join(known)}" if known else f"{model}/dag.py",
            next_step="say MODEL=<name>",
        )


def follow(
    platform: Platform, api: AirflowApi, run: tuple[str, str], say: Say, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Tell each task's start and end until the run ends.

    Raises:
        RunFailed: The run failed; the message has each failed task's error and the path of its log.
    """
    began, seen, patient = time.monotonic(), dict[str, str](), False
    while True:
        # The run's state first: when it is final, the tasks read after it are too.
        state = str(api.run(*run)["state"])
        tasks = api.tasks(*run)
        for line in progress.changes(seen, tasks, time.monotonic() - began):
            say(line)
        if state in FINAL:
            break
        if state == "queued" and not patient and time.monotonic() - began > QUEUED_SECONDS:
            patient = True
            say("  Waiting: another run of this DAG is still under way")
        check_alive(platform.home)
        sleep(POLL_SECONDS)
    if state != "success":
        say(f"           {progress.not_run(tasks)} tasks after it were not run")
        raise _failure(platform, api, run, tasks)


def _failure(platform: Platform, api: AirflowApi, run: tuple[str, str], tasks: list[dict[str, Any]]) -> RunFailed:
    dag_id, run_id = run
    failed = progress.failures(tasks)
    told = [
        f"\n  {progress.label(task)}: {progress.error_message(api.log(dag_id, run_id, task))}"
        f"\n    log: {_log_file(platform, dag_id, run_id, task)}"
        for task in failed[:3]
    ]
    return RunFailed(
        f"{dag_id} failed in {some(progress.label(task) for task in failed) or 'no task of its own'}",
        got="".join(told) + "\n",
        next_step=f"correct the cause, then `make demo` again; the run: {_run_url(platform, dag_id, run_id)}",
    )


def _log_file(platform: Platform, dag_id: str, run_id: str, task: dict[str, Any]) -> Path:
    base = Path(platform.env["AIRFLOW__LOGGING__BASE_LOG_FOLDER"])
    folder = base / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task['task_id']}"
    if task.get("map_index", -1) >= 0:
        folder /= f"map_index={task['map_index']}"
    return folder / f"attempt={task['try_number']}.log"


def _wait_until_parsed(platform: Platform, api: AirflowApi, dag_id: str) -> None:
    deadline = time.monotonic() + PARSE_SECONDS
    while (row := api.dag(dag_id)) is None or row.get("is_stale") or row.get("has_import_errors"):
        errors = api.import_errors()
        folder = Path(platform.env["AIRFLOW__CORE__DAGS_FOLDER"])
        model = dag_id.removesuffix("_train")
        mine = [error for error in errors if model in Path(error["filename"]).parts or len(errors) == 1]
        if mine:
            raise RunFailed(
                f"{mine[0]['filename']} cannot be parsed",
                where=str(folder),
                got="\n" + _indented(mine[0]["stack_trace"]) + "\n",
                next_step="correct it; it is parsed again within 10 s",
            )
        if time.monotonic() > deadline:
            raise RunFailed(
                f"there is no DAG {dag_id}",
                where=str(folder),
                expected=f"{model}/dag.py that defines it",
                got=some(error["filename"] for error in errors) or "no such DAG, and no file that fails to parse",
                next_step=f"read {platform.home / 'logs' / 'dag-processor.log'}",
            )
        check_alive(platform.home)
        time.sleep(POLL_SECONDS)


def _serve_and_ask(platform: Platform, model: str, values: dict[tuple[str, str], Any], interval: str, say: Say) -> str:
    """Serve the champion and make one prediction; after a hold or reject there may rightly be none to serve."""
    promoted = values.get(("promote.release", "return_value")) is not None
    try:
        version, url = ensure_served(platform, model, say)
    except NoChampion as missing:
        if promoted:
            raise
        return f"  serving      nothing: {missing.what} ({missing.got})"
    lines = [f"  serving      version {version} at {url}"]
    request = example_request(model, Interval.parse(interval).end)
    if request is None:
        return "\n".join([*lines, f"  prediction   none asked: {model} has no example_request.json"])
    answer, took = predict(url, request)
    asked = ", ".join(f"{name} {value}" for name, value in request.items())
    answered = ", ".join(f"{name} {_short(value)}" for name, value in answer.items() if name != "features")
    without = [f"{why} {_short(names)}" for why, names in dict(answer.get("features") or {}).items() if names]
    answered += f", without features: {'; '.join(without)}" if without else ""
    return "\n".join([*lines, f"  prediction   {asked}", f"               → {answered} ({took:.1f} ms)"])


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return some(value) if isinstance(value, list) else str(value)


def _addresses(platform: Platform, values: dict[tuple[str, str], Any]) -> dict[str, str]:
    tables = dict((values.get(("data.validate", "return_value")) or {}).get("tables", {}))
    docs = [table["docs"] for table in tables.values() if table.get("docs")] or ["/contender/data_docs/"]
    return {
        "Airflow UI": f"{platform.airflow_url}   user {ADMIN}, password {platform.password}",
        "MLflow UI": platform.mlflow_url,
        "data docs": f"{platform.airflow_url}{docs[0]}   (after logging in to Airflow)",
    }


def _run_url(platform: Platform, dag_id: str, run_id: str) -> str:
    return f"{platform.airflow_url}/dags/{dag_id}/runs/{run_id}"


def _indented(text: str, last: int = 12) -> str:
    return re.sub(r"(?m)^", "  | ", "\n".join(text.rstrip().splitlines()[-last:]))
