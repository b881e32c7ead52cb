"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, with its folder: whoever reads it meanwhile, and whoever is killed, leaves it as before or new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of this process: another one may be writing the same file.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # a name must not outlive a power cut without its content
    os.replace(unfinished, path)
