"""Which release somebody means: a manifest, its folder, a version, or a model's champion."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from contender.core import decisions
from contender.core.errors import ReleaseMissing, some
from contender.core.manifest import MANIFEST, Release
from contender.core.settings import Settings

FORMS = f"a {MANIFEST}, its folder, <model>/<version>, or <model> for its champion"


def find(asked: str, place: Settings) -> Path:
    """The manifest that is meant.

    Args:
        asked: What was said. What is a path comes before a release of the same name in the home.
        place: The home whose releases may be named by model and version.

    Raises:
        ReleaseMissing: There is none.
        DecisionLogBroken: The log that says which version is the champion does not hold.
    """
    path, (model, _, version) = Path(asked).expanduser(), asked.strip("/").partition("/")
    for one in (path, path / MANIFEST):
        if asked and one.is_file():
            return one.resolve()
    folder = place.releases / model if model else place.releases
    if not version and folder.is_dir() and model:
        version = _champion(model, place)
    manifest = folder / version / MANIFEST
    if not version or not manifest.is_file():
        there = sorted(f"{one.parent.parent.name}/{one.parent.name}" for one in place.releases.glob(f"*/*/{MANIFEST}"))
        raise ReleaseMissing(
            "there is no such release", where="RELEASE",
            expected=f"{FORMS}; in {place.releases}: {some(there) or 'none'}",
            got=repr(asked), next_step="name one of these, or the path of a manifest from elsewhere",
        )  # fmt: skip
    return manifest.resolve()


def _champion(model: str, place: Settings) -> str:
    """The version that was promoted last, by the decision log."""
    records = decisions.verify(place.decisions / f"{model}.jsonl")
    promoted = [record.subject.removeprefix("version ") for record in records if record.kind == "promotion"]
    return promoted[-1] if promoted else ""


def read(manifest: Path) -> Release:
    """A manifest's content.

    Raises:
        ReleaseMissing: It is no manifest.
    """
    try:
        return Release.model_validate(json.loads(manifest.read_bytes()))
    except (ValidationError, ValueError) as error:
        field, got = "", str(error)
        if isinstance(error, ValidationError):
            problem = error.errors(include_url=False)[0]
            field, got = ".".join(map(str, problem["loc"])), problem["msg"]
        raise ReleaseMissing(
            "the release manifest cannot be read", where=f"{manifest} {field}".strip(), expected="a release's manifest",
            got=got, next_step="restore the file as it was written",
        ) from error  # fmt: skip


def of_this_home(manifest: Path, release: Release, place: Settings) -> bool:
    """Whether it is a release of this home, whose tables its versions speak of: the very file, or a copy of it."""
    own = place.releases / release.model / release.version / MANIFEST
    return own.is_file() and own.read_bytes() == manifest.read_bytes()
