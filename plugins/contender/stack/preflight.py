"""What must hold before anything is built or started; a check changes nothing."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contender.core.errors import ContenderError, EngineUnavailable
from contender.stack import env_file
from contender.stack.checkout import DataMismatch, MachineUnfit, check_checkout, check_readable
from contender.stack.engine import Done, Engine

GB = 10**9
MEMORY_GB, WORKER_GB = 4, 1  # measured: 2.2 at rest, 0.7 for each worker, 1.5 for a run
BUILD_GB, RUN_GB = 10, 2  # the image with what its build keeps; data and logs
MIN_COMPOSE, MIN_API, MIN_ENGINE = (2, 20), (1, 41), "20.10"
DATABASE = "postgres-data"
SOCKET, GID = "CONTENDER_DOCKER_SOCKET", "CONTENDER_DOCKER_GID"
SCHEDULER_MEMORY = "CONTENDER_SCHEDULER_MEMORY"
SCHEDULER_ALONE = "1g"  # with tasks on workers
PARALLELISM, TASKS_PER_DAG = "CONTENDER_PARALLELISM", "CONTENDER_TASKS_PER_DAG"
CONCURRENCY = "CONTENDER_WORKER_CONCURRENCY"
SLOTS, WORKER_SLOTS = 4, 2  # the compose file's own defaults
LOCAL = "unix://"

FreeBytes = Callable[[str], int]


class PortTaken(ContenderError):
    """The router's port belongs to another program."""


@dataclass(frozen=True)
class Ready:
    """A machine that can carry the stack.

    Attributes:
        engine: With everything in its environment that Compose needs.
        config: The compose file with every variable put in.
        secrets: What `.env` is to be given: all that belongs in it where there is none yet, else what it lacks.
        notes: What could not be checked, and what should be changed.
    """

    engine: Engine
    config: Mapping[str, Any]
    secrets: Mapping[str, str]
    notes: tuple[str, ...]


def free_bytes(path: str) -> int:
    """Free bytes of the file system that holds `path`; `OSError` where it cannot be seen."""
    return shutil.disk_usage(path).free


def preflight(engine: Engine, *, workers: int = 0, free: FreeBytes = free_bytes) -> Ready:
    """Check the machine, the settings and the data.

    Args:
        engine: As the shell names it, with what the command line asks for in its environment.
        workers: How many workers run the tasks; 0: the scheduler does.
        free: Free bytes of the file system that holds a path.

    Raises:
        EngineUnavailable: No command line, no compose plugin, or no engine that answers.
        MachineUnfit: Too old, no Linux, elsewhere, too little memory or disk, or files that no container can read.
        EnvFileInvalid: `.env` lacks a value or has one that cannot work.
        PortTaken: Another program has the router's port.
        DataMismatch: The volumes that are there do not fit.
        ComposeFailed: The compose file cannot be read.
    """
    _check_compose(engine)
    info = _check_engine(engine)
    _check_memory(info, workers)
    host = _must(engine.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}"))
    _check_local(host)
    values, secrets = _values(engine)
    engine = engine.with_env(**secrets)
    if workers and not values.get(SCHEDULER_MEMORY):
        engine = engine.with_env(**{SCHEDULER_MEMORY: SCHEDULER_ALONE})
    engine = engine.with_env(**slots(values, workers))
    engine, config = _with_socket(engine, info, host, values)
    check_readable(engine.folder, config)
    notes = [note for note in (_check_disk(engine, info, config, free), _check_port(engine, config)) if note]
    known = (engine.folder / env_file.NAME).exists()
    if known and env_file.readable_by_others(engine.folder):
        notes.append(f"other users can read {env_file.NAME}: chmod 600 {env_file.NAME}")
    check_checkout(engine)
    _check_data(engine, config, known=known)
    return Ready(engine, config, secrets, tuple(notes))


def slots(values: Mapping[str, str], workers: int) -> dict[str, str]:
    """How many tasks run at once, in all and of one DAG, where the settings do not say: all that the workers take.

    >>> slots({}, workers=4)
    {'CONTENDER_PARALLELISM': '8', 'CONTENDER_TASKS_PER_DAG': '7'}
    """
    in_all = _number(values.get(PARALLELISM), max(SLOTS, workers * _number(values.get(CONCURRENCY), WORKER_SLOTS)))
    wanted = {PARALLELISM: in_all, TASKS_PER_DAG: max(1, in_all - 1)}  # one model's trials leave another a slot
    return {name: str(number) for name, number in wanted.items() if not values.get(name)}


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() else otherwise  # what is no number is Airflow's to refuse


