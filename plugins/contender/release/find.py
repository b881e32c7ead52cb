"""Which release is meant, and what lies in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contender.adapters.tracking import Tracking
from contender.core import naming
from contender.core.errors import ReleaseBroken, ReleaseMissing
from contender.core.inventory import SBOM
from contender.core.manifest import MANIFEST, Release
from contender.core.provenance import PROVENANCE
from contender.core.settings import Settings


@dataclass(frozen=True)
class Held:
    """A release as it lies there, right or not.

    Attributes:
        folder: Where.
        places: The platform's places, where everything else of it is looked for.
        manifest, sbom, envelope: The bytes of its files; empty where one is absent.
        named: `model/version` that was asked for; empty where its path was.
    """

    folder: Path
    places: Settings
    manifest: bytes
    sbom: bytes
    envelope: bytes
    named: str = ""

    @property
    def release(self) -> Release:
        """What the manifest says, whether or not it is the signed one.

        Raises:
            ReleaseBroken: It cannot be read.
        """
        try:
            return Release.model_validate_json(self.manifest)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise ReleaseBroken(
                "the manifest cannot be read", where=str(self.folder / MANIFEST), expected="a release",
                got=f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if self.manifest else "no file",
                next_step="restore the release from a backup",
            ) from error  # fmt: skip


def held(asked: str, places: Settings) -> Held:
    """A release by name.

    Args:
        asked: `model/version`, `model` for its champion, or the path of a release's folder or of its manifest.
        places: The platform's places.

    Raises:
        ReleaseMissing: There is none of that name.
        ContenderError: The model has no champion.
    """
    folder = _folder(asked, places)
    files = [folder / name for name in (MANIFEST, SBOM, PROVENANCE)]
    if not any(file.is_file() for file in files):
        there = sorted(f"{path.parts[-3]}/{path.parts[-2]}" for path in places.releases.glob(f"*/*/{MANIFEST}"))
        raise ReleaseMissing(
            "there is no such release", where=str(folder),
            expected="model/version, a model with a champion, or the path of a release's folder",
            got=asked, next_step=f"say RELEASE=<one of these>: {', '.join(there) or 'there is none yet'}",
        )  # fmt: skip
    named = f"{folder.parent.name}/{folder.name}" if folder.parent.parent == places.releases else ""
    manifest, sbom, envelope = (file.read_bytes() if file.is_file() else b"" for file in files)
    return Held(folder, places, manifest, sbom, envelope, named)


def _folder(asked: str, places: Settings) -> Path:
    path = Path(asked)
    if path.name == MANIFEST:
        return path.parent
    # A path says so: `flight_delay/1` may well be a folder of wherever one happens to stand.
    if path.is_absolute() or asked.startswith("."):
        return path
    named = places.releases / asked
    if "/" in asked or not named.is_dir():
        return named if "/" in asked else named / "none"
    return named / Tracking(asked).required(naming.CHAMPION).version
