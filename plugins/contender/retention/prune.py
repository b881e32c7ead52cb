"""Prune: remove from the engine the images of a model that the policy lets go."""

from __future__ import annotations

from dataclasses import dataclass

from contender.adapters.containers import Engine
from contender.adapters.engine_images import ModelImage, owner_key
from contender.adapters.model_versions import aliases, known_versions
from contender.core import decisions, retention
from contender.core.errors import ReleaseMissing
from contender.core.manifest import MANIFEST, Release
from contender.core.retention import Known, Policy
from contender.core.settings import Settings


@dataclass(frozen=True)
class Fate:
    """What becomes of an image, and why."""

    image: ModelImage
    kept: bool
    reason: str

    def __str__(self) -> str:
        names = [tag for tag in self.image.tags if ":of-" not in tag] or [self.image.digest]
        return f"{names[0]} ({self.image.digest[7:19]}): {self.reason}"


def plan(model: str, engine: Engine, places: Settings, policy: Policy) -> list[Fate]:
    """What would become of each image of a model that is on the engine.

    Raises:
        DecisionLogBroken, ReleaseMissing, TrackingUnreachable, EngineUnavailable: It is not known what must stay.
    """
    images = engine.model_images(model)
    if not images:
        return []
    known, used = _known(model, places), engine.in_use()
    fates, mine = retention.judge(known, policy), owner_key(places.owner)
    named = {release.image.digest: release.version for release in known.releases if release.image is not None}
    return [_fate(image, known, fates, used, mine, named) for image in images]


def prune(fates: list[Fate], engine: Engine) -> list[Fate]:
    """Remove what is to go; what came of each. The engine keeps an image that a container is of by now."""
    done = []
    for fate in fates:
        refused = "" if fate.kept else engine.discard(fate.image)
        done.append(Fate(fate.image, True, f"the engine keeps it: {refused}") if refused else fate)
    return done


def _fate(
    image: ModelImage,
    known: Known,
    fates: retention.Fates,
    used: dict[str, str],
    mine: str,
    named: dict[str, str],
) -> Fate:
    others = image.claimed_by - {mine}
    if image.digest in used:
        return Fate(image, True, f"the container {used[image.digest]} is of it")
    # A release's image is known by its digest, another one by the version and the model that are in it.
    version = named.get(image.digest, image.version)
    registered = known.versions.get(version)
    if registered is None or (image.digest not in named and registered != image.model_digest):
        return Fate(image, True, "it is of no version that this platform registered")
    if version in fates.kept:
        return Fate(image, True, fates.kept[version])
    if others:
        return Fate(image, True, f"another platform on this engine has released it ({', '.join(sorted(others))})")
    return Fate(image, False, fates.removed[version])


def _known(model: str, places: Settings) -> Known:
    log = places.decisions / f"{model}.jsonl"
    return Known(
        versions=known_versions(model), aliases=aliases(model), releases=_releases(model, places),
        records=decisions.verify(log) if log.exists() else (),
    )  # fmt: skip


def _releases(model: str, places: Settings) -> tuple[Release, ...]:
    found = []
    for path in sorted((places.releases / model).glob(f"*/{MANIFEST}")):
        try:
            found.append(Release.model_validate_json(path.read_bytes()))
        except ValueError as error:
            raise ReleaseMissing(
                "a release manifest cannot be read", where=str(path), expected="a manifest of this platform",
                got=str(error).splitlines()[0], next_step="restore it from a backup; nothing was removed",
            ) from error  # fmt: skip
    return tuple(found)