def _check_compose(engine: Engine) -> None:
    done = engine.docker("compose", "version", "--short")
    if done.code != 0:
        raise EngineUnavailable(
            "Docker has no compose plugin",
            where="docker compose",
            expected=f"version {_dotted(MIN_COMPOSE)} or newer",
            got=done.said.strip(),
            next_step="install it (Debian and Ubuntu: docker-compose-plugin)",
        )
    if _version(done.out) < MIN_COMPOSE:
        raise MachineUnfit(
            "Docker Compose is too old",
            where="docker compose version",
            expected=f"{_dotted(MIN_COMPOSE)} or newer",
            got=done.out.strip(),
            next_step="upgrade the compose plugin",
        )


def _check_engine(engine: Engine) -> dict[str, Any]:
    """What `docker info` says."""
    done = engine.docker("version", "--format", "{{json .Server}}")
    server = json.loads(done.out) if done.code == 0 and done.out.strip() else None
    if not server:
        denied = "permission denied" in done.err.lower()
        raise EngineUnavailable(
            "no Docker engine answers",
            where=f"DOCKER_HOST={engine.env['DOCKER_HOST']}" if engine.env.get("DOCKER_HOST") else "docker version",
            expected="an engine that this user may use",
            got=done.err.strip().splitlines()[-1] if done.err.strip() else "no answer",
            next_step="join its group: sudo usermod -aG docker $USER, then log in again"
            if denied
            else "start it (sudo systemctl start docker), or set DOCKER_HOST; `make demo` needs none",
        )
    if _version(str(server.get("ApiVersion", "0"))) < MIN_API:
        raise MachineUnfit(
            "the Docker engine is too old",
            where="docker version",
            expected=f"{MIN_ENGINE} (API {_dotted(MIN_API)}) or newer",
            got=f"{server.get('Version')} (API {server.get('ApiVersion')})",
            next_step="upgrade the engine",
        )
    if server.get("Os") != "linux":
        raise MachineUnfit(
            "the Docker engine runs no Linux containers",
            where="docker version",
            expected="linux",
            got=server.get("Os"),
            next_step="switch the engine to Linux containers",
        )
    return dict(json.loads(_must(engine.docker("info", "--format", "{{json .}}"))))


def _check_memory(info: Mapping[str, Any], workers: int) -> None:
    memory, needed = int(info.get("MemTotal") or 0), MEMORY_GB + workers * WORKER_GB
    if memory < needed * GB:
        raise MachineUnfit(
            "the Docker engine has too little memory",
            where="docker info",
            expected=f"{needed} GB" + (f": {MEMORY_GB}, and {WORKER_GB} for each worker" if workers else ""),
            got=f"{memory / GB:.1f} GB",
            next_step="give the engine's machine more memory, or "
            + ("say less WORKERS, or make up without a PROFILE" if workers else "use `make demo`, which needs less"),
        )


def _check_local(host: str) -> None:
    if not host.startswith(LOCAL):
        raise MachineUnfit(
            "the Docker engine is on another machine",
            where="docker context inspect",
            expected=f"{LOCAL}<path>: the stack mounts this checkout and the engine's socket",
            got=host,
            next_step="work in a checkout on the engine's own machine, or use the engine of this one: "
            "unset DOCKER_HOST; docker context use default",
        )


def _check_disk(engine: Engine, info: Mapping[str, Any], config: Mapping[str, Any], free: FreeBytes) -> str | None:
    root = str(info.get("DockerRootDir") or "")
    image = str(config["services"]["airflow-apiserver"]["image"])
    needed = RUN_GB if engine.docker("image", "inspect", image).code == 0 else BUILD_GB
    try:
        left = free(root)
    except OSError as error:
        unseen = f"the engine's folder {root} cannot be seen from here ({error.strerror})"
        return f"free disk was not checked ({needed} GB are needed): {unseen}"
    if left < needed * GB:
        raise MachineUnfit(
            "too little disk is free",
            where=root,
            expected=f"{needed} GB" + ("" if needed == RUN_GB else f" to build {image}"),
            got=f"{left / GB:.1f} GB",
            next_step="docker system df says what takes it; docker builder prune and docker image prune free some",
        )
    return None


def _check_port(engine: Engine, config: Mapping[str, Any]) -> str | None:
    """The port is free, or our own router has it."""
    published = config["services"]["router"]["ports"][0]
    address, port = str(published.get("host_ip") or "0.0.0.0"), int(published["published"])  # noqa: S104
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EACCES:  # the engine may bind it where we may not
                return f"port {port} was not checked: {error.strerror}"
            if error.errno == errno.EADDRINUSE and _is_ours(engine, port):
                return None
            taken = error.errno == errno.EADDRINUSE
            raise PortTaken(
                f"port {port} of {address} is taken" if taken else f"{address} is no address of this machine",
                where=env_file.PORT if taken else env_file.BIND,
                expected="a free port" if taken else "127.0.0.1, 0.0.0.0 or another of its own",
                got=error.strerror,
                next_step=f"end the program that has it, or write {env_file.PORT}=<another> into {env_file.NAME}, "
                f"or for this once: {env_file.PORT}=<another> make up"
                if taken
                else f"mend {env_file.BIND} in {env_file.NAME}",
            ) from error
    return None


