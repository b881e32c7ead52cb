from __future__ import annotations

import io
import socket
import tarfile
from types import SimpleNamespace
from typing import Any

import pytest

from contender.adapters.containers import Engine, context_tar, reach
from contender.core.errors import EngineUnavailable
from contender.stages import image


def test_context_tar_same_files_give_the_same_bytes() -> None:
    assert context_tar({"b/c": b"2", "a": b"1"}) == context_tar({"a": b"1", "b/c": b"2"})


def test_context_tar_holds_the_files_readable_by_all_and_timeless() -> None:
    with tarfile.open(fileobj=io.BytesIO(context_tar({"b/c": b"22", "a": b"1"}))) as archive:
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
