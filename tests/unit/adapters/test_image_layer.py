from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from contender.adapters.image_layer import layered

BELOW: dict[str, Any] = {
    "Architecture": "amd64", "Os": "linux", "RootFS": {"Layers": [f"sha256:{'a' * 64}"]},
    "Config": {"User": "10001:10001", "Labels": {"title": "runtime", "kept": "yes"}},
}  # fmt: skip
FILES = {"bundle/model.onnx": b"m", "bundle/more/about.json": b"{}"}
LABELS = {"title": "churn"}


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        return {entry.name: (found.extractfile(entry) or io.BytesIO()).read() for entry in found}


def test_same_files_on_the_same_image_are_the_same_image_in_whatever_order_they_come() -> None:
    assert layered(dict(reversed(FILES.items())), LABELS, BELOW) == layered(FILES, LABELS, BELOW)


@pytest.mark.parametrize(
    ("files", "labels", "below"),
    [
        ({**FILES, "bundle/model.onnx": b"n"}, LABELS, BELOW),
        (FILES, {"title": "other"}, BELOW),
        (FILES, LABELS, {**BELOW, "RootFS": {"Layers": [f"sha256:{'b' * 64}"]}}),
        (FILES, LABELS, {**BELOW, "Config": {"User": "root"}}),
    ],
    ids=["file", "label", "image below", "its configuration"],
)
def test_anything_else_is_another_image(files: dict[str, bytes], labels: dict[str, str], below: dict[str, Any]) -> None:
    assert layered(files, labels, below).digest != layered(FILES, LABELS, BELOW).digest


def test_archive_has_the_new_layer_and_names_the_one_below() -> None:
    made = layered(FILES, LABELS, BELOW)
    found = members(made.archive)
    ((manifest,), config_name) = (json.loads(found["manifest.json"]), f"{made.digest.removeprefix('sha256:')}.json")
    assert manifest["Config"] == config_name
    assert manifest["RepoTags"] is None
    below, new = manifest["Layers"]
    assert below == f"{'a' * 64}.tar"
    assert found.keys() == {"manifest.json", config_name, new}
    assert hashlib.sha256(found[config_name]).hexdigest() == config_name.removesuffix(".json")
    config = json.loads(found[config_name])
    assert config["config"] == {"User": "10001:10001", "Labels": {"title": "churn", "kept": "yes"}}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{'a' * 64}", f"sha256:{hashlib.sha256(found[new]).hexdigest()}"]


def test_layer_has_its_folders_all_of_root_and_of_no_time() -> None:
    made = members(layered(FILES, LABELS, BELOW).archive)
    (layer,) = (content for name, content in made.items() if name.endswith(".tar"))
    with tarfile.open(fileobj=io.BytesIO(layer)) as found:
        entries = {entry.name: (entry.isdir(), entry.mode, entry.uid, entry.gid, entry.mtime) for entry in found}
    assert entries == {
        "bundle": (True, 0o755, 0, 0, 0),
        "bundle/model.onnx": (False, 0o644, 0, 0, 0),
        "bundle/more": (True, 0o755, 0, 0, 0),
        "bundle/more/about.json": (False, 0o644, 0, 0, 0),
    }
