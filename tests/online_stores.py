"""The online stores that tests run over: a file, and a Redis server of the tests' own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotConnected

from contender.adapters.online_redis import rows_key
from contender.adapters.online_rows import is_redis
from contender.feast_stores.sqlite_writer import writing

# With every character that a URL would take for something else.
PASSWORD = "sec:ret/p@ss?w#o%rd"
# What the compose file is to allow the account of the served models, and the least a reader can do with.
ACCOUNTS = {
    "reader": "~contender:* +@read +@connection -@dangerous +multi +exec +discard",
    "whole_categories": "~contender:* +@read +@connection +multi +exec +discard",
    "least": "~contender:* +hmget +multi +exec +discard +auth +select",
    "stranger": "~other:* +@read +@connection +multi +exec +discard",
}


class RedisServer:
    """A `redis-server` process that keeps nothing on disk, on a free port of the loopback interface."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip("redis-server is not installed; on Debian it is in the package of that name")
        users = {"default": "~* &* +@all"} | ACCOUNTS
        lines = ["bind 127.0.0.1", 'save ""', "appendonly no", f"dir {folder}", f"logfile {folder / 'log'}"]
        lines += [f'user {name} on ">{PASSWORD}" {rules}' for name, rules in users.items()]
        self._command = [binary, str(folder / "redis.conf")]
        (folder / "redis.conf").write_text("\n".join(lines))
        self._process: subprocess.Popen[bytes] | None = None
        for _ in range(3):  # another program may take the port before the server does
            with socket.socket() as chosen:
                chosen.bind(("127.0.0.1", 0))
                self.port = chosen.getsockname()[1]
            self.start()
            if self._process is not None:
                return
        pytest.fail(f"redis-server does not start: {(folder / 'log').read_text()[-1000:]}")

    def url(self, user: str = "default", password: str = PASSWORD, database: int = 0) -> str:
        return f"redis://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, empty, on the same port."""
        process = subprocess.Popen([*self._command, "--port", str(self.port)], stdout=subprocess.DEVNULL)
        while process.poll() is None:
            try:
                with Redis.from_url(self.url()) as client:
                    client.ping()
            except NotConnected:
                time.sleep(0.01)
            else:
                self._process = process
                return

    @property
    def runs(self) -> bool:
        return self._process is not None

    def pause(self) -> None:
        """Hang, with every connection open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End as `kill -9` does; `start` starts it anew."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)  # one that hangs would not end
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture(scope="session")
def session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_server(session_redis: RedisServer) -> RedisServer:
    """A server that runs and is empty; it is not to be stopped."""
    with Redis.from_url(session_redis.url()) as client:
        client.flushall()
    return session_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test, which may stop it."""
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture(params=["file", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty online store of each kind."""
    if request.param == "file":
        return str(tmp_path / "online.db")
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url()


def online_config(address: str) -> dict[str, Any]:
    """Feast's configuration of our store at an address."""
    if is_redis(address):
        return {"type": "contender.feast_stores.redis_rows.RedisRowsOnlineStore", "connection_string": address}
    return {"type": "contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore", "path": address}


def stored(address: str, view: str) -> list[tuple[str, int, int | None, bytes]]:
    """All that a store holds of a view: entity key, event and created time, encoded values."""
    if not is_redis(address):
        with writing(address, 1.0) as writer:
            return writer._connection.execute(f'SELECT * FROM "rows_{view}" ORDER BY entity_key').fetchall()
    with Redis.from_url(address) as client:
        found: dict[bytes, bytes] = client.hgetall(rows_key(view))  # type: ignore[assignment]
    rows = {key.decode(): msgspec.msgpack.decode(value, type=tuple[int, int | None, msgspec.Raw]) for key, value in
            found.items()}  # fmt: skip
    return [(key, event, created, bytes(payload)) for key, (event, created, payload) in sorted(rows.items())]
