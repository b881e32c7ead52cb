from __future__ import annotations

import io
import socket
import tarfile
import time

import pytest

from contender.adapters.containers import CONNECT_SECONDS, Engine, context_tar
from contender.core.errors import EngineUnavailable


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
        start = time.monotonic()
        with pytest.raises(EngineUnavailable, match="timed out"):
            Engine.connect()
        assert time.monotonic() - start < 3 * CONNECT_SECONDS


def test_engine_connect_malformed_host_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nowhere")
    with pytest.raises(EngineUnavailable, match="DOCKER_HOST"):
        Engine.connect()
