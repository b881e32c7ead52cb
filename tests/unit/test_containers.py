from __future__ import annotations

import http.server
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from contender.adapters.containers import Engine, reach
from contender.adapters.served_answers import Served
from contender.core.archive import archive_of
from contender.core.errors import EngineUnavailable, ImageFailed
from contender.stages import image


def test_archive_of_same_files_give_the_same_bytes() -> None:
    assert archive_of({"b/c": b"2", "a": b"1"}) == archive_of({"a": b"1", "b/c": b"2"})


def test_archive_of_holds_the_files_readable_by_all_and_timeless() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive_of({"b/c": b"22", "a": b"1"}))) as archive:
        found = {entry.name: (entry.size, entry.mode, entry.mtime, entry.uid) for entry in archive}
    assert found == {"a": (1, 0o644, 0, 0), "b/c": (2, 0o644, 0, 0)}


def test_engine_connect_nobody_listens_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(EngineUnavailable, match="no Docker engine answers; where: DOCKER_HOST"):
            Engine.connect()


def test_engine_connect_silent_engine_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(EngineUnavailable, match=r"within 1 s.*timed out"):
            Engine.connect(within_s=1)


def test_engine_connect_malformed_host_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nowhere")
    with pytest.raises(EngineUnavailable, match="DOCKER_HOST"):
        Engine.connect()


def test_reach_takes_proxies_and_indexes_that_are_set_and_nothing_else() -> None:
    env = {
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "intranet",
        "PIP_INDEX_URL": "https://mirror/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_CERT": "/etc/ssl/ca.pem",
        "PATH": "/bin",
    }
    assert reach(env) == {name: env[name] for name in ("HTTPS_PROXY", "no_proxy", "PIP_INDEX_URL")}


class Recorder:
    """As much of the SDK's client as a build uses; remembers what it was asked to build and the tag it set."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.tagged = ""
        self.api = self
        self.images = SimpleNamespace(get=lambda tag: SimpleNamespace(id="sha256:1", attrs={"Size": 1}))

    def build(self, **asked: Any) -> list[dict[str, Any]]:
        self.asked = asked
        return [{"aux": {"ID": "sha256:1"}}]

    def tag(self, _: str, repository: str, version: str) -> None:
        self.tagged = f"{repository}:{version}"


def test_build_with_a_reach_has_its_arguments_and_the_same_tag() -> None:
    plan, client = image.runtime("mirror/python:3.11"), Recorder()
    Engine(client).build(plan, reach={"PIP_INDEX_URL": "https://mirror/simple"})
    assert client.asked["buildargs"] == {"BASE": "mirror/python:3.11", "PIP_INDEX_URL": "https://mirror/simple"}
    assert client.tagged == plan.tag == image.runtime("mirror/python:3.11").tag


STATS = {
    "version 1": ({"usage": 70_000_000, "stats": {"inactive_file": 1, "total_inactive_file": 24_000_000}}, 46.0),
    "version 2": ({"usage": 70_000_000, "stats": {"inactive_file": 24_000_000}}, 46.0),
    "more cache than use": ({"usage": 5_000_000, "stats": {"inactive_file": 24_000_000}}, 5.0),
    "no accounting": ({}, None),
}


@pytest.mark.parametrize(("memory", "expected"), STATS.values(), ids=STATS.keys())
def test_memory_is_what_docker_stats_says(memory: dict[str, Any], expected: float | None) -> None:
    container = SimpleNamespace(id="a1", stats=lambda **_: {"memory_stats": memory})
    assert Served(url="", container=container).memory_mb() == expected


def test_memory_of_an_engine_that_went_away_says_so() -> None:
    def away(**_: Any) -> None:
        raise ConnectionError("away")

    with pytest.raises(EngineUnavailable, match="went away while asking what a1 takes"):
        Served(url="", container=SimpleNamespace(id="a1", stats=away)).memory_mb()


class Model(http.server.BaseHTTPRequestHandler):
    """Answers with the status of its path; remembers what it was asked on which connection."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[Any, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.client_address, body["instances"]))
        refused = body["instances"][0] is None
        self.send_response(422 if refused else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"no" if refused else b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def model() -> Iterator[str]:
    Model.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_latencies_are_of_rows_in_turn_on_one_connection(model: str) -> None:
    rounds = Served(url=model, container=None).latencies_ms([{"a": 1}, {"a": 2}], warm_up=1, rounds=2, of=3)
    assert [len(times) for times in rounds] == [3, 3]
    assert all(time > 0 for times in rounds for time in times)
    assert len({connection for connection, _ in Model.asked}) == 1
    assert [rows for _, rows in Model.asked] == [[{"a": 1}], [{"a": 2}]] * 3 + [[{"a": 1}]]


def test_latencies_of_no_rows_are_none(model: str) -> None:
    assert Served(url=model, container=None).latencies_ms([]) == []


def test_latencies_of_a_refused_row_are_no_figures(model: str) -> None:
    container = SimpleNamespace(logs=lambda tail: b"the reason")
    with pytest.raises(ImageFailed, match=r"status 422: no; its log ends: the reason"):
        Served(url=model, container=container).latencies_ms([None])  # type: ignore[list-item]
