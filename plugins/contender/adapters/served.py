"""Served: containers of serving images, started as in production, asked, and put in the place of the one before."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import docker
import requests
import urllib3

from contender.core.errors import EngineUnavailable, ImageFailed

log = logging.getLogger(__name__)

READY_SECONDS = 60
# Longer than the router remembers an address (docker/nginx): nobody asks the container before any more.
TAKEOVER_SECONDS = 4.0
# For the requests under way when it is told to stop; uvicorn in the image waits 10 s for them.
STOP_SECONDS = 15
PORT = "8080/tcp"
TAIL = 20
PURPOSE = "contender.purpose"
PROOF_OF = "contender.proof-of"
SERVED_AS = "contender.served-as"
# While one container takes over from another, they bear the name with these endings.
NEXT, PREVIOUS = "-next", "-previous"
# As it should run in production, for a proof too. Measured of flight_delay: 46 MB in use, 53 MB at most while it
# answers 200 requests of 1,000 rows, and 5 processes and threads.
HARDENED: dict[str, Any] = {
    "detach": True,
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "mem_limit": "512m",
    "pids_limit": 256,
    "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
}
# What the SDK raises when the other end of the connection goes away.
GONE = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


@dataclass(frozen=True)
class Served:
    """A running serving container that has said it is ready."""

    url: str
    container: Any

    def predict_raw(self, instances: Sequence[Mapping[str, Any]], *, timeout: float = 10) -> list[float]:
        """Ask `/predict/raw`; one probability for each instance.

        Raises:
            ImageFailed: The container refuses, breaks off or answers in another form.
        """
        body = json.dumps({"instances": list(instances)}).encode()
        try:
            status, content = _ask(f"{self.url}/predict/raw", body, timeout=timeout)
            if status == http.HTTPStatus.OK:
                return [float(answer) for answer in json.loads(content)["predictions"]]
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
        with _engine(f"asking what {self.container.id} takes"):
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
            got=f"{got}; its log ends: {_log(self.container)}",
            next_step="mend the serving app or the bundle and build again",
        )


@contextmanager
def proof(client: docker.DockerClient, image: str, *, proof_of: str = "", **arguments: Any) -> Iterator[Served]:
    """A container of the image until the block ends.

    Args:
        client: The SDK's client.
        image: Tag or digest.
        proof_of: What it is the proof of, the same at every attempt: what an attempt that was killed left running is
            removed first. Empty: nothing is.
        arguments: Those of `start`.
    """
    labels = {PURPOSE: "proof"}
    if proof_of:
        labels[PROOF_OF] = proof_of
        _remove_labelled(client, labels)
    served = start(client, image, labels=labels, **arguments)
    try:
        yield served
    finally:
        remove(served.container, image)


def start(
    client: docker.DockerClient,
    image: str,
    *,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
    network: str = "",
    ready_within_s: float = READY_SECONDS,
    **further: Any,
) -> Served:
    """Start a container of the image and wait until it is ready; where it does not get so, it is removed.

    Args:
        client: The SDK's client.
        image: Tag or digest.
        labels: Labels of the container.
        environment: Further variables.
        network: Docker network that it joins and is asked on; empty: it is published on a free port of the loopback.
        ready_within_s: How long `/ready` may take.
        further: As `containers.create` of the SDK takes it.

    Raises:
        ImageFailed: It does not start or does not become ready; with the end of its log.
        EngineUnavailable: The engine went away.
    """
    reached = {"network_mode": network} if network else {"ports": {PORT: ("127.0.0.1", None)}}
    try:
        container = client.containers.create(
            image, environment=dict(environment), labels=dict(labels), **HARDENED, **reached, **further
        )
    except docker.errors.APIError as error:
        raise _not_started(image, str(error)) from error
    except (docker.errors.DockerException, *GONE) as error:
        raise gone(f"starting {image}", error) from error
    try:
        return Served(url=_wait_until_ready(container, image, network, ready_within_s), container=container)
    except BaseException:
        remove(container, image)
        raise


def serve(
    client: docker.DockerClient,
    image: str,
    *,
    name: str,
    network: str,
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    ready_within_s: float = READY_SECONDS,
) -> Served:
    """Have the image serve under a name of the network, in the place of what served under it.

    The new container is started beside the old one and takes the name once it is ready; the old one answers on until
    nobody remembers its address, and ends its requests. Killed at any instruction and called again, it first puts
    right what was left, and then comes to the same end. Calls for one name must not overlap.

    Raises:
        ImageFailed: The image is absent or did not get ready, and what served before serves on; or the engine refused.
        EngineUnavailable: The engine went away.
    """
    with _engine(f"serving {image} as {name}"):
        digest = client.images.get(image).id
        served_as = _digest(digest, network, dict(environment), dict(labels), HARDENED)
        _settle(client, name, network)
        current = _named(client, name, network)
    if current is not None and current.labels.get(SERVED_AS) == served_as and _is_ready(current, network):
        log.info("%s serves %s already", name, digest)
        return Served(url=_address(current, network), container=current)
    upcoming = start(
        client, digest, name=name + NEXT, network=network, environment=environment, ready_within_s=ready_within_s,
        labels={**labels, PURPOSE: "served", SERVED_AS: served_as}, restart_policy={"Name": "unless-stopped"},
    )  # fmt: skip
    with _engine(f"giving {name} to {digest}"):
        if current is not None:
            current.rename(name + PREVIOUS)
        # Between the two, for some hundredths of a second, the name leads nowhere: the router then asks the previous.
        upcoming.container.rename(name)
        if current is not None:
            _retire(current, digest)
    return upcoming


def remove(container: Any, image: str) -> None:
    """Remove a container as it is."""
    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        log.info("the container of %s was gone before it was removed", image)
    except (docker.errors.DockerException, *GONE) as error:
        raise gone(f"removing the container of {image}", error) from error


def _remove_labelled(client: docker.DockerClient, labels: Mapping[str, str]) -> None:
    with _engine(f"looking for containers with the labels {dict(labels)}"):
        wanted = [f"{name}={value}" for name, value in labels.items()]
        found = client.containers.list(all=True, sparse=True, filters={"label": wanted})
    for container in found:
        log.info("removing %s, which an attempt that was killed left behind", container.id)
        remove(container, container.attrs["Image"])


def gone(doing: str, reason: object) -> EngineUnavailable:
    """The error of an engine that went away."""
    return EngineUnavailable(
        f"the Docker engine went away while {doing}",
        where="DOCKER_HOST",
        expected="an engine that answers until the end",
        got=reason,
        next_step="start the engine and clear the task: nothing was tagged",
    )


def _settle(client: docker.DockerClient, name: str, network: str) -> None:
    """Put right what an attempt that was killed left behind."""
    upcoming, previous = _named(client, name + NEXT, network), _named(client, name + PREVIOUS, network)
    if upcoming is not None:
        remove(upcoming, name)  # it never had the name
    if previous is None:
        return
    if _named(client, name, network) is None:
        previous.rename(name)  # killed between the two renamings: back to what is known to serve
    else:
        _retire(previous, name)


def _retire(container: Any, image: str) -> None:
    container.reload()
    if container.status == "running":
        time.sleep(TAKEOVER_SECONDS)
        container.stop(timeout=STOP_SECONDS)
    remove(container, image)


def _named(client: docker.DockerClient, name: str, network: str) -> Any | None:
    """The container of that name, if there is one; another's, or another stack's, is not touched."""
    try:
        container = client.containers.get(name)
    except docker.errors.NotFound:
        return None
    if container.labels.get(PURPOSE) != "served" or network not in container.attrs["NetworkSettings"]["Networks"]:
        raise _refused(name, f"a container that does not serve on {network}: {container.id}")
    return container


@contextmanager
def _engine(doing: str) -> Iterator[None]:
    """Turn what the SDK raises inside into the platform's errors."""
    try:
        yield
    except docker.errors.APIError as error:
        raise _refused(doing, error) from error
    except (docker.errors.DockerException, *GONE) as error:
        raise gone(doing, error) from error


