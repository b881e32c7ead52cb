"""The models' images on an engine: which there are, which a container is of, who has released them, and removal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import docker

from contender.adapters.engine_calls import calling
from contender.adapters.registry import MODEL
from contender.core.naming import image_repository

VERSION, MODEL_DIGEST = "contender.version", "contender.model-digest"
CONTAINERS_OF_OURS = {"label": ["contender.purpose"]}
# The tag `of-<platform>-<image>`: a platform's release names the image.
CLAIM = "of-"
SHORT = 12
FORBIDDEN, CONFLICT = 403, 409


@dataclass(frozen=True)
class ModelImage:
    """An image of a model, as its labels tell.

    Attributes:
        digest: Its ID.
        model, version, model_digest: Whose it is; the last is the SHA-256 of the stored model.
        tags: Its names at the engine.
    """

    digest: str
    model: str
    version: str
    model_digest: str
    tags: tuple[str, ...]

    @property
    def claimed_by(self) -> frozenset[str]:
        """The platforms that have released it, as `owner_key` writes them."""
        names = (tag.rpartition(":")[2] for tag in self.tags)
        return frozenset(name.split("-")[1] for name in names if name.startswith(CLAIM))


def owner_key(owner: str) -> str:
    """A platform, as a tag names it."""
    return hashlib.sha256(owner.encode()).hexdigest()[:SHORT]


def claim(model: str, owner: str, image: str) -> str:
    """The tag by which a platform says that a release of its own names the image."""
    return f"{image_repository(model)}:{CLAIM}{owner_key(owner)}-{image.removeprefix('sha256:')[:SHORT]}"


def tag(client: docker.DockerClient, image: str, name: str) -> None:
    """Give an image one more name; having it already changes nothing.

    Raises:
        ImageFailed: The engine refused.
        EngineUnavailable: The engine went away.
    """
    repository, _, version = name.rpartition(":")
    with calling(f"tagging {image} as {name}"):
        client.api.tag(image, repository, version)


def model_images(client: docker.DockerClient, model: str) -> list[ModelImage]:
    """The images that bear a model's label, whoever built them.

    Raises:
        ImageFailed: The engine refused.
        EngineUnavailable: The engine went away.
    """
    with calling(f"listing the images of {model}"):
        found = client.api.images(filters={"label": [f"{MODEL}={model}"]})
    images = []
    for one in found:
        labels, names = one.get("Labels") or {}, one.get("RepoTags") or []
        images.append(ModelImage(
            digest=one["Id"], model=model, version=labels.get(VERSION, ""), model_digest=labels.get(MODEL_DIGEST, ""),
            tags=tuple(sorted(name for name in names if not name.startswith("<none>"))),
        ))  # fmt: skip
    return sorted(images, key=lambda image: (len(image.version), image.version, image.digest))


def in_use(client: docker.DockerClient) -> dict[str, str]:
    """The name of a container, running or not, by the ID of its image.

    The proxy of the stack shows our own containers alone; of images that others run, the engine itself refuses the
    removal.

    Raises:
        ImageFailed: The engine refused.
        EngineUnavailable: The engine went away.
    """
    with calling("listing the containers"):
        try:
            found = client.api.containers(all=True)
        except docker.errors.APIError as error:
            if error.status_code != FORBIDDEN:
                raise
            found = client.api.containers(all=True, filters=CONTAINERS_OF_OURS)
    return {one["ImageID"]: (one.get("Names") or [one["Id"]])[0].lstrip("/") for one in found}


def discard(client: docker.DockerClient, image: ModelImage) -> str:
    """Take an image's names away one by one, and with the last the image; never by force.

    Returns:
        Why the engine keeps it, where a container is of it; otherwise nothing.

    Raises:
        ImageFailed: The engine refused for another reason.
        EngineUnavailable: The engine went away.
    """
    # The name that it was built under goes last: it is what stays where the engine keeps the image.
    own = f"{image_repository(image.model)}:"
    ordered = sorted(image.tags, key=lambda name: (name.startswith(own), not name.startswith(f"{own}{CLAIM}"), name))
    with calling(f"removing {image.digest}"):
        for name in (*ordered, image.digest):
            try:
                client.api.remove_image(name)
            except docker.errors.ImageNotFound:
                continue  # gone with the name before, or by another hand
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise
                return str(error.explanation)
    return ""
