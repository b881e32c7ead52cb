"""Served models of one platform: real servers, each on a port of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from contender.client.served import readiness
from contender.embedded import home as places
from contender.embedded import lifecycle, processes, served
from contender.embedded.champion import keep_up
from contender.embedded.lifecycle import Platform, StartFailed, take_down
from contender.embedded.ports import Ports, free_port

SERVER = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
    def log_message(self, *_): ...
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    first = free_port(21_000)
    ports = Ports(1, 2, serving=first, execution=3, worker_logs=4, trigger_logs=5, scheduler_health=6)
    places.remember(tmp_path, ports=ports.facts())
    yield Platform(tmp_path, ports, {}, "password")
    assert processes.end_survivors(tmp_path) == 0


def serve(platform: Platform, model: str, version: int = 1) -> str:
    def command(port: int) -> list[str]:
        return [sys.executable, "-c", SERVER, str(port), f"{model} {version}"]

    return keep_up(platform, model, f"{model} {version} digest", command, os.environ, lambda _: None)


def answer(url: str) -> str:
    return requests.get(url, timeout=5).text


def test_second_model_is_served_beside_the_first_which_answers_on(platform: Platform) -> None:
    first, second = serve(platform, "churn"), serve(platform, "prices")
    assert first == f"http://127.0.0.1:{platform.ports.serving}"
    assert (answer(first), answer(second)) == ("churn 1", "prices 1")
    assert served.models(platform.home) == ["churn", "prices"]
    assert serve(platform, "churn") == first


def test_next_version_of_a_model_takes_its_port_and_leaves_the_others(platform: Platform) -> None:
    first, second = serve(platform, "churn"), serve(platform, "prices")
    other = processes.recorded(platform.home)["serving-prices"]
    assert serve(platform, "churn", 2) == first
    assert (answer(first), answer(second)) == ("churn 2", "prices 1")
    assert processes.is_alive(other)


def test_model_keeps_its_port_over_a_stop_of_the_platform_that_ends_them_all(platform: Platform) -> None:
    first, second = serve(platform, "churn"), serve(platform, "prices")
    said = list[str]()
    assert take_down(platform.home, said.append) == 0
    assert said == ["Stopping serving-churn, serving-prices"]
    assert readiness(first).startswith("no answer")
    assert serve(platform, "prices") == second


def test_restart_of_the_platform_says_which_models_are_no_longer_served(platform: Platform) -> None:
    serve(platform, "churn")
    serve(platform, "prices")
    said = list[str]()
    lifecycle._clear_wreck(platform.home, said.append)
    assert said == ["No longer served: churn, prices; `make demo MODEL=<model>` serves one again"]
    assert served.models(platform.home) == []


def test_served_models_ports_begin_anew_where_the_platform_s_first_one_moved(platform: Platform) -> None:
    places.remember(platform.home, served={"churn": platform.ports.serving + 7})
    lifecycle._remember(platform)
    assert served.remembered(platform.home) == {"churn": platform.ports.serving + 7}
    places.remember(platform.home, ports=platform.ports.facts() | {"serving": 9})
    lifecycle._remember(platform)
    assert served.remembered(platform.home) == {}


def test_server_that_ends_at_once_is_told_with_the_end_of_its_own_log(platform: Platform) -> None:
    with pytest.raises(StartFailed, match="did not become ready") as raised:
        keep_up(platform, "churn", "n", lambda _: [sys.executable, "-c", "exit('no bundle')"], os.environ, print)
    assert "no bundle" in str(raised.value)
    assert "serving-churn.log" in str(raised.value)
