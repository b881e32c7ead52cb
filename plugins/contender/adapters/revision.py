"""Git and the lock: which code and which packages a run works with."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache

from contender.core.settings import CHECKOUT


@cache
def code_revision() -> str:
    """Revision of the checkout, with `-dirty` where tracked files differ; `unknown` outside a Git checkout."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.strip() or "unknown"


def lock_digest() -> str:
    """SHA-256 of `requirements.txt`."""
    return hashlib.sha256((CHECKOUT / "requirements.txt").read_bytes()).hexdigest()