def _is_ours(engine: Engine, port: int) -> bool:
    published = [
        one.get("PublishedPort")
        for container in engine.containers()
        if container["Service"] == "router"
        for one in container.get("Publishers") or ()
    ]
    return port in published


def _check_data(engine: Engine, config: Mapping[str, Any], *, known: bool) -> None:
    volume = str(config["volumes"][DATABASE]["name"])
    if engine.docker("volume", "inspect", volume).code != 0:
        return
    if not known:
        raise DataMismatch(
            f"there is a database, but no {env_file.NAME} with its passwords",
            where=f"volume {volume}",
            expected=f"the {env_file.NAME} that the volume was made with",
            next_step=f"bring {env_file.NAME} back; or delete the stack's data: make down VOLUMES=1",
        )
    image = str(config["services"]["postgres"]["image"])
    mount = f"{volume}:/data:ro"
    look = "cat /data/PG_VERSION || echo none; postgres --version"
    said = _must(
        engine.docker("run", "--rm", "--network=none", "--volume", mount, "--entrypoint=sh", image, "-c", look)
    )
    found, _, program = said.strip().partition("\n")
    major = ".".join(re.findall(r"\d+", program)[:1])
    if found not in {"none", major}:
        raise DataMismatch(
            "the database was made by another version of PostgreSQL",
            where=f"volume {volume}",
            expected=f"PostgreSQL {major}, as {image} has it",
            got=f"PostgreSQL {found}",
            next_step=f"write CONTENDER_POSTGRES_IMAGE=postgres:{found}-bookworm into {env_file.NAME}; how to move the "
            f"data on to {major}: docs/troubleshooting.md",
        )


def _values(engine: Engine) -> tuple[dict[str, str], dict[str, str]]:
    """The settings in force, and those of them that are new: a first start's secrets, or what an older file lacks."""
    written, shell = env_file.read(engine.folder), env_file.own(engine.env)
    new = env_file.fresh(engine.folder) if written is None else env_file.lacking(engine.folder, {**written, **shell})
    # The first start's secrets are ours: a variable left in the shell would be gone at the next start.
    values = {**(written or {}), **shell, **new}
    env_file.check(engine.folder, values)
    if values.get(env_file.EXECUTOR) == env_file.CELERY and engine.env.get("COMPOSE_PROFILES") != "celery":
        raise env_file.EnvFileInvalid(
            "there would be no worker",
            where=f"{env_file.EXECUTOR}={env_file.CELERY}",
            next_step=f"make up PROFILE=celery, which sets it; remove the line from {env_file.NAME}",
        )
    return values, new


def _with_socket(
    engine: Engine, info: Mapping[str, Any], host: str, values: Mapping[str, str]
) -> tuple[Engine, dict[str, Any]]:
    """The engine's socket and the group that may use it, for the one service that does; then the compose file."""
    if _in_a_machine_of_its_own(info):
        # Our end of the socket is no file over there; theirs is where Docker puts it, of the group 0.
        return engine, engine.config()
    if not values.get(SOCKET):
        engine = engine.with_env(**{SOCKET: host.removeprefix(LOCAL)})
    config = engine.config()
    mounts = config["services"]["engine-proxy"]["volumes"]
    path = next(str(one["source"]) for one in mounts if one["target"].endswith("docker.sock"))
    try:
        group = os.stat(path).st_gid
    except OSError as error:
        raise MachineUnfit(
            "the engine's socket is not where the stack looks for it",
            where=path,
            expected="the socket",
            got=error.strerror,
            next_step=f"write {SOCKET}=<its path> into {env_file.NAME}",
        ) from error
    # Without root, the engine shows our own groups to containers as the group 0.
    group = 0 if "name=rootless" in (info.get("SecurityOptions") or ()) else group
    return (engine if values.get(GID) else engine.with_env(**{GID: str(group)})), config


def _in_a_machine_of_its_own(info: Mapping[str, Any]) -> bool:
    """Docker Desktop, and any engine on a Mac (Colima): it runs in a virtual machine that shares folders with us."""
    return platform.system() != "Linux" or info.get("OperatingSystem") == "Docker Desktop"


def _must(done: Done) -> str:
    """What the engine said."""
    if done.code != 0:
        raise EngineUnavailable(
            "the Docker engine does not do what it is asked",
            got=f"\n{done.said}\n",
            next_step="mend what the last line names, then `make up` again",
        )
    return done.out.strip()


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
