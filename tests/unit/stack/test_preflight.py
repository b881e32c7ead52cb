"""Whatever is missing is said before anything is built, written or started."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contender.core.errors import ContenderError, EngineUnavailable
from contender.core.settings import CHECKOUT
from contender.stack import env_file
from contender.stack.checkout import DataMismatch, MachineUnfit
from contender.stack.engine import Done, Engine, execute
from contender.stack.env_file import EnvFileInvalid
from contender.stack.preflight import PortTaken, preflight
from tests.unit.stack.machine import Machine

PLENTY = 100 * 10**9


def plenty(_: str) -> int:
    return PLENTY


def refused(machine: Machine, kind: type[ContenderError], match: str, *, free: Callable[[str], int] = plenty) -> str:
    """The refusal's text; nothing on the machine has changed."""
    before = machine.files()
    with pytest.raises(kind, match=match) as raised:
        preflight(machine.engine(), free=free)
    assert machine.files() == before
    assert not any(machine.did("compose", word) for word in ("build", "up", "pull", "start"))
    assert raised.value.next_step
    return str(raised.value)


def test_preflight_machine_that_can_carry_the_stack_is_ready(machine: Machine) -> None:
    ready = preflight(machine.engine(), free=plenty)
    assert set(ready.secrets) == set(env_file.required(machine.folder))
    assert ready.engine.env["CONTENDER_DOCKER_GID"] == str(machine.socket.stat().st_gid)
    assert ready.notes == ()
    assert not (machine.folder / env_file.NAME).exists()


def test_preflight_no_docker_command_says_so(machine: Machine, tmp_path: Path) -> None:
    engine = Engine(machine.folder, {"PATH": str(tmp_path)}, execute)
    with pytest.raises(EngineUnavailable, match="no `docker` command"):
        preflight(engine)


def test_preflight_no_compose_plugin_says_so(machine: Machine) -> None:
    machine.answers["compose", "version"] = Done(1, "", "docker: 'compose' is not a docker command.")
    refused(machine, EngineUnavailable, "no compose plugin")


@pytest.mark.parametrize("version", ["v2.19.1", "1.29.2"])
def test_preflight_compose_too_old_is_refused(machine: Machine, version: str) -> None:
    machine.answers["compose", "version"] = Done(0, version)
    assert "2.20 or newer" in refused(machine, MachineUnfit, "Compose is too old")


def test_preflight_no_engine_answers_says_what_docker_said(machine: Machine) -> None:
    dead = "Cannot connect to the Docker daemon at unix:///gone.sock. Is the docker daemon running?"
    machine.answers["version",] = Done(1, "null\n", dead)
    assert dead in refused(machine, EngineUnavailable, "no Docker engine answers")


def test_preflight_engine_that_denies_us_names_the_group(machine: Machine) -> None:
    machine.answers["version",] = Done(1, "", "permission denied while trying to connect")
    assert "usermod -aG docker" in refused(machine, EngineUnavailable, "no Docker engine answers")


def test_preflight_engine_too_old_is_refused(machine: Machine) -> None:
    machine.server(ApiVersion="1.40", Version="19.03.15")
    assert "19.03.15 (API 1.40)" in refused(machine, MachineUnfit, "engine is too old")


def test_preflight_engine_of_windows_containers_is_refused(machine: Machine) -> None:
    machine.server(Os="windows")
    refused(machine, MachineUnfit, "runs no Linux containers")


def test_preflight_too_little_memory_is_refused(machine: Machine) -> None:
    machine.info(MemTotal=3.9e9)
    assert "expected: 4 GB; got: 3.9 GB" in refused(machine, MachineUnfit, "too little memory")


def test_preflight_workers_need_memory_and_leave_the_scheduler_less(machine: Machine) -> None:
    machine.info(MemTotal=6 * 10**9)
    ready = preflight(machine.engine(), workers=2, free=plenty)
    assert ready.engine.env["CONTENDER_SCHEDULER_MEMORY"] == "1g"
    assert "CONTENDER_SCHEDULER_MEMORY" not in preflight(machine.engine(), free=plenty).engine.env
    ready = preflight(machine.engine(CONTENDER_SCHEDULER_MEMORY="2g"), workers=2, free=plenty)
    assert ready.engine.env["CONTENDER_SCHEDULER_MEMORY"] == "2g"
    with pytest.raises(MachineUnfit, match=r"expected: 7 GB: 4, and 1 for each worker; got: 6\.0 GB"):
        preflight(machine.engine(), workers=3, free=plenty)


