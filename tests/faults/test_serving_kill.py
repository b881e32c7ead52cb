"""The real server under load, with a real Redis and PostgreSQL: each is killed, and started as a supervisor would.

Every acknowledged prediction is in the store once, and all comes back without anybody's help.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from contender.adapters.predictions import Record, open_predictions
from contender.core.settings import CHECKOUT
from tests.online_stores import RedisServer
from tests.postgres import PostgresServer
from tests.unit.serving.test_predict import ENTITY, RAW, write_store
from tests.unit.serving.tiny import write_bundle

BODIES = {"/predict/raw": json.dumps({"instances": [RAW]}), "/predict": json.dumps({"requests": [ENTITY, ENTITY]})}
CLIENTS = 4
ENOUGH = 50


class Server:
    """The app as the image starts it."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port = chosen.getsockname()[1]
        self._environment, self._log = os.environ | environment, log
        self.start()

    def start(self) -> None:
        command = [
            *(sys.executable, "-m", "uvicorn", "contender.serving.app:app_from_env", "--factory"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--loop", "uvloop", "--http", "httptools"),
            *("--timeout-graceful-shutdown", "10", "--no-access-log"),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        """Stop it as an engine does; it ends by itself."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


class Load:
    """Clients that ask without a pause, and remember what was acknowledged: the server's id of each, by their own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.acknowledged: dict[str, str] = {}
        self.refused: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def goes_on(self, *paths: str) -> None:
        """Wait until so many more are answered on each of these routes."""
        before = Counter(self.answered)
        eventually(lambda: all(self.answered[path] - before[path] >= ENOUGH for path in paths))

    def _ask(self, number: int) -> None:
        asked = 0
        while not self._over.is_set():
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
                    while not self._over.is_set():
                        asked += 1
                        self._ask_once(connection, f"{number}-{asked}", list(BODIES)[asked % 2])
            except (OSError, http.client.HTTPException) as error:
                self.refused[type(error).__name__] += 1
                time.sleep(0.02)

    def _ask_once(self, connection: http.client.HTTPConnection, name: str, path: str) -> None:
        connection.request("POST", path, BODIES[path], {"X-Request-ID": name})
        response = connection.getresponse()
        content = json.loads(response.read())
        if response.status == 200:
            self.acknowledged[name] = str(response.headers["X-Request-ID"])
            self.answered[path] += 1
        else:
            assert response.status == 503, content
            self.refused[content["error"]["type"]] += 1


def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(12_000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came about")


def lasting(redis: RedisServer) -> str:
    """Have it keep its data over a kill, as that of the stack does; the URL of the account that may read."""
    write_store(redis.url())
    with Redis.from_url(redis.url()) as client:
        client.config_set("appendonly", "yes")
        client.config_rewrite()
        eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
    return redis.url("reader")


@contextmanager
def under_load(environment: dict[str, str], log: Path) -> Iterator[tuple[Server, Load]]:
    server = Server(environment, log)
    load = Load(server.port)
    try:
        yield server, load
    finally:
        load.end()
        server.stop()


def records(url: str) -> list[Record]:
    with closing(open_predictions(url, 30)) as store:
        return list(store.read("flight_delay", datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_server_store_and_redis_killed_under_load_each_acknowledged_prediction_is_stored_once(
    tmp_path: Path, own_postgres: PostgresServer, own_redis: RedisServer
) -> None:
    both = tuple(BODIES)
    environment = {
        "PYTHONPATH": str(CHECKOUT / "plugins"),
        "CONTENDER_BUNDLE": str(write_bundle(tmp_path / "bundle")),
        "CONTENDER_ONLINE_STORE": lasting(own_redis),
        "CONTENDER_PREDICTIONS": own_postgres.url,
        "CONTENDER_JOURNAL": str(tmp_path / "journal"),
        "CONTENDER_JOURNAL_MB": "64",
    }
    with under_load(environment, tmp_path / "log") as (server, load):
        load.goes_on(*both)
        server.kill()
        server.start()
        load.goes_on(*both)
        own_postgres.kill()
        load.goes_on(*both)  # the journal takes what the store does not
        own_postgres.start()
        load.goes_on(*both)
        own_redis._process.kill()  # type: ignore[union-attr]
        own_redis.stop()
        load.goes_on("/predict/raw")
        assert load.refused["OnlineStoreUnreachable"]
        own_redis.start()
        load.goes_on(*both)
        own_postgres.kill()
        server.kill()
        server.start()
        load.goes_on(*both)
        own_postgres.start()
        load.goes_on(*both)
    away = {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "BrokenPipeError", "IncompleteRead"}
    assert set(load.refused) <= {"OnlineStoreUnreachable", "LookupsPaused", *away}
    found = records(own_postgres.url)
    by_client = Counter(one.client_id for one in found)
    stored = {str(one.client_id): one.request_id for one in found}
    assert [name for name, id_ in load.acknowledged.items() if stored.get(name) != id_] == []
    assert [name for name, count in by_client.items() if count > 1] == []
    # What else is stored was under way when the server was killed, a request of each client at most.
    assert len(found) - len(load.acknowledged) <= 2 * CLIENTS
    assert {one.endpoint: (len(one.features), one.entities is None) for one in found} == {
        "/predict/raw": (1, True), "/predict": (2, False)
    }  # fmt: skip
    assert [path.name for path in (tmp_path / "journal").glob("*") if path.name != "refused.jsonl"] == []
