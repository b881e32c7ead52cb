"""The code that made a release's data and features: as it is here, or as Git has it at the release's revision."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from contender.adapters.revision import model_code_digest
from contender.core.errors import ReleaseBroken
from contender.release.find import Held

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
    asked = subprocess.run(["git", "archive", revision, *FOLDERS], cwd=root, capture_output=True, check=False)
    if asked.returncode != 0:
        return False
    with tarfile.open(fileobj=io.BytesIO(asked.stdout)) as archive:
        archive.extractall(to, filter="data")
    return True
"""Which code and which libraries a release was made with, beside those of this checkout."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from shlex import quote

from contender.core.errors import some

LOCK = "requirements.txt"
DIRTY = "-dirty"
PINNED = re.compile(r"(?m)^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)")
SHOWN = 12  # libraries, where many differ
REVISION = re.compile(r"[0-9a-f]{7,64}")


def other_code(root: Path, revision: str, release: Path) -> str:
    """What to do where a release was made with another revision than that of this checkout.

    Args:
        root: The checkout.
        revision: The release's.
        release: Its manifest.
    """
    commit = revision.removesuffix(DIRTY)
    if not _has(root, commit):
        return f"revision {commit} is not in this repository: fetch it, or clone the repository that has it"
    lost = "its uncommitted files are in no repository" if revision != commit else ""
    if _git(root, "rev-parse", "HEAD") == commit:
        return lost or "files here are not committed"
    beside, manifest = (quote(str(path)) for path in (root.parent / f"{root.name}-{commit[:SHOWN]}", release.resolve()))
    command = f"git worktree add {beside} {commit} && make -C {beside} reproduce RELEASE={manifest}"
    return f"{lost}{'; ' if lost else ''}with the code of its commit: {command}"


def other_libraries(root: Path, revision: str, digest: str) -> str:
    """Which libraries of a release's lock have another version in this checkout's.

    Args:
        root: The checkout.
        revision: The release's, whose lock Git may have.
        digest: SHA-256 of the release's lock.
    """
    shown = subprocess.run(
        ["git", "show", f"{revision.removesuffix(DIRTY)}:{LOCK}"], cwd=root, capture_output=True, check=False
    )
    if shown.returncode != 0 or hashlib.sha256(shown.stdout).hexdigest() != digest:
        return "Git here does not have that lock, so the libraries that differ cannot be named"
    then, now = _pinned(shown.stdout.decode()), _pinned((root / LOCK).read_text(encoding="utf-8"))
    changed = [
        f"{name} {then.get(name, 'absent')}, here {now.get(name, 'absent')}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    return f"libraries that differ: {some(changed, SHOWN)}" if changed else "every library has the same version in both"


def _pinned(lock: str) -> dict[str, str]:
    return dict(PINNED.findall(lock))


def _has(root: Path, commit: str) -> bool:
    if not REVISION.fullmatch(commit):
        return False
    return _git(root, "cat-file", "-t", commit) == "commit"


def _git(root: Path, *arguments: str) -> str:
    """What Git says; empty where it refuses."""
    asked = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""