@pytest.mark.parametrize(
    ("settings", "workers", "expected"),
    [
        pytest.param({}, 0, ("4", "3"), id="no-workers"),
        pytest.param({}, 1, ("4", "3"), id="one-worker"),
        pytest.param({}, 5, ("10", "9"), id="many-workers"),
        pytest.param({"CONTENDER_WORKER_CONCURRENCY": "6"}, 2, ("12", "11"), id="large-workers"),
        pytest.param({"CONTENDER_PARALLELISM": "16"}, 2, ("16", "15"), id="in-all-is-set"),
        pytest.param({"CONTENDER_TASKS_PER_DAG": "2"}, 5, ("10", "2"), id="of-one-dag-is-set"),
        pytest.param({"CONTENDER_PARALLELISM": "1"}, 0, ("1", "1"), id="one-slot"),
    ],
)
def test_preflight_slots_are_what_the_workers_take_unless_the_settings_say(
    machine: Machine, settings: dict[str, str], workers: int, expected: tuple[str, str]
) -> None:
    machine.info(MemTotal=64 * 10**9)
    env = preflight(machine.engine(**settings), workers=workers, free=plenty).engine.env
    assert (env["CONTENDER_PARALLELISM"], env["CONTENDER_TASKS_PER_DAG"]) == expected


@pytest.mark.parametrize(("image", "left", "needed"), [(1, 9, "10 GB to build"), (0, 1, "2 GB")])
def test_preflight_too_little_disk_is_refused(machine: Machine, image: int, left: int, needed: str) -> None:
    machine.answers["image", "inspect"] = Done(image, "[]")
    said = refused(machine, MachineUnfit, "too little disk", free=lambda _: left * 10**9)
    assert f"where: /var/lib/docker; expected: {needed}" in said


def test_preflight_disk_that_cannot_be_seen_is_a_note(machine: Machine) -> None:
    def hidden(path: str) -> int:
        raise FileNotFoundError(2, "No such file or directory", path)

    (note,) = preflight(machine.engine(), free=hidden).notes
    assert note.startswith("free disk was not checked (10 GB are needed): the engine's folder /var/lib/docker")


@pytest.mark.parametrize("host", ["ssh://builder", "tcp://127.0.0.1:2375"])
def test_preflight_engine_elsewhere_is_refused(machine: Machine, host: str) -> None:
    machine.answers["context", "inspect"] = Done(0, f"{host}\n")
    assert f"got: {host}" in refused(machine, MachineUnfit, "engine is on another machine")


def test_preflight_rootless_engine_is_mounted_by_its_own_socket_as_group_0(machine: Machine, tmp_path: Path) -> None:
    rootless = tmp_path / "rootless.sock"
    rootless.touch()
    machine.answers["context", "inspect"] = Done(0, f"unix://{rootless}\n")
    machine.info(SecurityOptions=["name=seccomp,profile=default", "name=rootless"])
    env = preflight(machine.engine(), free=plenty).engine.env
    assert (env["CONTENDER_DOCKER_SOCKET"], env["CONTENDER_DOCKER_GID"]) == (str(rootless), "0")


def test_preflight_socket_and_group_of_the_user_are_left_alone(machine: Machine, tmp_path: Path) -> None:
    mine = tmp_path / "mine.sock"
    mine.touch()
    own = {"CONTENDER_DOCKER_SOCKET": str(mine), "CONTENDER_DOCKER_GID": "77"}
    env = preflight(machine.engine(**own), free=plenty).engine.env
    assert own.items() <= env.items()


