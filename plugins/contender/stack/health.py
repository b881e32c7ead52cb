"""Waiting until every service of the stack is well, and saying why one is not."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from contender.core.errors import ContenderError
from contender.stack.engine import LAST_LINES, ComposeFailed, Engine, last_lines

HEALTHY_SECONDS = 600.0
POLL_SECONDS = 1.0
LOOKS = 3  # times that a container is seen between two attempts, or unhealthy, before it counts as broken
NAME_WIDTH = 22

Say = Callable[[str], None]


class ServiceFailed(ContenderError):
    """A service of the stack ended, is unwell or did not become well in time."""


def start_and_wait(
    engine: Engine, config: Mapping[str, Any], options: list[str], say: Say, *, patience: float = HEALTHY_SECONDS
) -> None:
    """`docker compose up`, and a line for each service that has become healthy.

    Args:
        engine: The engine.
        config: The compose file with every variable put in: names the services to wait for.
        options: Further options of `up`.
        say: Takes each line.
        patience: Seconds for all of it.

    Raises:
        ServiceFailed: A service ended or is unwell; with its last lines.
        ComposeFailed: Compose could not create or start the containers.
    """
    began = time.monotonic()
    before = {row["ID"] for row in engine.containers()}
    once = {name for name, service in config["services"].items() if service.get("restart") == "no"}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        command = engine.compose_command("up", "--detach", "--no-build", "--quiet-pull", *options)
        # In a process of its own: it waits for services itself, while we tell how they get on.
        starting = subprocess.Popen(command, cwd=engine.folder, env=dict(engine.env), stdout=output, stderr=output)
        try:
            _watch(engine, set(config["services"]), once, before, starting, began, patience, say)
        finally:
            if starting.poll() is None:
                starting.terminate()
            starting.wait()
        if starting.returncode != 0:
            output.seek(0)
            _fail(engine, once, output.read())


def _watch(
    engine: Engine, wanted: set[str], once: set[str], before: set[str], starting: subprocess.Popen[Any], began: float,
    patience: float, say: Say,
) -> None:  # fmt: skip
    told, unwell = set[str](), Counter[str]()
    while True:
        started = starting.poll()  # before the look: what is seen after its end is what it left
        rows = engine.containers()
        ready = {service for service in wanted if _all_ready(rows, service, once)}
        for service in sorted(ready - told):
            say(f"  {service:<{NAME_WIDTH}} {'done' if service in once else 'healthy'} after "
                f"{time.monotonic() - began:.0f} s")  # fmt: skip
        told |= ready
        if started is not None and (started != 0 or ready >= wanted):
            return
        unwell.update(row["ID"] for row in rows if _is_unwell(row))
        for row in rows:
            # Until Compose has ended, a container of an earlier start may yet be replaced.
            if started is None and row["ID"] in before:
                continue
            if (started is not None and _has_failed(row, once)) or (_is_unwell(row) and unwell[row["ID"]] >= LOOKS):
                raise _failed(engine, row)
        if time.monotonic() - began > patience:
            raise _failed(engine, _late(rows, wanted - ready, once, unwell), patience)
        time.sleep(POLL_SECONDS)


def _late(rows: list[dict[str, Any]], late: set[str], once: set[str], unwell: Counter[str]) -> Mapping[str, Any]:
    """Whom the others wait for: a container that runs and is not well, before one that was only created."""
    waiting = [row for row in rows if row["Service"] in late and not _is_ready(row, once)]
    first = sorted(
        waiting,
        key=lambda row: (row["State"] not in {"running", "restarting"}, -unwell[row["ID"]], row["Service"]),
    )
    return first[0] if first else {"Service": min(late, default="docker compose up")}


def _all_ready(rows: list[dict[str, Any]], service: str, once: set[str]) -> bool:
    mine = [row for row in rows if row["Service"] == service]
    return bool(mine) and all(_is_ready(row, once) for row in mine)


def _is_ready(row: Mapping[str, Any], once: set[str]) -> bool:
    if row["Service"] in once:
        return bool(row["State"] == "exited" and row["ExitCode"] == 0)
    return bool(row["State"] == "running" and row.get("Health") in {"healthy", "", None})


def _is_unwell(row: Mapping[str, Any]) -> bool:
    return bool(row["State"] == "restarting" or row.get("Health") == "unhealthy")


def _has_failed(row: Mapping[str, Any], once: set[str]) -> bool:
    if row["State"] in {"exited", "dead"}:
        return not (row["Service"] in once and row["ExitCode"] == 0)
    return bool(row.get("Health") == "unhealthy")


def _fail(engine: Engine, once: set[str], said: str) -> None:
    """Compose gave up: for a service that failed, which is then named, or for a reason of its own."""
    named = [line for line in said.splitlines() if re.search(r"(?i)error|unhealthy|didn't complete", line)]
    for row in engine.containers():
        # Containers that an earlier `make down` stopped have ended too, and are not to blame.
        names = row["Name"], f'"{row["Service"]}"'
        if _has_failed(row, once) and any(name in line for line in named for name in names):
            raise _failed(engine, row)
    raise ComposeFailed(
        "the services could not be started",
        where="docker compose up",
        got=f"\n{last_lines(said)}\n",
        next_step="mend what the last line names, then `make up` again",
    )


def _failed(engine: Engine, row: Mapping[str, Any], patience: float = 0.0) -> ServiceFailed:
    service = str(row["Service"])
    state = f"{row.get('State', 'no container')}{', ' + row['Health'] if row.get('Health') else ''}"
    # Shown, though to nobody: its output and its errors then come in the order in which they were written.
    log = engine.docker("logs", "--tail", str(LAST_LINES), str(row.get("Name", service)), show=lambda _: None)
    return ServiceFailed(
        f"{service} is not well" + (f" after {patience:.0f} s" if patience else ""),
        where=f"service {service}",
        expected="healthy",
        got=f"{state}, exit code {row.get('ExitCode', '?')}; its log ends:\n{last_lines(log.out)}\n",
        next_step=f"mend what the last lines name, then `make up` again; all of it: make logs SERVICE={service}",
    )
