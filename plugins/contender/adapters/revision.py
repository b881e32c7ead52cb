"""Git and the lock: which code and which packages a run works with."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from contender.core.settings import CHECKOUT, Settings

CODE = ("dags", "plugins", "feature_repo", "expectations", "docker/serving", "requirements.txt")


@cache
def code_revision(root: Path) -> str:
    """Revision of a checkout, with `-dirty` where code differs or is not committed; `unknown` outside Git."""
    revision = _git(root, "rev-parse", "HEAD")
    return revision + ("-dirty" if revision and _git(root, "status", "--porcelain", "--", *CODE) else "") or "unknown"


def _git(root: Path, *arguments: str) -> str:
    asked = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def model_code_digest(place: Settings, model: str, owners: Iterable[str] = ()) -> str:
    """SHA-256 of the code that a model's data and features are made by: its folder and its feature definitions.

    Of the models that it shares with, their owners, the same: their functions read and compute what it is made of.

    Of the feature repository only what is the model's: another model's new view computes nothing of this one anew.
    """
    definitions = [place.feature_repo / f"{name}.py" for name in ("entities", model)]
    files = [*sorted((place.models / model).glob("*.py")), *(path for path in definitions if path.is_file())]
    named = [f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    named += [f"{owner}:{model_code_digest(place, owner)}" for owner in sorted(owners)]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def lock_digest() -> str:
    """SHA-256 of `requirements.txt`."""
    return hashlib.sha256((CHECKOUT / "requirements.txt").read_bytes()).hexdigest()
