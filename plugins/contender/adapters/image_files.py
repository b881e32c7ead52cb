"""Files of an image, read by the engine's own archive call from a container of it that is never started."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker

from contender.adapters.containers import Engine
from contender.adapters.engine_calls import calling
from contender.adapters.served import HARDENED, PROOF_OF, PURPOSE


@dataclass(frozen=True)
class ImageFiles:
    """An image that can be looked into.

    Attributes:
        environment: Its variables.
        container: The SDK's container of it, created and not started.
    """

    environment: dict[str, str]
    container: Any

    def read(self, path: str, *, only: str = "") -> dict[str, bytes]:
        """The files at a path by their own, which is absolute; none where there is no such path.

        A folder comes as one stream, of which only what is asked for is kept.

        Args:
            path: A file or folder.
            only: Regular expression of the paths to keep, searched for in them; empty: all.

        Raises:
            ImageFailed, EngineUnavailable: The engine does not hand them out.
        """
        with calling(f"reading {path} of an image"):
            try:
                stream, _ = self.container.get_archive(path)
            except docker.errors.NotFound:
                return {}
            above, found = path.rpartition("/")[0], {}
            with io.BufferedReader(_Stream(stream)) as parts, tarfile.open(fileobj=parts, mode="r|") as archive:
                for entry in archive:
                    name = f"{above}/{entry.name}"
                    if entry.isfile() and re.search(only, name) and (content := archive.extractfile(entry)):
                        found[name] = content.read()
            return found


@contextmanager
def files_of(engine: Engine, image: str, *, network: str = "", look: str) -> Iterator[ImageFiles]:
    """An image's files until the block ends.

    Args:
        engine: The engine that has it.
        image: Tag or digest.
        network: Docker network that a container must name where the engine is reached by the stack's proxy.
        look: What this look is for, the same at every attempt: what a killed attempt left is removed first.

    Raises:
        ImageFailed, EngineUnavailable: There is no such image, or the engine went away.
    """
    client, labels = engine.client, {PURPOSE: "proof", PROOF_OF: look}
    with calling(f"looking into {image}"):
        filters = {"label": [f"{name}={value}" for name, value in labels.items()]}
        for left in client.containers.list(all=True, filters=filters):
            left.remove(force=True)
        made = client.containers.create(image, labels=labels, network_mode=network or "none", **HARDENED)
    try:
        said = made.attrs["Config"]["Env"] or []
        yield ImageFiles(dict(one.partition("=")[::2] for one in said), made)
    finally:
        with calling(f"looking into {image}"):
            made.remove(force=True)


class _Stream(io.RawIOBase):
    """The parts of a stream as the file that `tarfile` reads."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts, self._held = iter(parts), memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, into: Any) -> int:
        """As much as there is of one part."""
        while not self._held and (part := next(self._parts, None)) is not None:
            self._held = memoryview(part)
        size = min(len(into), len(self._held))
        into[:size], self._held = self._held[:size], self._held[size:]
        return size
