"""Serve a champion on this machine without Docker: export its bundle, start the app on it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contender.client.lock import lock
from contender.client.progress import Say
from contender.client.served import NoChampion, Served, readiness
from contender.core.settings import ONLINE_STORE, PREDICTIONS
from contender.embedded import processes, served
from contender.embedded.lifecycle import Platform, StartFailed
from contender.embedded.ports import HOST, Claims

READY_SECONDS = 60.0
POLL_SECONDS = 0.2
# The flags of docker/serving/Dockerfile.
AS_THE_IMAGE = (
    "--loop", "uvloop", "--http", "httptools", "--timeout-graceful-shutdown", "10", "--no-access-log",
    "--no-server-header",
)  # fmt: skip


def export(model: str, home: Path, env: Mapping[str, str]) -> tuple[str, Path]:
    """Copy the champion's bundle out of the registry.

    Args:
        model: The model's name.
        home: The platform's folder; the bundle goes to `<home>/serving/<model>/<version>`.
        env: Complete environment for the export.

    Returns:
        The version and the bundle's folder.

    Raises:
        NoChampion: The export failed; its own last line is in the message.
    """
    base = home / "serving" / model
    base.mkdir(parents=True, exist_ok=True)
    draft = base / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    command = [sys.executable, "-m", "contender.adapters.tracking", "export", model, "champion", str(draft)]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    lines = done.stdout.split()
    if done.returncode != 0 or not lines or not draft.is_dir():
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise NoChampion(
            "there is no champion to serve",
            where=f"model {model}",
            got=said,
            next_step="run `make demo` until a version is promoted",
        )
    # A running server has read its files: its folder may be replaced under it.
    target = base / lines[-1]
    shutil.rmtree(target, ignore_errors=True)
    draft.replace(target)
    return lines[-1], target


def command(port: int) -> list[str]:
    """The serving app on `port`, as the image runs it; quiet but for warnings."""
    app = ["contender.serving.app:app_from_env", "--factory", "--host", HOST, "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", *app, *AS_THE_IMAGE, "--log-level", "warning"]


def serving_env(bundle: Path, home: Path, env: Mapping[str, str]) -> dict[str, str]:
    """What the app reads: the bundle, the online store, where predictions are logged, over `env`."""
    return {
        **env,
        "CONTENDER_BUNDLE": str(bundle),
        "CONTENDER_ONLINE_STORE": env.get("CONTENDER_ONLINE_STORE") or str(home / ONLINE_STORE),
        "CONTENDER_PREDICTIONS": env.get("CONTENDER_PREDICTIONS") or str(home / PREDICTIONS),
        "CONTENDER_JOURNAL": env.get("CONTENDER_JOURNAL") or str(home / "journal" / bundle.parent.name),
    }


def ensure_served(platform: Platform, model: str, say: Say) -> Served:
    """Serve the champion in the background; a server that already serves this version is left alone.

    Returns:
        The version that is served, and where.

    Raises:
        NoChampion: Nothing to serve.
        StartFailed: The app ended or did not become ready; the end of its log is in the message.
    """
    version, bundle = export(model, platform.home, platform.full_env())
    note = f"{model} {version} {_about(bundle).get('model_digest', '')}"
    env = serving_env(bundle, platform.home, platform.full_env())
    return Served(version, keep_up(platform, model, note, command, env, say))


def keep_up(
    platform: Platform, model: str, note: str, command: Callable[[int], list[str]], env: Mapping[str, str], say: Say
) -> str:
    """Have a model's server run, and those of other models run on.

    Args:
        platform: The platform.
        model: The model's name.
        note: What is served: a server with another note is replaced.
        command: The server's command on a port.
        env: Complete environment of the server.
        say: Takes a line where it is started.

    Returns:
        Where it answers: on a port that the model keeps, unless another program has taken it.

    Raises:
        StartFailed: It ended or did not become ready.
    """
    name = served.process_of(model)
    record, port = processes.recorded(platform.home).get(name), served.remembered(platform.home).get(model)
    if record is not None and processes.is_alive(record):
        if record.note == note and port is not None and _serves(record, port):
            return _url(port)
        processes.stop([record], platform.home, patience=10)
    say(f"Starting the serving process of {model}")
    with Claims() as claims:
        with lock(platform.home, "platform", patience=READY_SECONDS):  # others remember ports there too
            port = served.choose_port(platform.home, platform.ports, model, claims.free)
        started = processes.start(name, command(port), env, platform.home, note=note)
        _wait_until_serving(started, port, platform.home)
    return _url(port)


def _wait_until_serving(started: processes.Record, port: int, home: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _serves(started, port):
        if not processes.is_alive(started) or time.monotonic() > deadline:
            log = processes.log_path(home, started.name)
            raise StartFailed(
                "the serving process did not become ready",
                where=str(log),
                got=f"{readiness(_url(port))}\n{processes.last_lines(log)}\n",
                next_step="correct what the last lines name, then `make demo` again",
            )
        time.sleep(POLL_SECONDS)


def _serves(record: processes.Record, port: int) -> bool:
    """Whether this very process answers on the port that it is ready."""
    return processes.listens(record, port) and readiness(_url(port)).startswith("200")


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _about(bundle: Path) -> dict[str, Any]:
    path = bundle / "about.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
