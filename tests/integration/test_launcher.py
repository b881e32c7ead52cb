"""The stack's launcher on a real engine, with a compose file of the stack's names and next to nothing in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import docker
import pytest

from contender.core.settings import CHECKOUT
from contender.stack import env_file, health, lifecycle, tools
from contender.stack.checkout import DataMismatch
from contender.stack.demo import demo
from contender.stack.engine import Engine, execute
from contender.stack.health import ServiceFailed
from contender.stack.lifecycle import Wanted
from contender.stack.preflight import preflight

pytestmark = [pytest.mark.slow, pytest.mark.engine]

BASE, POSTGRES = "python:3.11-slim-bookworm", "postgres:15-bookworm"
SERVICES = """
x-service: &service
  image: {base}
  init: true
  command: [sleep, "600"]
  networks: [models]
  stop_grace_period: 1s
services:
  postgres:
    <<: *service
    image: {postgres}
    volumes: [postgres-data:/data]
    environment: {{SECRET: "${{CONTENDER_POSTGRES_PASSWORD:?run make up}}"}}
    healthcheck: {{test: [CMD-SHELL, "{healthy}"], interval: 1s, retries: 2}}
  airflow-init:
    <<: *service
    command: [sh, -c, "{init}"]
    restart: "no"
    depends_on: {{postgres: {{condition: service_healthy}}}}
  airflow-apiserver:
    <<: *service
    command: [sh, -c, "{apiserver}"]
    depends_on: {{airflow-init: {{condition: service_completed_successfully}}}}
    environment:
      AIRFLOW__API__BASE_URL: http://127.0.0.1:{port}
      EXECUTOR: "${{CONTENDER_EXECUTOR:-LocalExecutor}}"
      PYTHONPATH: /plugins
    volumes: ["./plugins:/plugins:ro"]
    healthcheck: {{test: [CMD, "true"], interval: 1s}}
  engine-proxy:
    <<: [{{{proxy}}}, *service]
    volumes: ["${{CONTENDER_DOCKER_SOCKET:-/var/run/docker.sock}}:/var/run/docker.sock"]
    environment: {{GID: "${{CONTENDER_DOCKER_GID:-none}}"}}
  airflow-scheduler:
    <<: *service
    environment: {{PYTHONPATH: /plugins}}
    volumes: ["./plugins:/plugins:ro", "./airflow:/usr/local/bin/airflow:ro"]
  router: {{<<: *service, ports: ["127.0.0.1:{port}:8080"]}}
  airflow-worker: {{<<: *service, profiles: [celery]}}
networks: {{models: {{name: {name}-models}}}}
volumes: {{postgres-data: {{}}}}
"""
# Stands where `contender.stack.inside` stands, and tells what it was started with.
INSIDE = """
import os, sys
print(sys.argv[1:], os.environ["CONTENDER_ADMIN_USER"], len(os.environ["CONTENDER_ADMIN_PASSWORD"]), flush=True)
if "wait" in sys.argv:
    sys.stdin.read()
    open("/tmp/ended", "w").close()
sys.exit(7)
"""
DEMO = "import sys; from tests.integration.test_launcher import run_demo; run_demo(*sys.argv[1:])"
WELL = {"healthy": "true", "init": "true", "apiserver": "sleep 600", "proxy": ""}


def run_demo(folder: str, name: str, model: str) -> None:
    """A process that is `make demo STACK=compose`, on the checkout of a test."""
    try:
        sys.exit(demo(Engine(Path(folder), dict(os.environ), execute, name), model, "2013-06"))
    except KeyboardInterrupt:
        sys.exit(130)


class Checkout:
    """A checkout with a stack of its own, on a port of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.name, self.port, self.folder = f"contender-test-{uuid4().hex[:8]}", port, folder
        (folder / env_file.EXAMPLE).write_bytes((CHECKOUT / env_file.EXAMPLE).read_bytes())
        inside = folder / "plugins" / "contender" / "stack"
        inside.mkdir(parents=True)
        (inside / "inside.py").write_text(INSIDE)
        core = folder / "plugins" / "contender" / "core"
        core.mkdir()
        (core / "decisions.py").write_text('print("the logs were checked"); raise SystemExit(6)')
        (folder / "airflow").write_text('#!/bin/sh\necho airflow "$@"\nexit 5\n')
        (folder / "airflow").chmod(0o755)
        self.said: list[str] = []
        self.write()

    def write(self, **changed: str) -> None:
        text = SERVICES.format(base=BASE, postgres=POSTGRES, name=self.name, port=self.port, **{**WELL, **changed})
        (self.folder / "docker-compose.yml").write_text(text)

    @property
    def engine(self) -> Engine:
        return self.engine_of(self.folder)

    def engine_of(self, folder: Path) -> Engine:
        """The same stack's name, in any folder."""
        return Engine(folder, {**os.environ, "CONTENDER_STACK": self.name}, execute, self.name)

    def up(self, wanted: Wanted | None = None) -> list[str]:
        self.said.clear()
        lifecycle.up(self.engine, wanted or Wanted(), self.said.append)
        return self.said

    def down(self, *, volumes: bool = False) -> list[str]:
        self.said.clear()
        lifecycle.down(self.engine, self.said.append, volumes=volumes, confirmed=True, ask=None)
        return self.said

    def states(self) -> dict[str, str]:
        celery = self.engine.with_env(COMPOSE_PROFILES="celery", CONTENDER_POSTGRES_PASSWORD="any")
        return {row["Name"].removeprefix(f"{self.name}-"): row["State"] for row in celery.containers()}


