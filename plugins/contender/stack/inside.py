"""The stack's demo from within: `python -m contender.stack.inside` in a container that has the libraries.

It is started by `contender.stack.demo` and ends with it: when its standard input ends, so does this process.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from contender.client.airflow_api import AirflowApi
from contender.client.demo import Values, check_request, data_docs, promoted, show
from contender.client.progress import Say
from contender.client.runs import RunFailed, Site, follow
from contender.client.served import NoChampion, Served, readiness, served_version
from contender.client.summary import addresses
from contender.core.errors import ContenderError

AIRFLOW, ROUTER = "http://airflow-apiserver:8080", "http://router:8080"
USER, PASSWORD = "CONTENDER_ADMIN_USER", "CONTENDER_ADMIN_PASSWORD"
PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
# Services are started again by the engine; a run outlives that, and so does the look at it.
PATIENCE_SECONDS = 180
TRIGGER_SECONDS = 60
SERVED_SECONDS = 60
POLL_SECONDS = 1.0
FAILED, INTERRUPTED = 1, 130


class Unwell(ContenderError):
    """A part of the stack's Airflow is down and does not come back."""


class Watch:
    """Says that the stack is down once a part of it has been so for longer than a restart takes."""

    def __init__(self, health: Callable[[], dict[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._health, self._clock = health, clock
        self._well = clock()

    def __call__(self) -> None:
        """Look once.

        Raises:
            Unwell: A part was not healthy at any look of the last minutes.
        """
        health = self._health()
        states = {part: str((health.get(part) or {}).get("status")) for part in PARTS}
        if set(states.values()) == {"healthy"}:
            self._well = self._clock()
        elif self._clock() - self._well > PATIENCE_SECONDS:
            raise Unwell(
                "a part of the stack is down",
                where=AIRFLOW,
                expected="healthy",
                got=", ".join(f"{part} {state}" for part, state in states.items() if state != "healthy"),
                next_step="make logs SERVICE=<its name>; `make up` starts what has ended",
            )


def demo(model: str, interval: str, say: Say) -> None:
    """Show the chain once on the stack that this process is in.

    Raises:
        ContenderError: A task failed, or the promoted version is not served.
    """
    check_request(model, interval)
    began = time.monotonic()
    url = os.environ["AIRFLOW__API__BASE_URL"].rstrip("/")
    user = os.environ[USER]
    api = AirflowApi(
        AIRFLOW, user, os.environ[PASSWORD], tries=PATIENCE_SECONDS, advice="make logs SERVICE=airflow-apiserver"
    )
    try:
        on = site(api, url)
        serve = partial(wait_until_served, on, model, say)
        values = show(on, model, interval, say, beside=("score", "deploy"), serve=serve)
    finally:
        api.close()
    rows = {
        "Airflow UI": f"{url}/   user {user}, password in .env ({PASSWORD})",
        "MLflow UI": f"{url}/mlflow/   (after logging in to Airflow)",
        "data docs": f"{url}{data_docs(values)}   (after logging in to Airflow)",
        "model": f"{url}/models/{model}/predict",
    }
    say(f"\n{addresses(rows)}")
    say(f"\nDone in {time.monotonic() - began:.0f} s. `make down` stops the stack and keeps its data.")


def site(api: AirflowApi, url: str) -> Site:
    """The stack as the shared flow sees it."""
    return Site(
        api=api,
        url=url,
        again="`make demo STACK=compose`",
        dags=os.environ.get("AIRFLOW__CORE__DAGS_FOLDER", "dags"),
        parser="make logs SERVICE=airflow-dag-processor",
        check_alive=Watch(api.health),
        task_log=lambda dag_id, run_id, task: f"{url}/dags/{dag_id}/runs/{run_id}/tasks/{task['task_id']}",
    )


def wait_until_served(on: Site, model: str, say: Say, run_id: str, values: Values, *, router: str = ROUTER) -> Served:
    """Wait until the router answers for the version that the run promoted, or take the one that serves already.

    Raises:
        NoChampion: Nothing was promoted and nothing serves.
        RunFailed: The promoted version was not deployed.
    """
    url, shown = f"{router}/models/{model}", f"{on.url}/models/{model}"
    version = promoted(values)
    if version is None:
        serving = served_version(url)
        if serving is None:
            raise NoChampion("there is no champion to serve", where=f"model {model}", got="no version answers yet")
        return Served(serving, url, shown)
    run = f"{model}_deploy", _triggered(on, (f"{model}_train", run_id), f"{model}_deploy")
    say(f"\nVersion {version} was promoted: following {run[0]}")
    follow(on, run, say)
    deadline = time.monotonic() + SERVED_SECONDS
    while served_version(url) != version:
        if time.monotonic() > deadline:
            raise RunFailed(
                "the promoted version is not served",
                where=shown,
                expected=f"version {version}",
                got=f"version {served_version(url)}; {readiness(url)}",
                next_step=f"read the log of deploy.serve: {on.run_url(*run)}",
            )
        time.sleep(POLL_SECONDS)
    return Served(version, url, shown)


def _triggered(on: Site, by: tuple[str, str], dag_id: str) -> str:
    """The run of `dag_id` that the asset moved by the run `by` has started."""
    deadline = time.monotonic() + TRIGGER_SECONDS
    while True:
        started = [run for event in on.api.asset_events(*by) for run in event["created_dagruns"]]
        found = [str(run["run_id"]) for run in started if run["dag_id"] == dag_id]
        if found:
            return found[-1]
        if time.monotonic() > deadline:
            raise RunFailed(
                f"the promotion started no run of {dag_id}",
                where=on.run_url(*by),
                expected=f"{dag_id}, not paused, triggered by the moved alias",
                got=f"{len(started)} runs of other DAGs",
                next_step=f"look at {on.url}/dags/{dag_id}",
            )
        time.sleep(POLL_SECONDS)


def _end_with_the_caller() -> None:
    """The caller holds our standard input open; when it is gone, nobody reads what we say."""
    sys.stdin.read()
    os._exit(INTERRUPTED)


def main(arguments: list[str] | None = None) -> int:
    """Show the chain; errors go to stderr and end with the next thing to do."""
    parser = argparse.ArgumentParser(prog="contender.stack.inside")
    parser.add_argument("--model", required=True)
    parser.add_argument("--interval", default="")
    asked = parser.parse_args(arguments)
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    try:
        demo(asked.model, asked.interval, partial(print, flush=True))
    except ContenderError as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
