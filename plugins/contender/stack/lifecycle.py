"""`make up`, `make down`, `make logs`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contender.core.errors import ContenderError
from contender.stack import env_file
from contender.stack.checkout import check_checkout
from contender.stack.engine import OURS, SERVED, Engine
from contender.stack.health import ServiceFailed, start_and_wait
from contender.stack.preflight import FreeBytes, Ready, free_bytes, preflight

WORKER, CELERY_PROFILE = "airflow-worker", "celery"
WORKERS = 2
NAME_WIDTH = 14

Say = Callable[[str], None]


class NotConfirmed(ContenderError):
    """Data are deleted only by somebody who says so."""


@dataclass(frozen=True)
class Wanted:
    """What `make up` is asked for.

    Attributes:
        profile: Empty, or `celery`: tasks run on workers.
        workers: How many workers, 1 or more; with the profile alone.
    """

    profile: str = ""
    workers: int | None = None


def up(engine: Engine, wanted: Wanted, say: Say, *, free: FreeBytes = free_bytes) -> None:
    """Check, build, start, wait until all is healthy, say where it is; what runs as it should is left alone.

    Raises:
        ContenderError: With the next step; whatever this call started is stopped again if nothing ran before.
    """
    _check_wanted(wanted)
    executor = {env_file.EXECUTOR: env_file.CELERY} if wanted.profile else {}
    engine = engine.with_env(COMPOSE_PROFILES=wanted.profile, **executor)
    say("Checking the machine, the settings and the data")
    workers = (wanted.workers or WORKERS) if wanted.profile else 0
    ready = preflight(engine, workers=workers, free=free)
    for note in ready.notes:
        say(f"  note: {note}")
    _build(ready, say)
    _keep(ready, say)
    ran = {row["Service"] for row in ready.engine.containers() if row["State"] == "running"}
    say("Starting")
    scale = ["--scale", f"{WORKER}={workers}"] if workers else []
    models: list[str] = []
    try:
        _dismiss_workers(ready.engine, wanted, say)
        # First of all: they need a second or two, and are ready when the rest is.
        models = _start_models(ready.engine, say)
        start_and_wait(ready.engine, ready.config, scale, say)
    except ContenderError:
        if not ran:
            say("Stopping what was started; the data stay")
            _stop(ready.engine, models)
        raise
    say(_greeting(ready))


def down(engine: Engine, say: Say, *, volumes: bool, confirmed: bool, ask: Callable[[str], str] | None) -> None:
    """Stop the stack and the models it serves; with `volumes`, delete all of it and its data.

    Args:
        engine: The engine.
        say: Takes each line.
        volumes: Whether to delete the data too.
        confirmed: Whether that was confirmed on the command line.
        ask: Asks on the terminal and returns the answer; `None` without a terminal.

    Raises:
        DataMismatch: It is the stack of another checkout; nothing was touched.
        NotConfirmed: The deletion was not confirmed; nothing was touched.
        ComposeFailed: Something could not be stopped or removed.
    """
    engine = whatever_env(engine).with_env(COMPOSE_PROFILES=CELERY_PROFILE)
    check_checkout(engine)
    if volumes:
        _confirm(engine, confirmed, ask)
        models = engine.models(OURS, f"network={_models_network(engine)}")
        if models:
            engine.must(engine.docker("rm", "--force", "--volumes", *models), "models' containers stay", "try again")
        journals = engine.journals(_models_network(engine))
        if journals:
            engine.must(engine.docker("volume", "rm", *journals), "models' journals stay", "try again")
        done = engine.compose("down", "--volumes", "--remove-orphans", show=say)
        engine.must(done, "not everything was removed", "mend what the last line names, then make down VOLUMES=1")
        say(f"Removed the stack and its data. {env_file.NAME} stays, with the settings of the next one.")
        return
    models = engine.models(SERVED, f"network={_models_network(engine)}", "status=running")
    rows = [row for row in engine.containers() if row["State"] in {"running", "restarting", "paused"}]
    if not rows and not models:
        say("Nothing to stop: the stack is not running")
        return
    say(f"Stopping {len(rows)} services" + (f" and {', '.join(models)}" if models else ""))
    _stop(engine, models)
    say("Stopped. The data stay; `make up` goes on with them.")


def logs(engine: Engine, service: str) -> int:
    """Follow the logs of one service, or of all; returns Compose's exit code."""
    engine = whatever_env(engine).with_env(COMPOSE_PROFILES=CELERY_PROFILE)
    known = sorted(engine.config()["services"])
    if service and service not in known:
        raise ServiceFailed(
            f"there is no service {service}",
            expected=f"one of {', '.join(known)}",
            next_step="say make logs SERVICE=<name>",
        )
    command = engine.compose_command("logs", "--follow", "--tail", "100", *([service] if service else []))
    return subprocess.call(command, cwd=engine.folder, env=dict(engine.env))


def _keep(ready: Ready, say: Say) -> None:
    """Write what is new of `.env`: all of it, or what an earlier version had no need of."""
    if env_file.read(ready.engine.folder) is None:
        env_file.write(ready.engine.folder, ready.secrets)
    elif ready.secrets:
        env_file.add(ready.engine.folder, ready.secrets)
        say(f"  added to {env_file.NAME}, which lacked them: {', '.join(ready.secrets)}")


