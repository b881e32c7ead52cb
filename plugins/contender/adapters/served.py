"""Served: containers of serving images, started as in production, and put in the place of the one before."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker

from contender.adapters.engine_calls import GONE, calling, gone, refused
from contender.adapters.served_answers import Served, log_end, readiness
from contender.core.errors import ImageFailed

log = logging.getLogger(__name__)

READY_SECONDS = 60
# Longer than the router remembers an address (docker/nginx): nobody asks the container before any more.
TAKEOVER_SECONDS = 4.0
# uvicorn in the image waits 10 s for the requests under way, and 5 s for what the prediction log has still to ship.
STOP_SECONDS = 20
PORT = "8080/tcp"
JOURNAL = "/journal"
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
    journal: str = "",
    ready_within_s: float = READY_SECONDS,
) -> Served:
    """Have the image serve under a name of the network, in the place of what served under it.

    Its journal of predictions is on a volume that outlives the container, so that the next one ships what it left.

    The new container is started beside the old one and takes the name once it is ready; the old one answers on until
    nobody remembers its address, and ends its requests. Killed at any instruction and called again, it first puts
    right what was left, and then comes to the same end. Calls for one name must not overlap.

    Raises:
        ImageFailed: The image is absent or did not get ready, and what served before serves on; or the engine refused.
        EngineUnavailable: The engine went away.
    """
    with calling(f"serving {image} as {name}"):
        digest = client.images.get(image).id
        served_as = _digest(digest, network, dict(environment), dict(labels), journal, HARDENED)
        _settle(client, name, network)
        current = _named(client, name, network)
    if current is not None and current.labels.get(SERVED_AS) == served_as and _is_ready(current, network):
        log.info("%s serves %s already", name, digest)
        return Served(url=_address(current, network), container=current)
    upcoming = start(
        client, digest, name=name + NEXT, network=network, environment=environment, ready_within_s=ready_within_s,
        labels={**labels, PURPOSE: "served", SERVED_AS: served_as}, restart_policy={"Name": "unless-stopped"},
        mounts=[docker.types.Mount(JOURNAL, journal)] if journal else [],
    )  # fmt: skip
    with calling(f"giving {name} to {digest}"):
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
    with calling(f"looking for containers with the labels {dict(labels)}"):
        wanted = [f"{name}={value}" for name, value in labels.items()]
        found = client.containers.list(all=True, sparse=True, filters={"label": wanted})
    for container in found:
        log.info("removing %s, which an attempt that was killed left behind", container.id)
        remove(container, container.attrs["Image"])


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
        raise refused(name, f"a container that does not serve on {network}: {container.id}")
    return container


def _address(container: Any, network: str) -> str:
    """Where to ask the container; empty while it has no address yet."""
    if network:
        host = container.attrs["NetworkSettings"]["Networks"].get(network, {}).get("IPAddress")
        return f"http://{host}:{PORT.partition('/')[0]}" if host else ""
    bound = container.ports.get(PORT)
    return f"http://127.0.0.1:{bound[0]['HostPort']}" if bound else ""


def _is_ready(container: Any, network: str) -> bool:
    url = _address(container, network)
    return container.status == "running" and url != "" and readiness(url) == ""


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
            if url and not (last := readiness(url)):
                return url
            time.sleep(0.05)
    except docker.errors.APIError as error:
        raise _not_started(image, str(error)) from error
    except (docker.errors.DockerException, *GONE) as error:
        raise gone(f"starting {image}", error) from error
    raise _not_started(image, f"/ready after {within_s:g} s: {last}", container)


def _digest(*what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _not_started(image: str, got: str, container: Any | None = None) -> ImageFailed:
    ending = "" if container is None else f"; its log ends: {log_end(container)}"
    return ImageFailed(
        "the image's container did not become ready",
        where=image,
        expected="status 200 of /ready",
        got=f"{got}{ending}",
        next_step=f"run it by hand: docker run --rm -p 8080:8080 {image}",
    )
