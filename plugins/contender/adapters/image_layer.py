"""One layer on an image that the engine has already, as an archive for it to load.

What is in the archive follows from the layer's files and the image below alone: entries in order, owned by root, of no
time. So does the new image's configuration, whose SHA-256 is the image's digest (OCI image specification, "Image ID"):
the same files on the same image are the same image, whoever loads it and when.

The layers below are named and left out. Docker's own image store takes them from the image that it has; containerd's
wants all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from contender.core.archive import archive_of

TIMELESS = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Layered:
    """An image in an archive.

    Attributes:
        digest: Its ID at the engine, `sha256:…`.
        archive: What the engine is to load.
    """

    digest: str
    archive: bytes


def layered(files: Mapping[str, bytes], labels: Mapping[str, str], below: Mapping[str, Any]) -> Layered:
    """The image that has files on top of another one.

    Args:
        files: Content by path below the root; they and their folders can be read by all.
        labels: Labels of the image, over those of the one below.
        below: The other one as the engine describes it (`GET /images/<name>/json`).
    """
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents} - {"."}
    layer = archive_of(files, folders)
    below_it: list[str] = below["RootFS"]["Layers"]
    layers = [*below_it, f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    config = json.dumps(
        {
            "architecture": below["Architecture"],
            "os": below["Os"],
            "created": TIMELESS,
            "config": below["Config"] | {"Labels": (below["Config"].get("Labels") or {}) | dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": layers},
            "history": [{"created": TIMELESS, "created_by": "contender"} for _ in layers],
        },
        sort_keys=True,
    ).encode()
    digest = hashlib.sha256(config).hexdigest()
    names = [f"{one.removeprefix('sha256:')}.tar" for one in layers]
    manifest = json.dumps([{"Config": f"{digest}.json", "RepoTags": None, "Layers": names}]).encode()
    return Layered(
        f"sha256:{digest}", archive_of({"manifest.json": manifest, f"{digest}.json": config, names[-1]: layer})
    )
