"""Which archives the engine may be given to load: one model's layer on an image that is there, under no name."""

from __future__ import annotations

import io
import json
import re
import tarfile
from typing import Any

from contender.core.archive import archive_of
from contender.core.errors import EngineCallRefused
from contender.engine_proxy.rules import MODEL
from contender.engine_proxy.strict import parsed

MANIFEST = "manifest.json"
CONFIG, LAYER = r"[0-9a-f]{64}\.json", r"[0-9a-f]{64}\.tar"


def model_archive(raw: bytes) -> bytes:
    """The archive to load in the place of another one, put together anew from what was understood of it.

    It gives the image no name: names are set by the call for them, which is looked at by itself.

    Raises:
        EngineCallRefused: It is anything but a manifest, a model's configuration and one layer.
    """
    files = _files(raw)
    config, layers = _manifest(files.get(MANIFEST, b""))
    if files.keys() != {MANIFEST, config, layers[-1]}:
        raise _refused(f"{MANIFEST}, {config} and {layers[-1]}", ", ".join(sorted(files)))
    settings = parsed(files[config]).get("config")
    labels = settings.get("Labels") if isinstance(settings, dict) else None
    if not isinstance(labels, dict) or MODEL not in labels:
        raise _refused(f"a configuration with the label {MODEL}", str(labels)[:200])
    manifest = json.dumps([{"Config": config, "RepoTags": None, "Layers": layers}]).encode()
    return archive_of({**files, MANIFEST: manifest})


def _files(raw: bytes) -> dict[str, bytes]:
    """The regular files of a tar, each of another name."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
            for entry in archive:
                # A sparse one unpacks to more than was sent.
                content = archive.extractfile(entry) if entry.isreg() and not entry.issparse() else None
                if content is None or entry.name in files:
                    raise _refused("regular files, each of another name", entry.name)
                files[entry.name] = content.read()
    except (tarfile.TarError, ValueError) as error:
        raise _refused("a tar that is not packed", str(error)) from error
    return files


def _manifest(raw: bytes) -> tuple[str, list[str]]:
    """The names of the configuration and of the layers, the new one last."""
    (image,) = _one(raw)
    config, layers, tags = image.get("Config"), image.get("Layers"), image.get("RepoTags")
    named = isinstance(layers, list) and all(isinstance(one, str) and re.fullmatch(LAYER, one) for one in layers)
    if not (isinstance(config, str) and re.fullmatch(CONFIG, config) and layers and named):
        raise _refused("a configuration and layers, named by their digests", raw[:200].decode("utf-8", "replace"))
    if tags:
        raise _refused("an image without a name", str(tags)[:200])
    return config, layers


def _one(raw: bytes) -> list[dict[str, Any]]:
    """The manifest of one image: a list with one object."""
    inner = raw.strip()
    if not (inner.startswith(b"[") and inner.endswith(b"]")):
        raise _refused("the manifest of one image", raw[:200].decode("utf-8", "replace"))
    return [parsed(inner[1:-1])]


def _refused(expected: str, got: str) -> EngineCallRefused:
    return EngineCallRefused(
        "this archive is not loaded", where="images/load", expected=expected, got=got,
        next_step="docs/decisions/0028 says what is allowed, and why",
    )  # fmt: skip
