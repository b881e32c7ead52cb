"""The engine that the image tests share; where none answers they are skipped with its reason."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import pytest

from contender.adapters.containers import Built, Engine
from contender.core.errors import EngineUnavailable
from contender.stages import image
from tests.integration.flights import (  # noqa: F401  fixtures
    approved,
    approved_by_click,
    flights,
    flights_api,
    rejected,
    rejected_by_click,
)
from tests.unit.serving.tiny import write_bundle

MODELS = "contender-test-models"
PROXY = ["-m", "uvicorn", "contender.engine_proxy.app:app_from_env", "--factory", "--host", "127.0.0.1"]


@pytest.fixture(scope="module")
def engine() -> Engine:
    try:
        return Engine.connect()
    except EngineUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def client(engine: Engine) -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def network(client: docker.DockerClient) -> Iterator[str]:
    """A Docker network for served models."""
    made = client.networks.create(MODELS)
    yield MODELS
    for container in client.containers.list(all=True, filters={"network": MODELS}):
        container.remove(force=True)
    made.remove()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("image") / "bundle")


@pytest.fixture(scope="module")
def versions(engine: Engine, client: docker.DockerClient, bundle: Path) -> Iterator[dict[str, Built]]:
    """Images of two versions, by version."""
    runtime = engine.ensure(image.runtime())
    built = {version: engine.ensure_on(runtime, image.model(bundle, version, runtime.tag)) for version in ("7", "8")}
    yield built
    for one in built.values():
        client.images.remove(one.tag, force=True)  # the network's containers, which go later, may still be of it


@pytest.fixture(scope="module")
def proxy(engine: Engine, network: str) -> Iterator[str]:
    """Address of a proxy process before the engine's socket."""
    assert engine
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = os.environ.get("DOCKER_HOST", "").removeprefix("unix://")
    if before and not before.startswith("/"):
        pytest.skip(f"the proxy stands before a socket, and DOCKER_HOST is {before}")
    env = {**os.environ, "CONTENDER_SERVING_NETWORK": network, "CONTENDER_ENGINE_SOCKET": before}
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen([sys.executable, *PROXY, "--port", str(port)], env=env)
    try:
        _wait_until_healthy(process, f"http://127.0.0.1:{port}/health")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "the proxy ended"
        assert time.monotonic() < deadline, "the proxy is not healthy"
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)


@pytest.fixture
def proxied(proxy: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine as tasks of the stack reach it."""
    monkeypatch.setenv("DOCKER_HOST", f"tcp://{proxy}")
    return Engine.connect()
