"""A server as a process: started, asked until it answers, measured, stopped with all its children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]

from contender.core.errors import ContenderError

START_SECONDS, STOP_SECONDS, ASK_EVERY_S = 300.0, 10.0, 0.01
OK = 200
HOST = "127.0.0.1"


class ServerFailed(ContenderError):
    """A server of a bench does not start, or refuses what it is asked."""


class Server:
    """A process that listens on a port of the loopback interface.

    Args:
        name: What messages call it, and the stem of its log.
        command: What starts it.
        port: Where it listens.
        env: Its whole environment.
        folder: Where it runs and its log goes.
    """

    def __init__(self, name: str, command: Sequence[str], port: int, env: Mapping[str, str], folder: Path) -> None:
        self.name, self.port, self._log = name, port, folder / f"{name}.log"
        self._begun = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, env=dict(env), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://{HOST}:{self.port}{path}"

    def seconds_until(self, path: str, body: bytes) -> float:
        """Seconds from the start of the process to its first good answer.

        Raises:
            ServerFailed: It ended, or gave none in time; with the end of its log.
        """
        last = "no connection"
        while self._process.poll() is None and time.perf_counter() - self._begun < START_SECONDS:
            with suppress(OSError, HTTPException):
                status, answer = self._post(path, body)
                if status == OK:
                    return time.perf_counter() - self._begun
                last = f"{status} {answer[:300]!r}"
            time.sleep(ASK_EVERY_S)
        raise ServerFailed(
            "a server gives no answer",
            where=self.name,
            expected=f"200 for POST {path} within {START_SECONDS:g} s",
            got=f"{last}; its log ends: {self._log.read_text(errors='replace')[-1500:]}",
            next_step="start it by hand and read what it says",
        )

    def ask(self, path: str, body: bytes) -> bytes:
        """The answer to one request.

        Raises:
            ServerFailed: It is not 200.
        """
        status, answer = self._post(path, body)
        if status != OK:
            raise ServerFailed("a server refuses a request", where=f"{self.name} {path}", expected="200",
                               got=f"{status} {answer[:500]!r}", next_step="read its log")  # fmt: skip
        return answer

    def memory_mb(self) -> float:
        """Resident memory of all its processes together, 10^6 bytes; what they share counts in each."""
        whole = psutil.Process(self._process.pid)
        taken: int = sum(process.memory_info().rss for process in (whole, *whole.children(recursive=True)))
        return taken / 1e6

    def stop(self) -> None:
        """End it and its children."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, sent)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as chosen:
        chosen.bind((HOST, 0))
        port: int = chosen.getsockname()[1]
    return port