def _check_wanted(wanted: Wanted) -> None:
    if wanted.profile not in {"", CELERY_PROFILE}:
        raise env_file.EnvFileInvalid(
            f"there is no profile {wanted.profile}", expected=CELERY_PROFILE, next_step="say make up PROFILE=celery"
        )
    if wanted.workers is not None and (not wanted.profile or wanted.workers < 1):
        raise env_file.EnvFileInvalid(
            "there are no such workers",
            expected="WORKERS of 1 or more, with PROFILE=celery",
            got=f"WORKERS={wanted.workers} PROFILE={wanted.profile}",
            next_step="say make up PROFILE=celery WORKERS=2",
        )


def _build(ready: Ready, say: Say) -> None:
    """Build our images and pull those of others; nothing is started."""
    engine = ready.engine
    again = "nothing was started; mend what the last line names, then `make up` again"
    say("Building the images (minutes the first time, seconds later)")
    engine.must(engine.compose("build", show=say), "the image could not be built", again)
    built = {service["image"] for service in ready.config["services"].values() if "build" in service}
    foreign = {name: service["image"] for name, service in ready.config["services"].items()}
    absent = [
        name for name, image in foreign.items()
        if image not in built and engine.docker("image", "inspect", image).code != 0
    ]  # fmt: skip
    if absent:
        say(f"Pulling the images of {', '.join(absent)}")
        engine.must(engine.compose("pull", *absent, show=say), "an image could not be pulled", again)


def _dismiss_workers(engine: Engine, wanted: Wanted, say: Say) -> None:
    """Workers of an earlier `PROFILE=celery` would wait for ever: `up` leaves services of other profiles alone."""
    if not wanted.profile and any(row["Service"] == WORKER for row in engine.containers()):
        say("Stopping the workers: tasks run in the scheduler now")
        celery = engine.with_env(COMPOSE_PROFILES=CELERY_PROFILE)
        done = celery.compose("rm", "--stop", "--force", WORKER)
        engine.must(done, "the workers could not be stopped", "try again, or make down and make up")


def _start_models(engine: Engine, say: Say) -> list[str]:
    """Start the models that `down` stopped; returns their containers' names."""
    stopped = engine.models(SERVED, f"network={_models_network(engine)}", "status=exited")
    if stopped:
        say(f"Starting the models served before: {', '.join(stopped)}")
        done = engine.docker("start", *stopped)
        engine.must(done, "a served model could not be started again", "clear the newest run of its deploy DAG")
    return stopped


def _stop(engine: Engine, models: list[str] | None = None) -> None:
    if models:
        engine.must(engine.docker("stop", *models), "a served model could not be stopped", "try again")
    engine.must(engine.compose("stop"), "a service could not be stopped", "`make down` again")


def _confirm(engine: Engine, confirmed: bool, ask: Callable[[str], str] | None) -> None:
    if confirmed:
        return
    names = ", ".join(sorted(volume["name"] for volume in engine.config()["volumes"].values()))
    if ask is None:
        raise NotConfirmed(
            "there is no terminal to ask on",
            where=names,
            next_step="say make down VOLUMES=1 YES=1 to delete tables, models, runs and decisions",
        )
    said = ask(f"This deletes all tables, models, runs and decisions: {names}.\nType {engine.project} to go on: ")
    if said.strip() != engine.project:
        raise NotConfirmed(
            "nothing was deleted",
            expected=engine.project,
            got=repr(said.strip()),
            next_step="`make down` keeps the data",
        )


def whatever_env(engine: Engine) -> Engine:
    """Looking and stopping need no secrets: names that `.env` lacks get a value that keeps Compose from refusing."""
    values = {**(env_file.read(engine.folder) or {}), **env_file.own(engine.env)}
    return engine.with_env(**{name: "none" for name in env_file.required(engine.folder) if not values.get(name)})


def _models_network(engine: Engine) -> str:
    return str(engine.config()["networks"]["models"]["name"])


def _greeting(ready: Ready) -> str:
    url = address(ready.config)
    values = {**(env_file.read(ready.engine.folder) or {}), **env_file.own(ready.engine.env)}
    user, password = values[env_file.USER], f"in {env_file.NAME} ({env_file.PASSWORD})"
    if env_file.PASSWORD in ready.secrets:  # the one time that it is shown
        password = f"{values[env_file.PASSWORD]}   (kept in {env_file.NAME}, shown this once)"
    rows = {
        "Airflow": f"{url}/",
        "MLflow": f"{url}/mlflow/   (after logging in to Airflow)",
        "models": f"{url}/models/<name>/predict",
        "log in as": user,
        "password": password,
    }
    listed = "\n".join(f"  {name:<{NAME_WIDTH}} {text}" for name, text in rows.items())
    return f"\n{listed}\n\n`make demo STACK=compose` shows the chain; `make logs`, `make down` (keeps the data)."


def address(config: Mapping[str, Any]) -> str:
    """Where the user reaches the router, without a slash at its end."""
    return str(config["services"]["airflow-apiserver"]["environment"]["AIRFLOW__API__BASE_URL"]).rstrip("/")
