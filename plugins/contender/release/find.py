"""Which release is meant, and what lies in its folder: the one way for all that is asked about a release by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contender.core import naming
from contender.core.errors import ReleaseBroken, ReleaseMissing, some
from contender.core.inventory import SBOM
from contender.core.manifest import MANIFEST, Release
from contender.core.provenance import PROVENANCE
from contender.core.settings import Settings

FORMS = "<model>/<version>, <model> for its champion, or the path of a release's folder or of its manifest"
NAME_PARTS = 2  # of <model>/<version>


@dataclass(frozen=True)
class Held:
    """A release as it lies there, right or not.

    Attributes:
        folder: Where, an absolute path.
        places: The platform's places, where everything else of it is looked for.
        manifest, sbom, envelope: The bytes of its files; empty where one is absent.
        named: `model/version` by the place where it lies; empty where that is none of the home's.
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
        return read(self.folder / MANIFEST, self.manifest)

    @property
    def of_this_home(self) -> bool:
        """Whether it is a release of this home, whose tables its versions speak of: the very file, or a copy of it."""
        own = self.places.releases / self.release.model / self.release.version / MANIFEST
        return own.is_file() and own.read_bytes() == self.manifest


def held(asked: str, places: Settings) -> Held:
    """A release by name.

    Args:
        asked: `model/version`, `model` for its champion, or the path of a release's folder or of its manifest. A path
            says that it is one: it begins with `/`, `.` or `~`, ends with the manifest's name, or has more parts than a
            name has. `flight_delay/1` may well be a folder of wherever one happens to stand, and is not meant then.
        places: The platform's places.

    Raises:
        ReleaseMissing: There is none of that name.
        TrackingUnreachable: MLflow does not say which version is the champion.
    """
    folder = _folder(asked, places)
    files = [folder / name for name in (MANIFEST, SBOM, PROVENANCE)]
    if not any(file.is_file() for file in files):
        raise _missing(asked, f"nothing in {folder}", places)
    named = f"{folder.parent.name}/{folder.name}" if folder.parent.parent == places.releases.resolve() else ""
    manifest, sbom, envelope = (file.read_bytes() if file.is_file() else b"" for file in files)
    return Held(folder, places, manifest, sbom, envelope, named)


def read(manifest: Path, content: bytes) -> Release:
    """What a manifest says.

    Args:
        manifest: Where it lies.
        content: Its bytes; empty where there is none.

    Raises:
        ReleaseBroken: It cannot be read.
    """
    try:
        return Release.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ReleaseBroken(
            "the manifest cannot be read", where=str(manifest), expected="a release",
            got=f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if content else "no file",
            next_step="restore the release from a backup",
        ) from error  # fmt: skip


def _folder(asked: str, places: Settings) -> Path:
    path, parts = Path(asked).expanduser(), asked.strip("/").split("/")
    if asked[:1] in {"/", ".", "~"} or path.name == MANIFEST or len(parts) > NAME_PARTS:
        return (path.parent if path.name == MANIFEST else path).resolve()
    model, *version = parts
    releases = places.releases.resolve()
    if not model or not (releases / model).is_dir():
        raise _missing(asked, f"no release of {model!r}", places)
    return releases / model / (version[0] if version else _champion(model, places))


def _champion(model: str, places: Settings) -> str:
    """The version that bears the alias, which is what a champion is, whatever was promoted last."""
    from contender.adapters.model_versions import aliases

    for version, names in aliases(model).items():
        if naming.CHAMPION in names:
            return version
    raise _missing(model, f"no version of {model} bears the alias {naming.CHAMPION}", places)


def _missing(asked: str, got: str, places: Settings) -> ReleaseMissing:
    there = sorted(f"{path.parts[-3]}/{path.parts[-2]}" for path in places.releases.glob(f"*/*/{MANIFEST}"))
    return ReleaseMissing(
        "there is no such release", where=f"RELEASE={asked}", expected=FORMS, got=got,
        next_step=f"say RELEASE=<one of these>: {some(there, 20) or 'there is none yet'}; or the path of another's",
    )  # fmt: skip
