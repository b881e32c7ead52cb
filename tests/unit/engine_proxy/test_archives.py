from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from contender.adapters.image_layer import layered
from contender.core.archive import archive_of
from contender.core.errors import EngineCallRefused
from contender.engine_proxy.archives import model_archive

BELOW: dict[str, Any] = {
    "Architecture": "amd64", "Os": "linux", "RootFS": {"Layers": [f"sha256:{'a' * 64}"]}, "Config": {"Labels": None},
}  # fmt: skip
MADE = layered({"bundle/model.onnx": b"m"}, {"contender.model": "churn"}, BELOW)


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        return {entry.name: (found.extractfile(entry) or io.BytesIO()).read() for entry in found}


FILES = members(MADE.archive)
CONFIG = f"{MADE.digest.removeprefix('sha256:')}.json"
MANIFEST: dict[str, Any] = json.loads(FILES["manifest.json"])[0]


def with_manifest(*images: dict[str, Any]) -> bytes:
    return archive_of({**FILES, "manifest.json": json.dumps(images).encode()})


def linked() -> bytes:
    out = io.BytesIO(MADE.archive)
    with tarfile.open(fileobj=out, mode="a") as archive:
        entry = tarfile.TarInfo("manifest.json")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    return out.getvalue()


def twice() -> bytes:
    out = io.BytesIO(MADE.archive)
    with tarfile.open(fileobj=out, mode="a") as archive:
        content = json.dumps([{**MANIFEST, "RepoTags": ["postgres:15"]}]).encode()
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def test_archive_of_the_adapter_is_let_through_as_it_was_meant() -> None:
    assert members(model_archive(MADE.archive)) == FILES


def test_archive_that_names_its_image_in_another_spelling_gives_it_no_name() -> None:
    unnamed = {name: value for name, value in MANIFEST.items() if name != "RepoTags"}
    found = members(model_archive(with_manifest({**unnamed, "repotags": ["postgres:15"]})))
    assert json.loads(found["manifest.json"]) == [MANIFEST]


HOSTILE = {
    "a name": (with_manifest({**MANIFEST, "RepoTags": ["postgres:15"]}), "an image without a name"),
    "a name in two spellings": (with_manifest({**MANIFEST, "repotags": ["postgres:15"]}), "given twice: repotags"),
    "two images": (with_manifest(MANIFEST, MANIFEST), "once|object"),
    "no image": (with_manifest(), "object"),
    "no manifest": (archive_of({name: text for name, text in FILES.items() if name != "manifest.json"}), "manifest of"),
    "a manifest twice": (twice(), "each of another name"),
    "a link": (linked(), "regular files"),
    "a path": (with_manifest({**MANIFEST, "Layers": ["../../etc/passwd"]}), "named by their digests"),
    "another file": (archive_of({**FILES, "repositories": b"{}"}), "got: .*repositories"),
    "the layer below": (archive_of({**FILES, f"{'a' * 64}.tar": b"x"}), "got: .*aaaa"),
    "no model": (layered({"a": b"m"}, {}, BELOW).archive, "the label contender.model"),
    "no tar": (b"x" * 1024, "a tar"),
    "nothing": (b"", "a tar"),
}


@pytest.mark.parametrize(("raw", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_archive_that_is_anything_else_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(EngineCallRefused, match=said):
        model_archive(raw)