@pytest.fixture
def checkout(client: docker.DockerClient, tmp_path: Path) -> Iterator[Checkout]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Checkout(tmp_path, port)
    yield made
    made.write()
    made.down(volumes=True)
    assert client.volumes.list(filters={"name": made.name}) == []
    assert client.networks.list(names=[made.name]) == []


def test_up_first_start_tells_each_service_writes_the_env_file_and_shows_the_password_once(checkout: Checkout) -> None:
    checkout.write(init="sleep 3")  # longer than from one look to the next
    said = checkout.up()
    told = [line.split()[:2] for line in said if " after " in line]
    assert ["airflow-init", "done"] in told
    assert ["router", "healthy"] in told
    assert told.index(["postgres", "healthy"]) < told.index(["airflow-init", "done"])
    path = checkout.folder / env_file.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    values = env_file.read(checkout.folder) or {}
    assert values[env_file.PASSWORD] in said[-1]
    written = path.read_bytes()
    again = checkout.up()
    assert path.read_bytes() == written
    assert not any(value in line for value in values.values() if value != "admin" for line in again)


def test_up_after_down_starts_the_models_served_before(checkout: Checkout, client: docker.DockerClient) -> None:
    checkout.up()
    model = client.containers.run(
        BASE, ["sleep", "600"], detach=True, init=True, name=f"{checkout.name}-flight_delay",
        network=f"{checkout.name}-models", labels={"contender.purpose": "served"},
    )  # fmt: skip
    assert checkout.down()[0] == f"Stopping 5 services and {model.name}"
    model.reload()
    assert model.status == "exited"
    assert set(checkout.states().values()) == {"exited"}
    assert any(model.name in line for line in checkout.up())
    model.reload()
    assert model.status == "running"
    checkout.down(volumes=True)
    assert checkout.states() == {}
    assert client.containers.list(all=True, filters={"name": model.name}) == []


@pytest.mark.parametrize("volumes", [False, True], ids=["stop", "delete"])
def test_down_from_another_checkout_touches_nothing_and_what_it_advises_works(
    checkout: Checkout, tmp_path_factory: pytest.TempPathFactory, volumes: bool
) -> None:
    checkout.up()
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(checkout.folder, other, dirs_exist_ok=True)
    with pytest.raises(DataMismatch, match="another checkout"):
        lifecycle.down(checkout.engine_of(other), print, volumes=volumes, confirmed=True, ask=None)
    assert checkout.states()["router-1"] == "running"
    kept = checkout.folder.rename(checkout.folder.with_name("moved"))
    try:
        with pytest.raises(DataMismatch, match="which is gone") as raised:
            preflight(checkout.engine_of(other))
        advised = re.search(r"\((cd / .*)\)", raised.value.next_step)
        assert advised is not None
        subprocess.run(["sh", "-c", advised[1]], check=True, capture_output=True)
        preflight(checkout.engine_of(other))
    finally:
        kept.rename(checkout.folder)


@pytest.mark.parametrize(
    ("fault", "service", "told"),
    [
        pytest.param({"healthy": "false"}, "postgres", "unhealthy", id="unhealthy"),
        pytest.param({"init": "echo no migration; exit 3"}, "airflow-init", "code 3; its log ends:\n  | no", id="init"),
        pytest.param({"proxy": "restart: always, command: [sh, -c, exit 5]"}, "engine-proxy", "restarting", id="loops"),
        pytest.param({"apiserver": "echo port in use; exit 4"}, "airflow-apiserver", "exit code 4", id="exits"),
    ],
)  # fmt: skip
def test_up_service_that_fails_is_named_with_its_log_and_all_is_stopped_again(
    checkout: Checkout, fault: dict[str, str], service: str, told: str
) -> None:
    checkout.write(**fault)
    with pytest.raises(ServiceFailed, match=f"{service} is not well") as raised:
        checkout.up()
    assert told in str(raised.value)
    assert "running" not in checkout.states().values()
    checkout.write()
    checkout.up()


