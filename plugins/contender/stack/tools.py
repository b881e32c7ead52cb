"""`make airflow`, `verify`, `prune`, `verify-decisions` with `STACK=compose`: a command in a container of the stack."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from contender.stack.checkout import check_checkout
from contender.stack.demo import container
from contender.stack.engine import Engine

# Of the Airflow services the one that is always there and sees all that tasks see.
SERVICE = "airflow-scheduler"


def airflow(engine: Engine, arguments: Sequence[str]) -> int:
    """Run Airflow's command line; returns its exit code."""
    return _run(engine, ["airflow", *arguments])


def verify_decisions(engine: Engine) -> int:
    """Check the hash chain of every decision log; returns 1 if one is broken."""
    return _run(engine, ["python", "-m", "contender.core.decisions"])


def verify_release(engine: Engine, release: str) -> int:
    """Check every part of a release; returns 1 where one does not hold."""
    return _run(engine, ["python", "-m", "contender.release", "verify", release])


def prune(engine: Engine, model: str, *, yes: bool) -> int:
    """List the images of a model, or of all where none is named, that would be removed, or remove them."""
    command = ["python", "-m", "contender.retention", *([model] if model else []), *(["--yes"] if yes else [])]
    return _run(engine, command)


def _run(engine: Engine, command: Sequence[str]) -> int:
    """Run it with our input and output.

    Raises:
        DataMismatch: The stack is that of another checkout.
        ServiceFailed: The stack does not run.
    """
    check_checkout(engine)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    name = container(engine, SERVICE, healthy=False)
    return subprocess.call(
        ["docker", "exec", "--interactive", *terminal, name, *command], cwd=engine.folder, env=dict(engine.env)
    )
