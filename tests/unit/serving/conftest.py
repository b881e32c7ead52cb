from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from contender.serving.app import create_app
from contender.serving.lookups import LookupOptions
from contender.serving.prediction_log import PredictionLog
from tests.unit.serving.tiny import write_bundle

Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


# A machine with much to do keeps an answer of the store back for longer than the default allows.
PATIENT = LookupOptions(timeout_s=1.0)


@contextmanager
def serve(
    bundle_dir: Path, online_store: str | None, log: PredictionLog | None = None, lookups: LookupOptions = PATIENT
) -> Iterator[httpx.Client]:
    """The app on a real uvicorn, as the image runs it, and a client of it."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(bundle_dir, online_store, log=log, lookups=lookups),
        loop="uvloop",
        http="httptools",
        log_level="critical",
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=base, trust_env=False, timeout=10) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def raw_client(bundle: Path) -> Iterator[httpx.Client]:
    with serve(bundle, None) as client:
        yield client