def test_up_service_that_is_never_well_is_named_after_the_time_out(checkout: Checkout) -> None:
    checkout.write(healthy="sleep 20")
    ready = preflight(checkout.engine)
    with pytest.raises(ServiceFailed, match="postgres is not well after 2 s"):
        health.start_and_wait(ready.engine, ready.config, [], checkout.said.append, patience=2)


def test_up_running_stack_that_fails_later_is_left_running(checkout: Checkout) -> None:
    checkout.up()
    checkout.write(apiserver="exit 4")
    with pytest.raises(ServiceFailed, match="airflow-apiserver"):
        checkout.up()
    assert checkout.states()["router-1"] == "running"


def test_up_without_the_profile_stops_the_workers_of_the_one_before(
    checkout: Checkout, client: docker.DockerClient
) -> None:
    checkout.up(Wanted("celery", 2))
    assert {"airflow-worker-1", "airflow-worker-2"} <= set(checkout.states())
    variables = client.containers.get(f"{checkout.name}-airflow-apiserver-1").attrs["Config"]["Env"]
    assert "EXECUTOR=CeleryExecutor" in variables
    checkout.up()
    assert not {"airflow-worker-1", "airflow-worker-2"} & set(checkout.states())


def test_preflight_volume_of_another_postgresql_is_refused(checkout: Checkout, client: docker.DockerClient) -> None:
    labels = {"com.docker.compose.project": checkout.name, "com.docker.compose.volume": "postgres-data"}
    volume = client.volumes.create(f"{checkout.name}_postgres-data", labels=labels)
    env_file.write(checkout.folder, env_file.fresh(checkout.folder))
    mounted = {volume.name: {"bind": "/data", "mode": "rw"}}
    client.containers.run(BASE, ["sh", "-c", "echo 13 >/data/PG_VERSION"], volumes=mounted, remove=True)
    with pytest.raises(DataMismatch, match="got: PostgreSQL 13"):
        preflight(checkout.engine)
    client.containers.run(BASE, ["sh", "-c", "echo 15 >/data/PG_VERSION"], volumes=mounted, remove=True)
    preflight(checkout.engine)


def test_up_interrupted_leaves_no_compose_behind_and_the_next_one_goes_on(checkout: Checkout) -> None:
    ready = preflight(checkout.engine)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        health.start_and_wait(ready.engine, ready.config, [], interrupt)
    assert subprocess.run(["pgrep", "-P", str(os.getpid()), "docker"], check=False).returncode == 1
    env_file.write(checkout.folder, ready.secrets)
    checkout.up()


def test_airflow_and_decisions_run_in_the_scheduler_and_pass_words_and_exit_code_on(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    env_file.write(checkout.folder, env_file.fresh(checkout.folder))
    with pytest.raises(ServiceFailed, match="airflow-scheduler; expected: running; got: no container"):
        tools.airflow(checkout.engine, ["dags", "list"])
    checkout.up()
    assert tools.airflow(checkout.engine, ["dags", "trigger", "--conf", '{"interval": "2013-06"}']) == 5
    assert capfd.readouterr().out.endswith('airflow dags trigger --conf {"interval": "2013-06"}\n')
    assert tools.verify_decisions(checkout.engine) == 6
    assert capfd.readouterr().out.endswith("the logs were checked\n")


def test_demo_in_the_stack_passes_login_words_and_exit_code_and_ends_with_its_caller(checkout: Checkout) -> None:
    env_file.write(checkout.folder, env_file.fresh(checkout.folder))
    with pytest.raises(ServiceFailed, match="the stack is not up"):
        demo(checkout.engine, "toy", "2013-06")
    checkout.up()
    call = [sys.executable, "-c", DEMO, str(checkout.folder), checkout.name]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([*call, "toy"], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "['--model', 'toy', '--interval', '2013-06'] admin 20\n")
    with subprocess.Popen([*call, "wait"], env=env, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert "wait" in waiting.stdout.readline()
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 130
    deadline = time.monotonic() + 10
    while checkout.engine.docker("exec", f"{checkout.name}-airflow-apiserver-1", "test", "-e", "/tmp/ended").code != 0:
        assert time.monotonic() < deadline, "the process inside outlived its caller"
        time.sleep(0.2)
