"""What lies beside a release's manifest, and what speaks against releasing it: packages, signature, digests."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contender.core.errors import PromotionRefused
from contender.core.inventory import FORM, SBOM, Inventory, Package, Runtime
from contender.core.lineage import sha256
from contender.core.manifest import MANIFEST, Release, canonical
from contender.core.provenance import PROVENANCE, statement
from contender.core.results import ImageProof
from contender.core.settings import Settings
from contender.core.vulnerabilities import Scan, policy_of
from contender.core.whole import write_whole

log = logging.getLogger(__name__)


def known_packages(runtime: str, places: Settings) -> tuple[Package, ...] | None:
    """What was found in a runtime image before, by its ID; `None` where it is to be looked for."""
    path = _packages_of(runtime, places)
    if not path.is_file():
        return None
    try:
        found = Runtime.model_validate_json(path.read_bytes())
    except ValidationError as error:
        log.warning("%s cannot be used, and is made anew: %s", path, error)
        return None
    return found.packages if found.digest == runtime else None


def keep_packages(runtime: str, packages: tuple[Package, ...], places: Settings) -> None:
    """Keep what was found in a runtime image for the next model on it."""
    write_whole(_packages_of(runtime, places), canonical(Runtime(digest=runtime, packages=packages).facts()))


def _packages_of(runtime: str, places: Settings) -> Path:
    return places.sboms / f"runtime-{runtime.removeprefix('sha256:')}.{FORM}.json"


def inventoried(returned: Any, places: Settings) -> tuple[Inventory, Scan]:
    """What `image.inventory` returned; what was found is judged by the policy as it is now."""
    scan = Scan.model_validate(returned["vulnerabilities"])
    now = scan.model_copy(update={"policy": policy_of(places.vulnerabilities)})
    return Inventory.model_validate(returned["inventory"]), now


def digests_of_bundle(tracking: Any, version: Any) -> dict[str, str]:
    """SHA-256 of each file of a version's bundle, by name."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = tracking.bundle(version, Path(folder))
        return {path.name: sha256(path.read_bytes()) for path in sorted(bundle.iterdir())}


def require_releasable(release: Release) -> None:
    """Refuse a release whose bill of materials is of another image, or whose packages the policy does not let pass.

    Raises:
        PromotionRefused: Either.
    """
    listed, image = release.inventory, release.image
    where = f"{release.model} version {release.version}"
    if listed is None or listed.image_digest != _digest(image):
        raise PromotionRefused(
            "the bill of materials is not the image's", where=where, expected=_digest(image) or "one without an image",
            got=(listed.image_digest or "one without an image") if listed else "none",
            next_step="clear image.inventory",
        )  # fmt: skip
    found = release.vulnerabilities
    if found is None or found.objection:
        raise PromotionRefused(
            "known vulnerabilities stand in the way", where=where,
            expected="packages that the policy of CONTENDER_VULNERABILITIES lets pass",
            got=found.objection if found else "not scanned",
            next_step="raise the packages in the serving lock, or list what does no harm here with a reason in "
            "vulnerabilities.toml; then, or where the database could not be reached, clear image.inventory",
        )  # fmt: skip


def files_of(release: Release, places: Settings) -> dict[str, bytes]:
    """The release's files by name, in the order in which they are to be written.

    Raises:
        PromotionRefused: The bill of materials is gone.
        SigningKeyUnusable: There is no key to sign with.
    """
    from contender.adapters import attestation, signing

    if release.inventory is None:  # an attempt of an earlier version of the platform wrote the manifest
        return {MANIFEST: release.text()}
    kept = places.sboms / f"{release.inventory.sbom_digest}.json"
    sbom = kept.read_bytes() if kept.is_file() else b""
    if sha256(sbom) != release.inventory.sbom_digest:
        raise PromotionRefused(
            "the bill of materials is not the one that image.inventory made", where=str(kept),
            expected=f"SHA-256 {release.inventory.sbom_digest}", got=sha256(sbom) if sbom else "no file",
            next_step="clear image.inventory",
        )  # fmt: skip
    manifest = release.text()
    signed = signing.sign(attestation.payload(statement(release, manifest, sbom)), signing.signer(places))
    return {SBOM: sbom, MANIFEST: manifest, PROVENANCE: signed}


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write a release's files, each whole or not at all: the signature last, when what it speaks of is there."""
    for name, content in files.items():
        write_whole(folder / name, content)


def _digest(image: ImageProof | None) -> str:
    return image.digest if image else ""
