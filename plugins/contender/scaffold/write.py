"""All files of a model, or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from contender.core.errors import ScaffoldRefused

STAGING = ".new-model-"  # git ignores what begins so


def write(root: Path, files: Mapping[str, str], places: list[Path]) -> None:
    """Write files below a checkout, so that each of the places is there with all of its files, or none is.

    They are written beside first and moved one place after the other, the last of which makes the model known to
    Airflow; whatever stops it in between, what was moved is taken away again.

    Args:
        root: The checkout.
        files: Text by path below it; each lies in one of the places.
        places: The folders and files that make up the model, none of which may exist.

    Raises:
        ScaffoldRefused: A place is taken by now, or the disk does not take it.
    """
    moved: list[Path] = []
    staging = _staging(root)
    try:
        for path, text in files.items():
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        for place in places:
            _require_free(place, root)
            staged = staging / place.relative_to(root)
            if staged.exists():
                moved.append(place)
                staged.rename(place)
    except BaseException as error:
        for place in reversed(moved):
            if (staging / place.relative_to(root)).exists():
                continue  # it did not come to be moved: what is there now is somebody else's
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ScaffoldRefused(
                "the files could not be written", where=str(root), got=str(error), next_step="nothing was left behind"
            ) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _staging(root: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=STAGING, dir=root))
    except OSError as error:
        raise ScaffoldRefused(
            "the checkout may not be written to", where=str(root), expected="room for a folder", got=str(error),
            next_step="change its owner or mode, or make room; nothing was written",
        ) from error  # fmt: skip


def _require_free(place: Path, root: Path) -> None:
    if place.exists():
        raise ScaffoldRefused(
            "there is such a file by now",
            where=str(place.relative_to(root)),
            expected="nothing there",
            got="a file or folder",
            next_step="somebody else made a model of that name; choose another",
        )
