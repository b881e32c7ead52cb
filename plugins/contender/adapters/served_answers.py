"""A running serving container, asked and measured."""

from __future__ import annotations

import http.client
import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import docker

from contender.adapters.engine_calls import GONE, TAIL, calling
from contender.core.errors import ImageFailed
from contender.core.golden import Output


@dataclass(frozen=True)
class Served:
    """A running serving container that has said it is ready."""

    url: str
    container: Any

    def predict_raw(self, instances: Sequence[Mapping[str, Any]], *, timeout: float = 10) -> list[Output]:
        """Ask `/predict/raw`; one answer for each instance.

        Raises:
            ImageFailed: The container refuses, breaks off or answers in another form.
        """
        body = json.dumps({"instances": list(instances)}).encode()
        try:
            status, content = _ask(f"{self.url}/predict/raw", body, timeout=timeout)
            if status == http.HTTPStatus.OK:
                return [_output(answer) for answer in json.loads(content)["predictions"]]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise self._failed(repr(error)) from error
        raise self._failed(f"status {status}: {content.decode(errors='replace')[:500]}")

    def latencies_ms(
        self, instances: Sequence[Mapping[str, Any]], *, warm_up: int = 50, rounds: int = 3, of: int = 100
    ) -> list[list[float]]:
        """Times to answer a request of one row, asked one after another on one connection.

        The time is that of the caller: from the first byte sent to the last byte read.

        Args:
            instances: The rows that are asked in turn; with none, nothing is measured.
            warm_up: Requests before the first round, which are not timed.
            rounds: How many rounds are timed.
            of: Requests of one round.

        Returns:
            Milliseconds, `rounds` lists of `of` each.

        Raises:
            ImageFailed: An answer is not status 200, or the container breaks off.
        """
        if not instances:
            return []
        bodies = itertools.cycle(json.dumps({"instances": [one]}).encode() for one in instances)
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            for _ in range(warm_up):
                self._timed_ms(connection, next(bodies))
            return [[self._timed_ms(connection, next(bodies)) for _ in range(of)] for _ in range(rounds)]
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(repr(error)) from error
        finally:
            connection.close()

    def _timed_ms(self, connection: http.client.HTTPConnection, body: bytes) -> float:
        begun = time.perf_counter()
        connection.request("POST", "/predict/raw", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        taken = time.perf_counter() - begun
        if response.status != http.HTTPStatus.OK:
            raise self._failed(f"status {response.status}: {content.decode(errors='replace')[:500]}")
        return taken * 1e3

    def memory_mb(self) -> float | None:
        """Memory that the container takes now, in 10^6 bytes; `None` where the engine does not account for memory.

        As in `docker stats`, what the kernel could drop from its file cache at once does not count.

        Raises:
            EngineUnavailable: The engine went away.
        """
        with calling(f"asking what {self.container.id} takes"):
            memory = self.container.stats(stream=False, one_shot=True).get("memory_stats") or {}
        used, details = memory.get("usage"), memory.get("stats") or {}
        if used is None:
            return None
        # The name in version 1 of the kernel's control groups, then in version 2.
        cache = int(details.get("total_inactive_file", details.get("inactive_file", 0)))
        return round((int(used) - cache if cache < used else int(used)) / 1e6, 1)

    def _failed(self, got: str) -> ImageFailed:
        return ImageFailed(
            "the container did not answer the prediction request",
            where=f"POST {self.url}/predict/raw",
            expected="status 200 with predictions",
            got=f"{got}; its log ends: {log_end(self.container)}",
            next_step="mend the serving app or the bundle and build again",
        )


def _output(answer: Any) -> Output:
    return [float(one) for one in answer] if isinstance(answer, list) else float(answer)


def readiness(url: str) -> str:
    """Empty once `/ready` says 200, otherwise what it says."""
    try:
        status, content = _ask(f"{url}/ready", timeout=2)
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    return "" if status == http.HTTPStatus.OK else f"status {status}: {content.decode(errors='replace')[:500]}"


def log_end(container: Any) -> str:
    """The last lines of a container's log."""
    try:
        return str(container.logs(tail=TAIL).decode(errors="replace").strip())
    except (docker.errors.DockerException, *GONE) as error:
        return f"(no log: {error})"


def _ask(url: str, body: bytes | None = None, *, timeout: float) -> tuple[int, bytes]:
    """Status and content of an answer, past any proxy of the environment."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310  http
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
