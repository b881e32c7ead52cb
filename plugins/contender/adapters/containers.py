"""Containers: the Docker engine that builds and runs images. `DOCKER_HOST` says where it is."""

from __future__ import annotations

import http.client
import io
import json
import logging
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import docker
import requests
import urllib3

from contender.core.errors import EngineUnavailable, ImageFailed

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10
# The longest silence of the engine: a step of a build may download for minutes without a word.
SILENCE_SECONDS = 600
READY_SECONDS = 60
# How a build reaches the world: settings of the machine that builds, not of what is built.
REACH = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
PORT = "8080/tcp"
TAIL = 20
# What the SDK raises when the other end of the connection goes away.
GONE = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


class Plan(Protocol):
    """What to build; `contender.stages.image.Build` is one."""

    @property
    def tag(self) -> str:
        """Repository and tag."""

    @property
    def context(self) -> dict[str, bytes]:
        """The build context's files, `Dockerfile` among them: content by path."""

    @property
    def arguments(self) -> dict[str, str]:
        """Build arguments."""

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the image."""


@dataclass(frozen=True)
class Built:
    """An image of the engine: its tag, its content-addressed ID (`sha256:…`) and its size in 10^6 bytes."""

    tag: str
    digest: str
    size_mb: float


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

    def _failed(self, got: str) -> ImageFailed:
        return ImageFailed(
            "the container did not answer the prediction request",
            where=f"POST {self.url}/predict/raw",
            expected="status 200 with predictions",
            got=f"{got}; its log ends: {_log(self.container)}",
            next_step="mend the serving app or the bundle and build again",
        )


class Engine:
    """A Docker engine that answers.

    Args:
        client: The SDK's client; `connect` makes it.
    """

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, *, within_s: int = CONNECT_SECONDS) -> Engine:
        """The engine that `DOCKER_HOST` names, or the local one.

        Args:
            within_s: How long it may take to answer; one that is busy building takes its time.

        Raises:
            EngineUnavailable: None answers within `within_s`.
        """
        try:
            client = docker.from_env(timeout=within_s)
            client.ping()
        except (docker.errors.DockerException, *GONE) as error:
            raise EngineUnavailable(
                "no Docker engine answers",
                where="DOCKER_HOST",
                expected=f"an engine that answers within {within_s} s",
                got=error,
                next_step="start Docker, or set DOCKER_HOST to an engine",
            ) from error
        client.api.timeout = SILENCE_SECONDS
        return cls(client)

    def find(self, tag: str) -> Built | None:
        """The image with that tag, if the engine has it."""
        try:
            image = self._client.images.get(tag)
        except docker.errors.ImageNotFound:
            return None
        except (docker.errors.DockerException, *GONE) as error:
            raise _gone(f"looking for {tag}", error) from error
        return Built(tag=tag, digest=image.id, size_mb=round(image.attrs["Size"] / 1e6, 1))

    def ensure(self, plan: Plan, *, reach: Mapping[str, str] | None = None) -> Built:
        """The image of a plan whose tag follows from its content: built, as `build` does, only where it is absent."""
        return self.find(plan.tag) or self.build(plan, reach=reach)

    def build(self, plan: Plan, *, fresh: bool = False, reach: Mapping[str, str] | None = None) -> Built:
        """Build an image; its tag is set after the last step alone, so that a tag always means a whole image.

        Args:
            plan: What to build.
            fresh: Use no layer of an earlier build.
            reach: Further build arguments that change the way to the packages, not the packages: `reach()`.

        Raises:
            ImageFailed: A step failed; with the last lines of its output.
            EngineUnavailable: The engine went away. There is no image with the tag, unless there was one before.
        """
        image = ""
        lines: list[str] = []
        try:
            for event in self._client.api.build(
                fileobj=io.BytesIO(context_tar(plan.context)),
                custom_context=True,
                buildargs={**plan.arguments, **(reach or {})},
                labels=plan.labels,
                nocache=fresh,
                rm=True,
                forcerm=True,
                decode=True,
            ):
                if "error" in event:
                    raise _build_failed(plan.tag, [*lines, event["error"]])
                image = event.get("aux", {}).get("ID", image)
                if text := event.get("stream", "").strip():
                    lines.append(text)
                    log.info("%s", text)
            if not image:
                raise _gone(f"building {plan.tag}", "its output ended without an image")
            repository, _, version = plan.tag.rpartition(":")
            self._client.api.tag(image, repository, version)
        except docker.errors.APIError as error:
            raise _build_failed(plan.tag, [*lines, str(error)]) from error
        except (docker.errors.DockerException, *GONE) as error:
            raise _gone(f"building {plan.tag}", error) from error
        built = self.find(plan.tag)
        if built is None:
            raise _build_failed(plan.tag, [*lines, "the image was removed as soon as it was built"])
        return built

    @contextmanager
    def run(
        self,
        image: str,
        *,
        environment: Mapping[str, str] | None = None,
        volumes: Mapping[str, Mapping[str, str]] | None = None,
        ready_within_s: float = READY_SECONDS,
    ) -> Iterator[Served]:
        """Run a serving image on a free port of the loopback until the block ends, then remove the container.

        It runs as it should in production: read-only root, no capabilities, no new privileges, 1 GB of memory.

        Args:
            image: Tag or digest.
            environment: Further variables; without an online store say `{"CONTENDER_ONLINE_STORE": "none"}`.
            volumes: As the SDK takes them: `{"/path/here": {"bind": "/online", "mode": "ro"}}`.
            ready_within_s: How long `/ready` may take.

        Raises:
            ImageFailed: It does not start or does not become ready; with the end of its log.
            EngineUnavailable: The engine went away.
        """
        try:
            container = self._client.containers.run(
                image,
                detach=True,
                environment=dict(environment or {}),
                volumes={path: dict(mount) for path, mount in (volumes or {}).items()},
                ports={PORT: ("127.0.0.1", None)},
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                mem_limit="1g",
                labels={"contender.purpose": "proof"},
            )
        except docker.errors.APIError as error:
            raise _not_started(image, str(error)) from error
        except (docker.errors.DockerException, *GONE) as error:
            raise _gone(f"starting {image}", error) from error
        try:
            yield Served(url=_wait_until_ready(container, image, ready_within_s), container=container)
        finally:
            _remove(container, image)


def reach(env: Mapping[str, str]) -> dict[str, str]:
    """The build arguments that an environment sets for proxies and package indexes.

    They may hold passwords. Docker keeps the proxies' out of an image's history by itself, as long as no Dockerfile
    declares them; the recipe declares the indexes in a stage that the image does not contain.
    """
    return {name: env[name] for name in (*REACH, *INDEXES) if env.get(name)}


def context_tar(context: Mapping[str, bytes]) -> bytes:
    """The files as a tar: the same bytes for the same files, whoever makes it and when."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(context):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(context[path]), 0o644
            archive.addfile(entry, io.BytesIO(context[path]))
    return out.getvalue()