def _address(container: Any, network: str) -> str:
    """Where to ask the container; empty while it has no address yet."""
    if network:
        host = container.attrs["NetworkSettings"]["Networks"].get(network, {}).get("IPAddress")
        return f"http://{host}:{PORT.partition('/')[0]}" if host else ""
    bound = container.ports.get(PORT)
    return f"http://127.0.0.1:{bound[0]['HostPort']}" if bound else ""


def _is_ready(container: Any, network: str) -> bool:
    url = _address(container, network)
    return container.status == "running" and url != "" and _readiness(url) == ""


def _readiness(url: str) -> str:
    """Empty once `/ready` says 200, otherwise what it says."""
    try:
        status, content = _ask(f"{url}/ready", timeout=2)
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    return "" if status == http.HTTPStatus.OK else f"status {status}: {content.decode(errors='replace')[:500]}"


def _wait_until_ready(container: Any, image: str, network: str, within_s: float) -> str:
    """Start the container; its address once `/ready` says 200."""
    deadline = time.monotonic() + within_s
    last = "nothing"
    try:
        container.start()
        while time.monotonic() < deadline:
            container.reload()
            if container.status in {"exited", "dead", "restarting"}:
                raise _not_started(image, f"it ended with code {container.attrs['State']['ExitCode']}", container)
            url = _address(container, network)
            if url and not (last := _readiness(url)):
                return url
            time.sleep(0.05)
    except docker.errors.APIError as error:
        raise _not_started(image, str(error)) from error
    except (docker.errors.DockerException, *GONE) as error:
        raise gone(f"starting {image}", error) from error
    raise _not_started(image, f"/ready after {within_s:g} s: {last}", container)


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


def _digest(*what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _log(container: Any) -> str:
    try:
        return str(container.logs(tail=TAIL).decode(errors="replace").strip())
    except (docker.errors.DockerException, *GONE) as error:
        return f"(no log: {error})"


def _not_started(image: str, got: str, container: Any | None = None) -> ImageFailed:
    ending = "" if container is None else f"; its log ends: {_log(container)}"
    return ImageFailed(
        "the image's container did not become ready",
        where=image,
        expected="status 200 of /ready",
        got=f"{got}{ending}",
        next_step=f"run it by hand: docker run --rm -p 8080:8080 {image}",
    )


def _refused(doing: str, got: object) -> ImageFailed:
    return ImageFailed(
        "the engine did not do what serving the image needs",
        where=doing,
        expected="an image that is there, and a name that no other container has",
        got=got,
        next_step="mend what the engine says and clear the task",
    )
