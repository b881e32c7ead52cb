"""The engine that the image tests share; where none answers they are skipped with its reason."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from contender.adapters.containers import Engine
from contender.core.errors import EngineUnavailable


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