def _wait_until_ready(container: Any, image: str, within_s: float) -> str:
    """Address of the container, once `/ready` says 200."""
    deadline = time.monotonic() + within_s
    last = "nothing"
    while time.monotonic() < deadline:
        try:
            container.reload()
        except (docker.errors.DockerException, *GONE) as error:
            raise _gone(f"starting {image}", error) from error
        if container.status in {"exited", "dead"}:
            raise _not_started(image, f"it ended with code {container.attrs['State']['ExitCode']}", container)
        bound = container.ports.get(PORT)
        if bound:
            url = f"http://127.0.0.1:{bound[0]['HostPort']}"
            try:
                status, content = _ask(f"{url}/ready", timeout=2)
                if status == http.HTTPStatus.OK:
                    return url
                last = f"status {status}: {content.decode(errors='replace')[:500]}"
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
        time.sleep(0.05)
    raise _not_started(image, f"/ready after {within_s:g} s: {last}", container)


def _ask(url: str, body: bytes | None = None, *, timeout: float) -> tuple[int, bytes]:
    """Status and content of an answer, past any proxy of the environment."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310  loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _remove(container: Any, image: str) -> None:
    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        log.info("the container of %s was gone before it was removed", image)
    except (docker.errors.DockerException, *GONE) as error:
        raise _gone(f"removing the container of {image}", error) from error


def _log(container: Any) -> str:
    try:
        return str(container.logs(tail=TAIL).decode(errors="replace").strip())
    except (docker.errors.DockerException, *GONE) as error:
        return f"(no log: {error})"


def _build_failed(tag: str, lines: list[str]) -> ImageFailed:
    return ImageFailed(
        "the image could not be built",
        where=tag,
        expected="every step of the Dockerfile to succeed",
        got="\n".join(lines[-TAIL:]),
        next_step="mend what the last line says; the package index must be reachable from the engine",
    )


def _not_started(image: str, got: str, container: Any | None = None) -> ImageFailed:
    ending = "" if container is None else f"; its log ends: {_log(container)}"
    return ImageFailed(
        "the image's container did not become ready",
        where=image,
        expected="status 200 of /ready",
        got=f"{got}{ending}",
        next_step=f"run it by hand: docker run --rm -p 8080:8080 {image}",
    )


def _gone(doing: str, reason: object) -> EngineUnavailable:
    return EngineUnavailable(
        f"the Docker engine went away while {doing}",
        where="DOCKER_HOST",
        expected="an engine that answers until the end",
        got=reason,
        next_step="start the engine and clear the task: nothing was tagged",
    )
