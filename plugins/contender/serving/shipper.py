"""The way from the journal to the prediction store.

It takes the segments that nobody writes any more, batch by batch, and removes each once all of it is in the store. What
it had stored when it was killed is written again by the next one, and the store keeps each request once. While the
store is away it waits, and the journal is the spill.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from contender.adapters.predictions import Predictions
from contender.core.errors import PredictionsRefused, PredictionStoreUnreachable
from contender.serving import segments

BATCH = 4_000_000
IDLE_SECONDS = 0.25
LAST_SECONDS = 0.1
RETRY_SECONDS = (0.25, 5.0)

log = logging.getLogger(__name__)


class _OutOfTime(Exception):
    """The server ends before everything was shipped; the next one goes on."""


class Progress(msgspec.Struct):
    """How far a shipper is.

    Attributes:
        shipped: Records that were handed to the store; `repeated` of them it had already.
        refused: Records that the store takes in no case, and set aside.
        torn: Halves of lines at the end of a dead process's segment, never acknowledged, and set aside.
        failures: Attempts that failed, of the store or of one segment, by the class of the error.
        success: `time.monotonic()` when the store last took something, or there was nothing to take.
        waiting: Whether the last attempt failed, if only with one segment.
    """

    shipped: int = 0
    repeated: int = 0
    refused: int = 0
    torn: int = 0
    failures: dict[str, int] = msgspec.field(default_factory=dict)
    success: float = msgspec.field(default_factory=time.monotonic)
    waiting: bool = False

    def failed(self, cause: str) -> None:
        """Count an attempt that failed."""
        self.failures[cause] = self.failures.get(cause, 0) + 1

    def and_then(self, later: Progress) -> Progress:
        """What two shippers did, one after the other."""
        causes = {**self.failures, **later.failures}
        return Progress(
            self.shipped + later.shipped, self.repeated + later.repeated, self.refused + later.refused,
            self.torn + later.torn,
            {cause: self.failures.get(cause, 0) + later.failures.get(cause, 0) for cause in causes},
            later.success, later.waiting,
        )  # fmt: skip


class Shipper:
    """Ships what is in a journal's folder, whoever wrote it.

    Args:
        folder: The folder; segments that somebody writes are left to him until he gives them up.
        predictions: The store; the shipper alone uses it.
        batch: About how many bytes go to the store at once.
        idle_seconds: How long to wait where there is nothing to do.

    Attributes:
        progress: How far it is.
    """

    def __init__(
        self, folder: Path, predictions: Predictions, *, batch: int = BATCH, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._folder, self._predictions = folder, predictions
        self._batch, self._idle_seconds = batch, idle_seconds
        self.progress = Progress()
        self._stored: dict[Path, int] = {}  # bytes of each segment that are in the store, or set aside
        self._unreadable: set[Path] = set()
        self._attempt = 0
        self._deadline, self._drain_seconds = float("inf"), 0.0
        self._told: Callable[[float], bool] = lambda _: False
        self._tell: Callable[[Progress], None] = lambda _: None

    def run(self, told: Callable[[float], bool], tell: Callable[[Progress], None], drain_seconds: float) -> bool:
        """Ship until it is told to stop, then what is left, and close the store; whether nothing is left.

        Args:
            told: Waits for so many seconds to be told, and says whether it was.
            tell: Takes the progress, after each batch and each pass over the folder.
            drain_seconds: How long shipping may go on after it was told.
        """
        self._told, self._tell, self._drain_seconds = told, tell, drain_seconds
        while True:
            stopping, before = self._stopping, self.progress.shipped
            self._try()
            tell(self.progress)
            # Of a pass that began after it was told, so that no segment was given up behind its back. One that cannot
            # be read is not to be within seconds: it is left, and said to be.
            if stopping and (not self._attempt or time.monotonic() >= self._deadline):
                break
            seconds = self._pause() if self._attempt or self.progress.shipped == before else 0.0
            if stopping:
                time.sleep(max(0.0, min(seconds, RETRY_SECONDS[0], self._deadline - time.monotonic())))
            else:
                self._listen(seconds)
        self._predictions.close()
        return not self.progress.waiting

    @property
    def _stopping(self) -> bool:
        return self._deadline < float("inf")

    def _listen(self, seconds: float) -> None:
        if not self._stopping and self._told(seconds):
            self._deadline = time.monotonic() + self._drain_seconds
            # Of a server that is killed the kernel closes one file after the other: our input, and then its segment.
            time.sleep(LAST_SECONDS)

    def _pause(self) -> float:
        if not self._attempt:
            return self._idle_seconds
        least, most = RETRY_SECONDS
        # Servers that lost the same store do not all come back in the same moment.
        longest = float(min(most, least * 2 ** min(self._attempt, 10)))
        return longest * random.uniform(0.5, 1)  # noqa: S311

    def _try(self) -> None:
        left = False
        try:
            self._pass()
        except _OutOfTime:
            left = True
        except Exception as error:
            if not isinstance(error, PredictionStoreUnreachable | OSError):
                log.exception("the prediction log failed")  # if it ended it would ship nothing any more
            self._failed(error)
        else:
            self._succeeded()
        self.progress.waiting = bool(self._attempt or self._unreadable or left)

    def _failed(self, error: Exception) -> None:
        self.progress.failed(type(error).__name__)
        self._attempt += 1
        if self._attempt == 1:
            log.warning("the prediction log waits, and records stay in the journal: %s", error)

    def _succeeded(self) -> None:
        if self._attempt:
            log.warning("the prediction log goes on after %d failed attempts", self._attempt)
        self._attempt = 0
        self.progress.success = time.monotonic()

    def _pass(self) -> None:
        """Everything that is there, once, the oldest first."""
        found = segments.segments(self._folder)
        self._forget_all_but(set(found))
        for path in found:
            self._require_time()
            with self._apart(path), segments.adopted(path) as descriptor:
                if descriptor is not None:
                    self._ship(path, descriptor)

    def _require_time(self) -> None:
        if time.monotonic() >= self._deadline:
            raise _OutOfTime

    def _forget_all_but(self, there: set[Path]) -> None:
        """Segments that another process shipped, or somebody took away, are no concern any more."""
        self._stored = {path: stored for path, stored in self._stored.items() if path in there}
        self._unreadable &= there

    @contextmanager
    def _apart(self, path: Path) -> Iterator[None]:
        """What cannot be done with one segment holds no other up; it stays where it is, and its turn comes again."""
        try:
            yield
        except OSError as error:
            self.progress.failed(type(error).__name__)
            if path not in self._unreadable:
                log.warning("segment %s cannot be shipped, stays, and is tried again: %s", path.name, error)
            self._unreadable.add(path)
        else:
            self._unreadable.discard(path)

    def _ship(self, path: Path, descriptor: int) -> None:
        """Ship a whole segment, and remove it."""
        end = os.fstat(descriptor).st_size
        while lines := segments.whole_lines(descriptor, self._stored.get(path, 0), end, self._batch):
            self._require_time()
            self._store(path, lines)
            self._succeeded()
            self.progress.waiting = bool(self._unreadable)
            self._tell(self.progress)
            self._listen(0.0)
        stored = self._stored.get(path, 0)
        if stored < end:
            torn = os.pread(descriptor, end - stored, stored)
            self._set_aside(path, torn, "torn: its writer ended before it was acknowledged")
            self.progress.torn += 1
            self._done(path, torn)
        path.unlink()
        self._stored.pop(path, None)

    def _store(self, path: Path, lines: bytes) -> None:
        """Hand a batch over; of one that is refused, each half, until the record at fault stands alone.

        What is done with is noted part by part: if the store goes away in the middle, the next attempt begins there.
        """
        count = lines.count(b"\n")
        try:
            new = self._predictions.write(lines)
        except PredictionsRefused as error:
            if count == 1:
                self._set_aside(path, lines, error.got)
                self.progress.refused += 1
                self._done(path, lines)
                return
            each = lines.split(b"\n")
            self._store(path, b"\n".join([*each[: count // 2], b""]))
            self._store(path, b"\n".join(each[count // 2 :]))
        else:
            self.progress.shipped += count
            self.progress.repeated += count - new
            self._done(path, lines)

    def _done(self, path: Path, lines: bytes) -> None:
        self._stored[path] = self._stored.get(path, 0) + len(lines)

    def _set_aside(self, path: Path, line: bytes, reason: str) -> None:
        """Keep what cannot be shipped, beside the journal, and say so; its content stays out of the log."""
        entry = {"reason": reason, "segment": path.name, "line": line.rstrip(b"\n").decode(errors="backslashreplace")}
        aside = segments.set_aside(self._folder, msgspec.json.encode(entry) + b"\n")
        log.warning("set aside in %s: %d bytes of %s (%s)", aside, len(line), path.name, reason.partition(":")[0])