def test_preflight_engine_in_a_virtual_machine_keeps_the_socket_that_it_has_there(machine: Machine) -> None:
    machine.info(OperatingSystem="Docker Desktop")
    machine.socket.unlink()
    env = preflight(machine.engine(), free=plenty).engine.env
    assert not {"CONTENDER_DOCKER_SOCKET", "CONTENDER_DOCKER_GID"} & set(env)


def test_preflight_files_that_containers_cannot_read_are_named(machine: Machine) -> None:
    folder, mounted = machine.folder, machine.config["services"]["mlflow"].setdefault("volumes", [])
    for name, mode in {".git": 0o700, "da gs": 0o700, "start.sh": 0o600, "open": 0o755}.items():
        (folder / name).touch() if name.endswith(".sh") else (folder / name).mkdir()
        (folder / name).chmod(mode)
        mounted.append({"type": "bind", "source": str(folder / name), "target": f"/{name}"})
    mounted.append({"type": "volume", "source": "home", "target": "/home"})
    with pytest.raises(MachineUnfit, match="cannot read files") as raised:
        preflight(machine.engine(), free=plenty)
    assert raised.value.next_step == "chmod -R go+rX 'da gs' start.sh"
    subprocess.run(["sh", "-c", raised.value.next_step], cwd=folder, check=True)
    preflight(machine.engine(), free=plenty)


@pytest.fixture
def taken(machine: Machine) -> Iterator[int]:
    """The router's port, with another program listening on it."""
    port = int(machine.config["services"]["router"]["ports"][0]["published"])
    with socket.create_server(("127.0.0.1", port)):
        yield port


def test_preflight_port_taken_by_another_program_is_refused(machine: Machine, taken: int) -> None:
    assert "CONTENDER_PORT=<another>" in refused(machine, PortTaken, f"port {taken} of 127.0.0.1 is taken")


def test_preflight_port_taken_by_our_own_router_is_fine(machine: Machine, taken: int) -> None:
    router = {"Service": "router", "State": "running", "Publishers": [{"PublishedPort": taken}]}
    machine.answers["compose", "ps"] = Done(0, json.dumps(router))
    preflight(machine.engine(), free=plenty)


def test_preflight_address_of_another_machine_is_refused(machine: Machine) -> None:
    machine.config["services"]["router"]["ports"][0]["host_ip"] = "203.0.113.1"
    refused(machine, PortTaken, r"203\.0\.113\.1 is no address of this machine")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        pytest.param(
            {"CONTENDER_POSTGRES_PASSWORD": None}, "CONTENDER_POSTGRES_PASSWORD is missing: add the line", id="gone"
        ),
        pytest.param({"CONTENDER_JWT_SECRET": ""}, "CONTENDER_JWT_SECRET is empty", id="empty"),
        pytest.param({"CONTENDER_AIRFLOW_DB_PASSWORD": "a@b"}, "AIRFLOW_DB_PASSWORD has a character", id="url"),
        pytest.param({"CONTENDER_MLFLOW_DB_PASSWORD": "$HOME"}, "MLFLOW_DB_PASSWORD has a character", id="dollar"),
        pytest.param({"CONTENDER_FERNET_KEY": "short"}, "CONTENDER_FERNET_KEY is no Fernet key", id="fernet"),
        pytest.param({"CONTENDER_PORT": "eighty"}, "CONTENDER_PORT is no port", id="port"),
        pytest.param({"CONTENDER_PORT": "70000"}, "CONTENDER_PORT is no port", id="large-port"),
        pytest.param({"CONTENDER_BIND": "localhost"}, "CONTENDER_BIND is no IPv4 address", id="bind"),
        pytest.param({"CONTENDER_STACK": "My Stack"}, "CONTENDER_STACK is no name", id="stack"),
        pytest.param({"CONTENDER_EXECUTOR": "CeleryExecutor"}, "there would be no worker", id="no-worker"),
    ],
)
def test_preflight_env_file_at_fault_is_named_and_not_touched(
    machine: Machine, changed: dict[str, str | None], problem: str
) -> None:
    machine.write_env(**changed)
    said = refused(machine, EnvFileInvalid, problem)
    assert not any(value and value in said for value in changed.values() if value not in {"eighty", "CeleryExecutor"})


