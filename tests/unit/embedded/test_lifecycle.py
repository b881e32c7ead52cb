"""Bringing the platform up beside other programs that answer on its ports."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from contender.embedded import home as places
from contender.embedded import lifecycle, processes
from contender.embedded.lifecycle import Platform, PortLost, StartFailed, once_more_if_port_lost
from contender.embedded.ports import HOST, Ports

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
LISTENING = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""
HEALTHY = {
    "status": "healthy",
    "latest_scheduler_heartbeat": "2100-01-01",
    "latest_dag_processor_heartbeat": "2100-01-01",
}
HEALTH = dict.fromkeys(("metadatabase", "scheduler", "dag_processor"), HEALTHY)


class Yes(BaseHTTPRequestHandler):
    """Says 200 to whatever is asked, as a neighbour's health probe does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def neighbour() -> Iterator[int]:
    """The port of another checkout's servers."""
    with HTTPServer((HOST, 0), Yes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert processes.end_survivors(tmp_path) == 0


def platform(home: Path, port: int) -> Platform:
    env = {"MLFLOW_TRACKING_URI": "sqlite://", "CONTENDER_MLFLOW_UI": f"http://{HOST}:{port}"}
    ports = Ports(port, port, serving=3, execution=port, worker_logs=4, trigger_logs=5, scheduler_health=6)
    return Platform(home, ports, env, "password")


def test_ready_neighbour_answers_on_our_ports_is_not_ours(home: Path, neighbour: int) -> None:
    for name in ("api-server", "execution-api", "mlflow"):
        processes.start(name, SLEEP, os.environ, home)
    assert lifecycle._ready(platform(home, neighbour), HEALTH, {}) == set()


def test_ready_our_process_listens_is_ours(home: Path) -> None:
    record = processes.start("api-server", [sys.executable, "-c", LISTENING], os.environ, home)
    log = processes.log_path(home, "api-server")
    deadline = time.monotonic() + 10
    while not log.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    port = int(log.read_text())
    assert processes.listens(record, port)
    assert not processes.listens(record, port + 1)
    ready = lifecycle._ready(platform(home, port), HEALTH, {})
    assert ready >= {"api-server", "scheduler", "dag-processor"}


def test_platform_that_runs_keeps_its_ports_even_one_that_nothing_listens_on(home: Path) -> None:
    ports = Ports(11, 12, 13, 14, 15, 16, 17)
    places.remember(home, ports=ports.facts(), served={"toy": 13})
    for name in (*lifecycle.AIRFLOW, "mlflow", "serving-toy"):
        processes.start(name, SLEEP, os.environ, home)
    assert lifecycle._platform(home, free=lambda _: False).ports == ports


def test_check_started_server_ended_and_its_port_is_taken_is_a_lost_port(home: Path, neighbour: int) -> None:
    record = processes.start("mlflow", SLEEP, os.environ, home)
    processes._kill_session(record.pid)
    os.waitpid(record.pid, 0)
    with pytest.raises(PortLost, match=f"another program took port {neighbour} before mlflow had it"):
        lifecycle._check_started(platform(home, neighbour), ["mlflow"])


def test_check_started_server_ended_of_itself_is_no_lost_port(home: Path) -> None:
    record = processes.start("mlflow", SLEEP, os.environ, home)
    processes._kill_session(record.pid)
    os.waitpid(record.pid, 0)
    with pytest.raises(StartFailed, match="mlflow ended") as raised:
        lifecycle._check_started(platform(home, 1), ["mlflow"])
    assert not isinstance(raised.value, PortLost)


def test_once_more_if_port_lost_starts_twice_at_most(home: Path) -> None:
    up, said = platform(home, 1), list[str]()
    outcomes: list[Platform | PortLost] = [PortLost("port 1 was taken"), up, PortLost("a"), PortLost("b")]

    def start() -> Platform:
        outcome = outcomes.pop(0)
        if isinstance(outcome, PortLost):
            raise outcome
        return outcome

    assert once_more_if_port_lost(start, said.append) is up
    assert said == ["Choosing another port: port 1 was taken"]
    with pytest.raises(PortLost, match="b"):
        once_more_if_port_lost(start, said.append)
