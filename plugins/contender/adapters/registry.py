"""Registry: where the engine pushes images to and pulls them from, by digest. The engine speaks to it, not we.

An image ID is the digest of the image's configuration, which names the digests of the layers' unpacked content; what a
registry answers to is the digest of a manifest, which names the configuration and the packed layers. The release keeps
both: whatever is pulled by the second must turn out to have the first.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import docker

from contender.adapters.engine_calls import GONE, calling, gone
from contender.core.errors import RegistryRefused, RegistryUnreachable

log = logging.getLogger(__name__)

MODEL = "contender.model"  # label

DIGEST = r"sha256:[0-9a-f]{64}"
# How the engine tells of a registry that does not answer, or not now: everything else is said by the registry.
AWAY = re.compile(
    r"(?i)dial tcp|connection re|no such host|time-?out|deadline exceeded|\bEOF\b|broken pipe|network is unreachable"
    r"|server misbehaving|too ?many ?requests|\b(?:status(?: code)?:?|http response) (?:429|5\d\d)"
    r"|Internal Server Error|Bad Gateway|Service Unavailable"
)


@dataclass(frozen=True)
class Registry:
    """A registry, and the account that the platform has there.

    Attributes:
        address: `host[:port][/path]`, below which the images' repositories lie.
        user, password: The account; without a user the engine is given no log-in but that of its own client's file.
    """

    address: str
    user: str = ""
    password: str = field(default="", repr=False)

    def repository(self, name: str) -> str:
        """The full name of a repository, e.g. `registry.example/contender/flight-delay`."""
        return f"{self.address}/{name}"

    @property
    def account(self) -> dict[str, str] | None:
        """What the engine's SDK takes as `auth_config`."""
        return {"username": self.user, "password": self.password} if self.user else None

    def without_secrets(self, text: object) -> str:
        """A text of the engine's, in which the password does not stand even if the registry should repeat it."""
        return str(text).replace(self.password, "***") if self.password else str(text)


def push(client: docker.DockerClient, image: str, registry: Registry, name: str, tag: str) -> str:
    """Push an image, and make sure that the registry has what was pushed; what is there already is not sent again.

    Args:
        client: The SDK's client.
        image: ID of the image, `sha256:…`.
        registry: Where to.
        name: Repository below the registry's address.
        tag: Its tag there, which must follow from its content.

    Returns:
        `host/repository@sha256:…`, with the digest of the registry's manifest.

    Raises:
        RegistryRefused: The registry does not take it, or has another image under the digest that it named.
        RegistryUnreachable: The registry does not answer the engine.
        EngineUnavailable: The engine went away.
    """
    repository, digest = registry.repository(name), ""
    with calling(f"pushing {image}"):
        client.api.tag(image, repository, tag)
    with _asking(registry, f"pushing {repository}:{tag}"):
        sent = client.api.push(repository, tag=tag, stream=True, decode=True, auth_config=registry.account)
        for event in _events(sent, registry, f"pushing {repository}:{tag}"):
            digest = (event.get("aux") or {}).get("Digest", digest)
    if not re.fullmatch(DIGEST, digest):
        raise gone(f"pushing {repository}:{tag}", "its output ended without a digest")
    pushed = f"{repository}@{digest}"
    require_same(pull(client, pushed, registry), image, pushed)
    return pushed


def pull(client: docker.DockerClient, pushed: str, registry: Registry) -> str:
    """Have the engine fetch an image by its digest; of one that it has, the manifest alone.

    Args:
        client: The SDK's client.
        pushed: `host/repository@sha256:…`.
        registry: Where it lies.

    Returns:
        The image's ID at the engine.

    Raises:
        RegistryRefused: It lies elsewhere, the registry does not give it, or it has none of that digest.
        RegistryUnreachable: The registry does not answer the engine.
        EngineUnavailable: The engine went away.
    """
    repository, _, digest = pushed.partition("@")
    if not repository.startswith(f"{registry.address}/") or not re.fullmatch(DIGEST, digest):
        # Nobody else is shown the password.
        raise RegistryRefused(
            "the image does not lie in the registry of the connection", where=pushed,
            expected=f"{registry.address}/…@sha256:…", got=repository,
            next_step="let CONTENDER_REGISTRY name the connection to the registry that it was pushed to",
        )  # fmt: skip
    with _asking(registry, f"pulling {pushed}"):
        sent = client.api.pull(repository, tag=digest, stream=True, decode=True, auth_config=registry.account)
        for event in _events(sent, registry, f"pulling {pushed}"):
            log.debug("%s", event.get("status", ""))
    return holding(client, pushed) or "no image of a model"


def holding(client: docker.DockerClient, pushed: str) -> str:
    """The ID of the image that the engine has from a registry by this digest; empty where it has none.

    Args:
        client: The SDK's client.
        pushed: `host/repository@sha256:…`.

    Raises:
        ImageFailed: The engine refused.
        EngineUnavailable: The engine went away.
    """
    # Not asked for by this name: the SDK escapes the `@`, and the stack's proxy takes nothing that is escaped.
    with calling(f"looking for {pushed}"):
        models = client.api.images(filters={"label": [MODEL]})
    named = _familiar(pushed)
    return next((str(one["Id"]) for one in models if named in map(_familiar, one.get("RepoDigests") or [])), "")


def _familiar(name: str) -> str:
    """A name as the engine lists it: it leaves out Docker Hub's host, and the folder of its own images."""
    return re.sub(r"^(?:(?:index\.)?docker\.io/)?(?:library/)?", "", name)


def require_same(found: str, expected: str, pushed: str) -> None:
    """Refuse an image that is not the one that was built and proven.

    Raises:
        RegistryRefused: It is another one.
    """
    if found != expected:
        raise RegistryRefused(
            "the registry has another image than the one that was proven", where=pushed, expected=expected, got=found,
            next_step="find out who writes to this repository; nothing of it was promoted or started",
        )  # fmt: skip


def _events(stream: Iterable[dict[str, Any]], registry: Registry, doing: str) -> Iterator[Mapping[str, Any]]:
    """What the engine tells while it pushes or pulls; an error among it is raised once the call is over."""
    refused: list[object] = []
    for event in stream:
        if "error" in event:
            refused.append(event["error"])
        yield event
    if refused:
        raise _refused(registry, doing, refused[0])


@contextmanager
def _asking(registry: Registry, doing: str) -> Iterator[None]:
    """Turn what the SDK raises inside into the platform's errors."""
    try:
        yield
    except docker.errors.APIError as error:
        # Not as its cause, which would show the text as it came.
        raise _refused(registry, doing, error.explanation or error) from None
    except (docker.errors.DockerException, *GONE) as error:
        raise gone(doing, registry.without_secrets(error)) from None


def _refused(registry: Registry, doing: str, said: object) -> RegistryRefused | RegistryUnreachable:
    got = registry.without_secrets(said)
    if AWAY.search(got):
        return RegistryUnreachable(
            "the registry does not answer", where=doing, expected=f"a registry at {registry.address}", got=got,
            next_step="start it or correct the connection's host, then clear the task; nothing was promoted or started",
        )  # fmt: skip
    return RegistryRefused(
        "the registry refused", where=doing,
        expected=f"leave for {registry.user or 'anybody'} to push and pull below {registry.address}", got=got,
        next_step="correct login, password or rights of the connection that CONTENDER_REGISTRY names, and clear the "
        "task; nothing was promoted or started",
    )  # fmt: skip
