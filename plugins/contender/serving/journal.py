"""The journal: records of answers, handed to the kernel before the answer is given.

An append is one `write` to a file that appends, so that what was acknowledged outlives the process, however it ends. It
does not outlive the machine unless `fsync` is on. The journal is bounded: where it is full, or its disk is, appending
fails and the app answers nothing, rather than answer unlogged or forget. What is written is shipped once its segment is
given up: when it has its size, or when somebody turns to the next.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from contender.core.errors import PredictionLogFull
from contender.serving import segments

MB = 1_000_000
SEGMENT = 4 * MB
# How long the next segment waits for the one before to be shipped: one that cannot be read is not to hold others up.
WAIT_SECONDS = 60.0


class Journal:
    """The journal of one process in a folder that several may share; for any number of threads.

    Args:
        folder: Where the segments are; made where it is not there.
        limit: The most bytes of everything in the folder. What other processes write counts as of the last look.
        segment: From how many bytes on a segment is followed by the next.
        fsync: Have each append on the disk before it returns.

    Raises:
        PredictionLogFull: The folder cannot be written.
    """

    def __init__(self, folder: Path, *, limit: int, segment: int = SEGMENT, fsync: bool = False) -> None:
        self.folder, self.limit = folder, limit
        # Of a small limit, so many that what is shipped is given back in good time.
        self._segment, self._fsync = min(segment, max(limit // 8, 1)), fsync
        self._lock = threading.Lock()
        self._descriptor = -1
        self._given_up: Path | None = None
        self._waits_until = 0.0
        self._size = self._elsewhere = 0
        self._closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._next()
        except OSError as error:
            raise self._full(error) from error

    def append(self, lines: bytes) -> None:
        """Write whole lines, all or none of them.

        Raises:
            PredictionLogFull: They do not fit into the limit, or the disk does not take them.
        """
        with self._lock:
            if self._closed:
                raise self._full("a server that is shutting down")
            try:
                if self._elsewhere + self._size + len(lines) > self.limit:
                    self._measure()
                    if self._elsewhere + self._size + len(lines) > self.limit:
                        raise self._full(f"{self._elsewhere + self._size} bytes that are not in the store yet")
                if self._size and self._size + len(lines) > self._segment:
                    self._next()
                self._write(lines)
            except OSError as error:
                raise self._full(error) from error

    def turn(self) -> None:
        """Give up what was written, so that it is shipped; not while what was given up before is still there.

        So segments grow while the store is away, instead of getting many. It is also a look at what others write, and
        whether the segment was taken away: nothing more goes into a file that nobody finds.

        Raises:
            OSError: The next segment cannot be begun, and this one is written on; or the folder was taken away.
        """
        with self._lock:
            if self._descriptor >= 0 and not os.fstat(self._descriptor).st_nlink:
                self._let_go(0)
            waits = self._given_up is not None and self._given_up.exists() and time.monotonic() < self._waits_until
            if self._size and not self._closed and not waits:
                self._next()
            else:
                self._measure()

    def require_room(self) -> None:
        """See whether anything more would be taken.

        Raises:
            PredictionLogFull: The limit is reached, or the folder cannot be written.
        """
        with self._lock:
            if self._descriptor < 0 and not self._closed:
                try:
                    self._next()
                except OSError as error:
                    raise self._full(error) from error
            if self._elsewhere + self._size >= self.limit:
                self._measure()
                if self._elsewhere + self._size >= self.limit:
                    raise self._full(f"{self._elsewhere + self._size} bytes that are not in the store yet")

    def close(self) -> None:
        """Give up what was written; the journal takes nothing any more."""
        with self._lock:
            self._closed = True
            if self._descriptor >= 0:
                if not self._size:
                    self._path.unlink(missing_ok=True)
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, lines: bytes) -> None:
        """Append to the live segment, or leave it as it was: a later line must not follow upon half of one."""
        if self._descriptor < 0:
            self._next()
        try:
            written = os.write(self._descriptor, lines)
            if written == len(lines) and self._fsync:
                os.fdatasync(self._descriptor)
        except OSError:
            self._take_back()
            raise
        if written != len(lines):
            self._take_back()
            raise self._full(f"a disk that took {written} of {len(lines)} bytes")
        self._size += written

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            # Whoever adopts it finds the half line at its end and sets it aside.
            self._let_go(self._size)

    def _let_go(self, left: int) -> None:
        """Write no more into the live segment, which leaves so many bytes in the folder; the next append begins one."""
        os.close(self._descriptor)
        self._descriptor = -1
        self._elsewhere, self._size = self._elsewhere + left, 0
        self._path = self.folder  # none is being written

    def _next(self) -> None:
        path, descriptor = segments.create(self.folder)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._given_up, self._waits_until = self._path, time.monotonic() + WAIT_SECONDS
        self._path, self._descriptor, self._size = path, descriptor, 0
        if self._fsync:
            _fsync_folder(self.folder)
        self._measure()

    def _measure(self) -> None:
        self._elsewhere = segments.size(self.folder, but=self._path)

    def _full(self, got: object) -> PredictionLogFull:
        return PredictionLogFull(
            "the answer cannot be written to the journal, and nothing is answered unlogged",
            where=str(self.folder),
            expected=f"a folder that can be written, and less than {self.limit} bytes in it",
            got=got,
            next_step="see that the prediction store is reachable, so that the journal empties, and that the disk has "
            "room; CONTENDER_JOURNAL_MB is the limit",
        )


def _fsync_folder(folder: Path) -> None:
    """Have a new segment's name on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
