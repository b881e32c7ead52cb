"""One command at a time: a lock on a file, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from contender.core.errors import ContenderError

POLL_SECONDS = 0.2


class Busy(ContenderError):
    """Another command works on the same platform."""


@contextlib.contextmanager
def lock(home: Path, name: str, *, what: str = "", patience: float = 0.0) -> Iterator[None]:
    """Hold `<home>/<name>.lock`; the system lets go of it when the process ends, however it ends.

    Args:
        home: The platform's folder.
        name: Of the lock.
        what: What to say when it is held; by default that another `name` is at work.
        patience: How long to wait for it, in seconds.

    Raises:
        Busy: Another process holds it for longer than `patience` seconds.
    """
    home.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with (home / f"{name}.lock").open("a+", encoding="utf-8") as file:
        while not _taken(file.fileno()):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise Busy(
                    what or f"another `{name}` works on this platform",
                    where=str(home),
                    got=f"process {file.read().strip() or 'unknown'}",
                    next_step="wait until it ends, or end it there with Ctrl-C",
                )
            time.sleep(POLL_SECONDS)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
