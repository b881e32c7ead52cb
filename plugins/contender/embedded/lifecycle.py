"""Bring the platform up, say whether it is well, take it down."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from contender.client.airflow_api import AirflowApi
from contender.client.lock import lock
from contender.client.progress import Say
from contender.core.errors import ContenderError, TrackingUnreachable
from contender.embedded import home as places
from contender.embedded import processes, served
from contender.embedded.environment import ADMIN, environment
from contender.embedded.ports import HOST, Claims, Ports, choose_ports, is_free

AIRFLOW = ("api-server", "execution-api", "scheduler", "dag-processor")
# Those that start work first, after the served models; the one that tasks report to last.
STOP_ORDER = ("scheduler", "dag-processor", "mlflow", "api-server", "execution-api")
START_SECONDS = 240.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.5


class StartFailed(ContenderError):
    """A process of the platform ended or did not become ready."""


class PortLost(StartFailed):
    """Another program bound a port between its choice and its use."""


@dataclass(frozen=True)
class Platform:
    """A prepared platform.

    Attributes:
        home: Folder of everything it writes.
        ports: Its ports.
        env: What `environment()` says for it, alone.
        password: Of the administrator.
    """

    home: Path
    ports: Ports
    env: dict[str, str]
    password: str

    @property
    def airflow_url(self) -> str:
        """Airflow's UI."""
        return f"http://{HOST}:{self.ports.airflow}"

    @property
    def mlflow_url(self) -> str:
        """MLflow's UI: ours, or the server the user's `MLFLOW_TRACKING_URI` names."""
        return self.env["CONTENDER_MLFLOW_UI"]

    def full_env(self) -> dict[str, str]:
        """The user's environment with the platform's over it."""
        return {**os.environ, **self.env}

    def api(self) -> AirflowApi:
        """A client of this platform's Airflow."""
        log = processes.log_path(self.home, "api-server")
        advice = f"read {log}; `make stop`, then `make demo` starts afresh"
        return AirflowApi(self.airflow_url, ADMIN, self.password, advice=advice)


def bring_up(home: Path, say: Say) -> Platform:
    """Start what does not run, and wait until all of it is ready; what runs well is left alone.

    Two checkouts may do so at once: neither chooses a port that the other has chosen, and neither takes the other's
    answer for its own.

    Raises:
        StartFailed: A process ended or was not ready in time; the end of its log is in the message.
        TrackingUnreachable: The user's own MLflow server does not answer.
        PortTaken: A port the user set belongs to another program.
    """
    return once_more_if_port_lost(lambda: _bring_up(home, say), say)


def once_more_if_port_lost(start: Callable[[], Platform], say: Say) -> Platform:
    """Start; where another program was quicker to bind a port, start once more, which chooses another."""
    try:
        return start()
    except PortLost as lost:
        say(f"Choosing another port: {lost.what}")
        return start()


def _bring_up(home: Path, say: Say) -> Platform:
    with Claims() as claims:
        with lock(home, "platform", patience=60):
            places.prepare(home)
            _clear_wreck(home, say)
            platform = _platform(home, claims.free)
            _check_own_tracking(platform)
            _stop_stale(platform, say)
            _migrate(platform, say)
            started = _start_missing(platform, say)
            _remember(platform)
        _wait_until_ready(platform, started, say)
    return platform


def take_down(home: Path, say: Say) -> int:
    """Stop everything, whatever state it is in; returns how many processes are left (0)."""
    if not home.exists():
        say("Nothing to stop: there is no platform here")
        return 0
    with lock(home, "platform", patience=60):
        records = processes.recorded(home)
        living = [name for name in _stop_order(home) if name in records and processes.is_alive(records[name])]
        if not living and not processes.survivors(home):
            for name in records:
                processes.forget(home, name)
            say("Nothing to stop: the platform is not running")
            return 0
        say(f"Stopping {', '.join(living) or 'what is left'}")
        return _end(home)


def _stop_order(home: Path) -> list[str]:
    return [*map(served.process_of, served.models(home)), *STOP_ORDER]


def _end(home: Path) -> int:
    records = processes.recorded(home)
    processes.stop([records[name] for name in _stop_order(home) if name in records], home, patience=STOP_SECONDS)
    for name in records:
        processes.forget(home, name)
    return processes.end_survivors(home)


def _end_to_start_again(home: Path, say: Say) -> None:
    if lost := served.models(home):
        say(f"No longer served: {', '.join(lost)}; `make demo MODEL=<model>` serves one again")
    _end(home)


