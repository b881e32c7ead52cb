"""The code that made a release's data and features: as it is here, or as Git has it at the release's revision."""

from __future__ import annotations

import dataclasses
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from contender.adapters.revision import model_code_digest
from contender.core.errors import ReleaseBroken
from contender.release.find import Held
from contender.release.revisions import REVISION

FOLDERS = ("dags", "feature_repo")


def features(held: Held) -> str:
    """The code has the digest of the manifest.

    Raises:
        ReleaseBroken: It has another one, here and at the release's revision.
    """
    release, root = held.release, held.places.root
    if model_code_digest(held.places, release.model, release.owners) == release.features_digest:
        return f"{release.features_digest[:16]}, the code as it is here"
    revision = release.code_revision.removesuffix("-dirty")
    with tempfile.TemporaryDirectory() as folder:
        there = dataclasses.replace(held.places, models=Path(folder, "dags"), feature_repo=Path(folder, "feature_repo"))
        known = _checked_out(root, revision, Path(folder))
        if known and model_code_digest(there, release.model, release.owners) == release.features_digest:
            return f"{release.features_digest[:16]}, the code at {revision[:12]}"
    raise ReleaseBroken(
        "the code of data and features is not what it was", where=f"{release.model}, {' and '.join(FOLDERS)}",
        expected=f"digest {release.features_digest}",
        got=f"another one here and {f'at {revision[:12]}' if known else f'no revision {revision[:12]} in {root}'}",
        next_step="check out the revision that the manifest names, and verify there",
    )  # fmt: skip


def _checked_out(root: Path, revision: str, to: Path) -> bool:
    """Whether Git has the revision; its folders of code are copied then."""
    # A manifest may say anything, and Git takes what begins with a dash as an option.
    if not REVISION.fullmatch(revision) or shutil.which("git") is None:
        return False
    asked = subprocess.run(["git", "archive", revision, *FOLDERS], cwd=root, capture_output=True, check=False)
    if asked.returncode != 0:
        return False
    with tarfile.open(fileobj=io.BytesIO(asked.stdout)) as archive:
        archive.extractall(to, filter="data")
    return True
