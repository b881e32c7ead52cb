"""The files of the journal: one folder, whole lines, and a lock that tells the living from the dead.

A segment is `<ns>-<random>.jsonl`, with the nanosecond of its making, so that names sort by age. Who writes
it holds an exclusive `flock` on it, which the kernel gives up when that process ends, however it ends. Whoever gets the
lock of a segment may ship it and remove it. The folder is on a local disk: a network's locks are not to be relied on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".jsonl"
ASIDE = "refused.jsonl"  # not a segment: what could not be shipped, with the reason


def create(folder: Path) -> tuple[Path, int]:
    """A new, empty segment that this process holds; its path and its descriptor, which appends."""
    while True:
        path = folder / f"{time.time_ns():019d}-{os.urandom(4).hex()}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        # Until it is locked, another process may take it for that of a dead one, and remove it since it is empty.
        if _locked(descriptor):
            return path, descriptor
        os.close(descriptor)


def segments(folder: Path) -> list[Path]:
    """All segments, the oldest first.

    Raises:
        FileNotFoundError: The folder was taken away.
    """
    return sorted(folder / name for name in os.listdir(folder) if name.endswith(SUFFIX) and name != ASIDE)


def pending(folder: Path) -> int:
    """Bytes of all segments: what is not in the store yet."""
    total = 0
    with suppress(FileNotFoundError):  # the folder was taken away, which the shipper reports
        for path in segments(folder):
            with suppress(FileNotFoundError):  # shipped in this moment
                total += path.stat().st_size
    return total


def size(folder: Path, but: Path) -> int:
    """Bytes of everything in the folder but one segment: the others, and what was set aside."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # shipped in this moment
                total += 0 if entry.name == but.name else entry.stat().st_size
    return total


def set_aside(folder: Path, line: bytes) -> Path:
    """Append a line to what was set aside, all or nothing of it, whoever else does; the file that has it.

    Raises:
        OSError: The disk does not take it; the file is as it was.
    """
    path = folder / ASIDE
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # nobody's line is to be cut off with the half of this one
        before = os.fstat(descriptor).st_size
        if os.write(descriptor, line) != len(line):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)
    return path


@contextmanager
def adopted(path: Path) -> Iterator[int | None]:
    """Hold a segment for a block: a descriptor to read it by, or None where it is another's or not there any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor if _locked(descriptor) else None
    finally:
        os.close(descriptor)


def whole_lines(descriptor: int, offset: int, end: int, at_most: int) -> bytes:
    """Whole lines from an offset on: about `at_most` bytes, or one longer line; nothing where no line is whole."""
    wanted = at_most
    while True:
        data = os.pread(descriptor, min(wanted, end - offset), offset)
        cut = data.rfind(b"\n") + 1
        if cut or len(data) < wanted:
            return data[:cut]
        wanted *= 2


def _locked(descriptor: int) -> bool:
    """Lock a segment, unless another process has it, or somebody removed it meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0