def _remember(platform: Platform) -> None:
    """Remember the ports; those of the served models are chosen anew where they are to begin with another one."""
    ports = platform.ports.facts()
    moved = places.remembered(platform.home).get("ports", {}).get("serving") != ports["serving"]
    places.remember(platform.home, ports=ports, **({"served": {}} if moved else {}))


def _platform(home: Path, free: Callable[[int], bool]) -> Platform:
    living = {name for name, record in processes.recorded(home).items() if processes.is_alive(record)}
    last = dict(places.remembered(home).get("ports", {}))
    holders = {
        "airflow": "api-server",
        "execution": "execution-api",
        "mlflow": "mlflow",
        "worker_logs": "scheduler",
        "scheduler_health": "scheduler",
        # Nothing listens on it, and another start may have its eye on it just now: a changed port would end all here.
        "trigger_logs": "scheduler",
    }
    ours = [last[port] for port, holder in holders.items() if holder in living and port in last]
    of_models = served.remembered(home)
    ours += [of_models[model] for model in served.models(home) if model in of_models]
    ports = choose_ports(last, ours, free=free)
    return Platform(home, ports, environment(home, ports), places.password(home))


def _clear_wreck(home: Path, say: Say) -> None:
    """Half an Airflow is none: where a part has ended, the rest goes, and with it what holds the old ports."""
    records = processes.recorded(home)
    living = [name for name in AIRFLOW if name in records and processes.is_alive(records[name])]
    if len(living) == len(AIRFLOW):
        return
    if living:
        say("Restarting the platform: a part of it had ended")
    _end_to_start_again(home, say)


def _stop_stale(platform: Platform, say: Say) -> None:
    """Processes that were started with other settings go."""
    records = processes.recorded(platform.home).values()
    if any(record.digest != places.digest(platform.env) for record in records if record.digest):
        say("Restarting the platform: its settings changed")
        _end_to_start_again(platform.home, say)


def _check_own_tracking(platform: Platform) -> None:
    uri = platform.env["MLFLOW_TRACKING_URI"]
    if uri.startswith("http") and not _answers(f"{uri.rstrip('/')}/health"):
        raise TrackingUnreachable(
            "MLflow does not answer",
            where=f"MLFLOW_TRACKING_URI={uri}",
            expected="200 from /health",
            next_step="start that server, or unset MLFLOW_TRACKING_URI to have one of this platform's own",
        )


def _migrate(platform: Platform, say: Say) -> None:
    """Create or upgrade Airflow's database, once for each version of Airflow.

    A new file database is made beside its place and moved there when complete, so that a start that was killed
    half way is simply done again.
    """
    key = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    url = platform.env[key]
    stamp = f"{importlib.metadata.version('apache-airflow')} {places.digest({key: url})}"
    target = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
    if places.remembered(platform.home).get("migrated") == stamp and (target is None or target.exists()):
        return
    say("Preparing Airflow's database")
    draft = target.with_suffix(".draft") if target is not None and not target.exists() else None
    env = platform.full_env()
    if draft is not None:
        for leftover in draft.parent.glob(f"{draft.name}*"):
            leftover.unlink()
        env[key] = f"sqlite:///{draft}"
    log = processes.log_path(platform.home, "migrate")
    with log.open("wb") as output:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, env=env, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise StartFailed(
            "Airflow's database could not be prepared",
            where=str(log),
            got="\n" + processes.last_lines(log) + "\n",
            next_step="correct what the last line names, then `make demo` again",
        )
    if draft is not None and target is not None:
        draft.replace(target)
    places.remember(platform.home, migrated=stamp)


def _start_missing(platform: Platform, say: Say) -> dict[str, float]:
    """Start each process that does not run; returns the moment of each start."""
    records = processes.recorded(platform.home)
    commands = {name: [sys.executable, "-m", "airflow", name] for name in AIRFLOW}
    commands.update(_api_servers(platform))
    if not platform.env["MLFLOW_TRACKING_URI"].startswith("http"):
        commands["mlflow"] = _mlflow_command(platform)
    started: dict[str, float] = {}
    env = platform.full_env()
    for name, command in commands.items():
        if name not in records or not processes.is_alive(records[name]):
            started[name] = time.time()
            processes.start(name, command, env, platform.home, digest=places.digest(platform.env))
    if started:
        say(f"Starting {', '.join(started)}")
    return started


def _api_servers(platform: Platform) -> dict[str, list[str]]:
    """Two servers of one API each: that of the UI, and that which tasks report to.

    In one process they lock each other out on SQLite: Airflow writes an action's audit entry from the event loop,
    and waits there for a task's transaction that only the event loop can end.
    """
    command = [sys.executable, "-m", "airflow", "api-server"]
    execution = ["--apps", "execution", "--port", str(platform.ports.execution)]
    return {"api-server": [*command, "--apps", "core"], "execution-api": [*command, *execution]}


