"""Containers: the Docker engine that builds and runs images. `DOCKER_HOST` says where it is."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import docker

from contender.adapters import engine_images, registry
from contender.adapters.engine_calls import GONE, TAIL, calling, gone
from contender.adapters.engine_images import ModelImage
from contender.adapters.image_layer import layered
from contender.adapters.registry import Registry
from contender.adapters.served import READY_SECONDS, proof, serve
from contender.adapters.served_answers import Served
from contender.core.archive import archive_of
from contender.core.errors import EngineUnavailable, ImageFailed

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10
# The longest silence of the engine: a step of a build may download for minutes without a word.
SILENCE_SECONDS = 600
# How a build reaches the world: settings of the machine that builds, not of what is built.
REACH = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")


class Plan(Protocol):
    """What to build; `contender.stages.image.Build` is one."""

    @property
    def tag(self) -> str:
        """Repository and tag."""

    @property
    def context(self) -> dict[str, bytes]:
        """The build context's files, `Dockerfile` among them: content by path below the root of the image."""

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


class Engine:
    """A Docker engine that answers.

    Args:
        client: The SDK's client; `connect` makes it.
    """

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    @property
    def client(self) -> docker.DockerClient:
        """The SDK's client, for the other modules that speak to the engine."""
        return self._client

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
            raise gone(f"looking for {tag}", error) from error
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
                fileobj=io.BytesIO(archive_of(plan.context)),
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
                raise gone(f"building {plan.tag}", "its output ended without an image")
            repository, _, version = plan.tag.rpartition(":")
            self._client.api.tag(image, repository, version)
        except docker.errors.APIError as error:
            raise _build_failed(plan.tag, [*lines, str(error)]) from error
        except (docker.errors.DockerException, *GONE) as error:
            raise gone(f"building {plan.tag}", error) from error
        built = self.find(plan.tag)
        if built is None:
            raise _build_failed(plan.tag, [*lines, "the image was removed as soon as it was built"])
        return built

    def ensure_on(self, below: Built, plan: Plan) -> Built:
        """The image that has the plan's files on another one: made as `put_on` does, but only where it is absent.

        A tag tells the model and the runtime's recipe, and not of which base the runtime was built: an image that was
        there before its runtime was built anew is made anew too.

        Args:
            below: The image below, which the engine has.
            plan: Its Dockerfile does no more than copy the context.

        Raises:
            ImageFailed: The image below is gone, or the build failed.
            EngineUnavailable: The engine went away.
        """
        found = self.find(plan.tag)
        if found is None:
            return self.put_on(below, plan)
        with calling(f"comparing {plan.tag} with {below.tag}"):
            has, wanted = (self._client.api.inspect_image(one.digest)["RootFS"]["Layers"] for one in (found, below))
        if has[:-1] == wanted:  # the plan is the one layer above
            return found
        log.warning("%s, %s, is on another %s than there is now: it is made anew", plan.tag, found.digest, below.tag)
        return self.put_on(below, plan)

    def put_on(self, below: Built, plan: Plan) -> Built:
        """Put the plan's files on top of an image, as one layer: the same files make the same image.

        An engine whose store wants the layers below too, or that is reached by a proxy which lets no such archive
        through, builds the plan instead, which is slower and another image each time; the log says so.

        Args:
            below: The image below, which the engine has.
            plan: Its Dockerfile does no more than copy the context.

        Raises:
            ImageFailed: The build in its place failed.
            EngineUnavailable: The engine went away.
        """
        files = {path: content for path, content in plan.context.items() if path != "Dockerfile"}
        try:
            made = layered(files, plan.labels, self._client.api.inspect_image(below.digest))
            lines = [event.get("error", "") for event in self._client.api.load_image(made.archive)]
            refused = "".join(lines)
            if not refused:
                repository, _, version = plan.tag.rpartition(":")
                self._client.api.tag(made.digest, repository, version)
        except docker.errors.APIError as error:
            refused = str(error)
        except (docker.errors.DockerException, *GONE) as error:
            raise gone(f"loading {plan.tag}", error) from error
        if refused:
            log.warning("%s is built, not put together: the engine takes no single layer (%s)", plan.tag, refused)
            return self.build(plan)
        found = self.find(plan.tag)
        if found is None:
            raise _build_failed(plan.tag, ["the image was removed as soon as it was loaded"])
        return found

    def remove(self, image: str) -> None:
        """Take an image away, with the tags that it has; nothing where there is none.

        Raises:
            ImageFailed: A container runs from it.
            EngineUnavailable: The engine went away.
        """
        try:
            self._client.images.remove(image, force=True)
        except docker.errors.ImageNotFound:
            return
        except docker.errors.APIError as error:
            raise ImageFailed(
                "the image cannot be removed", where=image, expected="an image that no container runs from",
                got=error, next_step="stop the container first",
            ) from error  # fmt: skip
        except (docker.errors.DockerException, *GONE) as error:
            raise gone(f"removing {image}", error) from error

    def push(self, image: str, to: Registry, name: str, tag: str) -> str:
        """Push an image and return where it is, by digest; see `contender.adapters.registry.push`."""
        return registry.push(self._client, image, to, name, tag)

    def fetch(self, pushed: str, source: Registry, *, digest: str, tag: str) -> Built:
        """Pull an image by the digest that it was pushed under, and give it back its tag.

        Args:
            pushed: `host/repository@sha256:…`.
            source: The registry.
            digest: ID that the image must turn out to have.
            tag: Its tag when it was built.

        Raises:
            RegistryRefused: The registry does not give it, or it is another image.
            RegistryUnreachable: The registry does not answer the engine.
            EngineUnavailable: The engine went away.
        """
        registry.require_same(registry.pull(self._client, pushed, source), digest, pushed)
        engine_images.tag(self._client, digest, tag)
        return Built(tag, digest, round(self._client.images.get(digest).attrs["Size"] / 1e6, 1))

    def claim(self, image: str, model: str, owner: str) -> None:
        """Have it known on the engine that a platform has released an image, by one more tag of it."""
        engine_images.tag(self._client, image, engine_images.claim(model, owner, image))

    def model_images(self, model: str) -> list[ModelImage]:
        """The images of a model, whoever built them."""
        return engine_images.model_images(self._client, model)

    def in_use(self) -> dict[str, str]:
        """The containers on the engine, running or not: the name of one by the ID of its image."""
        return engine_images.in_use(self._client)

    def discard(self, image: ModelImage) -> str:
        """Take an image away unless any container is of it; why it stays, or nothing."""
        return engine_images.discard(self._client, image)

    def run(
        self,
        image: str,
        *,
        environment: Mapping[str, str] | None = None,
        volumes: Mapping[str, Mapping[str, str]] | None = None,
        network: str = "",
        proof_of: str = "",
        ready_within_s: float = READY_SECONDS,
    ) -> AbstractContextManager[Served]:
        """Run a serving image until the block ends, then remove the container.

        It runs as it should in production: read-only root, no capabilities, no new privileges, and limits of
        memory (512 MB), processes and log.

        Args:
            image: Tag or digest.
            environment: Further variables; without an online store say `{"CONTENDER_ONLINE_STORE": "none"}`.
            volumes: As the SDK takes them: `{"/path/here": {"bind": "/online", "mode": "ro"}}`.
            network: Docker network that it joins and is asked on, with no port published; empty: it is published on a
                free port of the loopback.
            proof_of: What this run is the proof of, the same at every attempt, and no other's on the engine: what an
                attempt that was killed left running is removed first. Empty: nothing is.
            ready_within_s: How long `/ready` may take.

        Raises:
            ImageFailed: It does not start or does not become ready; with the end of its log.
            EngineUnavailable: The engine went away.
        """
        mounts = {path: dict(mount) for path, mount in (volumes or {}).items()}
        return proof(
            self._client, image, environment=environment or {}, volumes=mounts, network=network, proof_of=proof_of,
            ready_within_s=ready_within_s,
        )  # fmt: skip

    def serve(
        self,
        image: str,
        *,
        name: str,
        network: str,
        environment: Mapping[str, str],
        labels: Mapping[str, str],
        journal: str = "",
        ready_within_s: float = READY_SECONDS,
    ) -> Served:
        """Have an image serve under a name of the network; how is told in `contender.adapters.served.serve`.

        Args:
            image: Tag or digest.
            name: Name of the container, which is its DNS name on the network.
            network: Docker network of the served models.
            environment: Further variables, the online store's among them.
            labels: Labels of the container, `contender.model` and `contender.version` among them.
            journal: Volume of the model's journal of predictions; empty: none.
            ready_within_s: How long `/ready` may take.

        Raises:
            ImageFailed: The image is absent or did not get ready; what served before serves on.
            EngineUnavailable: The engine went away.
        """
        return serve(
            self._client, image, name=name, network=network, environment=environment, labels=labels, journal=journal,
            ready_within_s=ready_within_s,
        )  # fmt: skip


def reach(env: Mapping[str, str]) -> dict[str, str]:
    """The build arguments that an environment sets for proxies and package indexes.

    They may hold passwords. Docker keeps the proxies' out of an image's history by itself, as long as no Dockerfile
    declares them; the recipe declares the indexes in a stage that the image does not contain.
    """
    return {name: env[name] for name in (*REACH, *INDEXES) if env.get(name)}


def _build_failed(tag: str, lines: list[str]) -> ImageFailed:
    return ImageFailed(
        "the image could not be built",
        where=tag,
        expected="every step of the Dockerfile to succeed",
        got="\n".join(lines[-TAIL:]),
        next_step="mend what the last line says; the package index must be reachable from the engine",
    )
