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
    commit = revision.removesuffix(DIRTY)
    if not REVISION.fullmatch(
        commit
    ):  # a manifest may say anything, and Git takes what begins with a dash as an option
        return f"{commit!r} is no revision, so the libraries that differ cannot be named"
    shown = subprocess.run(["git", "show", f"{commit}:{LOCK}"], cwd=root, capture_output=True, check=False)
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