def _mlflow_command(platform: Platform) -> list[str]:
    artifacts = platform.env["_MLFLOW_SERVER_ARTIFACT_ROOT"]
    options = ["--host", HOST, "--port", str(platform.ports.mlflow), "--workers", "1"]
    # Artefacts are read straight from the folder: no second copy through the server.
    store = ["--backend-store-uri", platform.env["MLFLOW_TRACKING_URI"], "--default-artifact-root", artifacts]
    return [sys.executable, "-m", "mlflow", "server", *options, *store]


def _wait_until_ready(platform: Platform, started: dict[str, float], say: Say) -> None:
    began, told = time.monotonic(), set[str]()
    api = platform.api()
    watched = {*AIRFLOW, "mlflow"} & set(processes.recorded(platform.home))
    try:
        while True:
            ready = _ready(platform, api.health(), started)
            for name in sorted(ready - told if started else ()):
                say(f"  {name:<14} ready after {time.monotonic() - began:.0f} s")
            told |= ready
            if told >= watched:
                return
            _check_started(platform, watched)
            if time.monotonic() - began > START_SECONDS:
                _not_ready(platform, sorted(watched - told)[0])
            time.sleep(POLL_SECONDS)
    finally:
        api.close()


def check_alive(home: Path, names: Iterable[str] = AIRFLOW) -> None:
    """Make sure the processes still run.

    Raises:
        StartFailed: One ended; its name and the end of its log are in the message.
    """
    records = processes.recorded(home)
    for name in sorted(names):
        if name not in records or not processes.is_alive(records[name]):
            log = processes.log_path(home, name)
            raise StartFailed(
                f"{name} ended",
                where=str(log),
                got="\n" + processes.last_lines(log) + "\n",
                next_step="correct what the last lines name, then `make demo` again",
            )


def _check_started(platform: Platform, names: Iterable[str]) -> None:
    """As `check_alive`; a server that ended since its port was bound by another program is told apart."""
    try:
        check_alive(platform.home, names)
    except StartFailed as ended:
        records = processes.recorded(platform.home)
        for name, port in (
            ("api-server", platform.ports.airflow),
            ("execution-api", platform.ports.execution),
            ("mlflow", platform.ports.mlflow),
        ):
            if name in records and not processes.is_alive(records[name]) and not is_free(port):
                raise PortLost(
                    f"another program took port {port} before {name} had it", where=ended.where, got=ended.got,
                    next_step="`make demo` again, which chooses another port",
                ) from ended  # fmt: skip
        raise


def _not_ready(platform: Platform, name: str) -> None:
    log = processes.log_path(platform.home, name)
    raise StartFailed(
        f"{name} was not ready after {START_SECONDS:.0f} s",
        where=str(log),
        got="\n" + processes.last_lines(log) + "\n",
        next_step="`make stop`, then `make demo` again on a less busy machine",
    )


def _ready(platform: Platform, health: dict[str, Any], started: dict[str, float]) -> set[str]:
    """Names of what is ready; a heartbeat from before the start is the predecessor's.

    Whoever answers must be ours: the process that listens on the port, not another checkout's on the same one.
    """
    records = processes.recorded(platform.home)
    addresses = {
        "mlflow": (platform.ports.mlflow, f"{platform.mlflow_url.rstrip('/')}/health"),
        "execution-api": (platform.ports.execution, f"http://{HOST}:{platform.ports.execution}/execution/health"),
    }
    ready = {
        name
        for name, (port, url) in addresses.items()
        if (name not in records or processes.listens(records[name], port)) and _answers(url)
    }
    if "api-server" not in records or not processes.listens(records["api-server"], platform.ports.airflow):
        return ready
    if health.get("metadatabase", {}).get("status") == "healthy":
        ready.add("api-server")
    for name, component, beat in (
        ("scheduler", "scheduler", "latest_scheduler_heartbeat"),
        ("dag-processor", "dag_processor", "latest_dag_processor_heartbeat"),
    ):
        figures = health.get(component) or {}
        fresh = _timestamp(figures.get(beat)) >= started.get(name, 0.0)
        if figures.get("status") == "healthy" and fresh:
            ready.add(name)
    return ready


def _timestamp(text: str | None) -> float:
    if not text:
        return -1.0
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _answers(url: str) -> bool:
    with requests.Session() as http:
        http.trust_env = url.startswith("https")
        try:
            return http.get(url, timeout=5).ok
        except requests.RequestException:
            return False