@pytest.mark.parametrize("name", sorted(env_file.OF_THE_DATA))
def test_preflight_value_that_the_data_were_made_with_is_never_made_up(machine: Machine, name: str) -> None:
    machine.write_env(**{name: None})
    refused(machine, EnvFileInvalid, f"{name} is missing: add the line")


def test_preflight_secret_that_the_shell_has_is_not_made_up(machine: Machine) -> None:
    machine.write_env(CONTENDER_PREDICTIONS_DB_PASSWORD=None)
    ready = preflight(machine.engine(CONTENDER_PREDICTIONS_DB_PASSWORD="mine"), free=plenty)
    assert ready.secrets == {}


def test_preflight_variable_of_the_shell_goes_before_the_file(machine: Machine) -> None:
    machine.write_env()
    with pytest.raises(EnvFileInvalid, match="CONTENDER_REDIS_PASSWORD is empty"):
        preflight(machine.engine(CONTENDER_REDIS_PASSWORD=""), free=plenty)


def test_preflight_env_file_others_can_read_is_a_note(machine: Machine) -> None:
    machine.write_env()
    (machine.folder / env_file.NAME).chmod(0o644)
    assert preflight(machine.engine(), free=plenty).notes == ("other users can read .env: chmod 600 .env",)


def test_preflight_no_socket_where_the_proxy_looks_is_refused(machine: Machine) -> None:
    machine.socket.unlink()
    assert "CONTENDER_DOCKER_SOCKET=<its path>" in refused(machine, MachineUnfit, "socket is not where")


def test_preflight_database_of_another_version_is_refused(machine: Machine) -> None:
    machine.write_env()
    machine.answers["volume", "inspect"] = Done(0, "[]")
    machine.answers["run", "--rm"] = Done(0, "13\npostgres (PostgreSQL) 15.18\n")
    said = refused(machine, DataMismatch, "another version of PostgreSQL")
    assert "expected: PostgreSQL 15, as postgres:15-bookworm has it; got: PostgreSQL 13" in said
    assert "CONTENDER_POSTGRES_IMAGE=postgres:13-bookworm" in said


@pytest.mark.parametrize("found", ["15", "none"])
def test_preflight_database_of_this_version_or_empty_is_fine(machine: Machine, found: str) -> None:
    machine.write_env()
    machine.answers["volume", "inspect"] = Done(0, "[]")
    machine.answers["run", "--rm"] = Done(0, f"{found}\npostgres (PostgreSQL) 15.18\n")
    preflight(machine.engine(), free=plenty)


def test_preflight_database_without_its_env_file_is_refused(machine: Machine) -> None:
    machine.answers["volume", "inspect"] = Done(0, "[]")
    refused(machine, DataMismatch, r"a database, but no \.env with its passwords")


def test_preflight_stack_of_another_checkout_is_refused(machine: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    machine.answers["ps", "--all"] = Done(0, f"{other}\n{other}\n")
    said = refused(machine, DataMismatch, "another checkout")
    assert f"got: {other};" in said
    assert "CONTENDER_STACK=<name>" in said


def test_preflight_stack_of_a_checkout_that_is_gone_advises_to_delete_no_data(machine: Machine) -> None:
    machine.answers["ps", "--all"] = Done(0, "/srv/gone\n")
    said = refused(machine, DataMismatch, "/srv/gone, which is gone")
    assert "docker compose --project-name contender down" in said
    assert "VOLUMES" not in said


def test_up_real_docker_at_a_dead_socket_exits_1_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("shutil").which("docker") or pytest.skip("no docker command on this machine")
    env = {
        **os.environ, "DOCKER_HOST": f"unix://{tmp_path}/gone.sock", "CONTENDER_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(CHECKOUT / "plugins"),
    }  # fmt: skip
    before = (CHECKOUT / env_file.NAME).exists()
    # Without site-packages: a bare interpreter is enough.
    call = [sys.executable, "-S", "-m", "contender.stack", "up"]
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "EngineUnavailable: no Docker engine answers; where: DOCKER_HOST=unix://" in done.stderr
    assert (CHECKOUT / env_file.NAME).exists() == before
