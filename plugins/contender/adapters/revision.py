"""Git and the lock: which code and which packages a run works with."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache

from contender.core.settings import CHECKOUT, settings

CODE = ("dags", "plugins", "feature_repo", "expectations", "docker", "requirements.txt")


@cache
def code_revision() -> str:
    """Revision of the checkout, with `-dirty` where code differs or is not committed; `unknown` outside Git."""
    revision = _git("rev-parse", "HEAD")
    return revision + ("-dirty" if revision and _git("status", "--porcelain", "--", *CODE) else "") or "unknown"


def _git(*arguments: str) -> str:
    asked = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def model_code_digest(model: str) -> str:
    """SHA-256 of the code that a model's data and features are made by: its folder and its feature definitions."""
    place = settings()
    files = [*sorted((place.models / model).glob("*.py")), *sorted(place.feature_repo.glob("*.py"))]
    named = [f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def lock_digest() -> str:
    """SHA-256 of `requirements.txt`."""
    return hashlib.sha256((CHECKOUT / "requirements.txt").read_bytes()).hexdigest()
