"""The way from the journal to the prediction store: a thread off the hot path.

It takes whole lines from the segments, in batches, and drops a segment once all of it is in the store. What it had
stored when a process ended is written again by the next one, and the store keeps each request once. While the store is
away it waits, and the journal is the spill.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from contender.adapters.predictions import Predictions
from contender.core.errors import PredictionsRefused, PredictionStoreUnreachable
from contender.serving import segments
from contender.serving.journal import Journal

BATCH = 262_144
IDLE_SECONDS = 0.25
RETRY_SECONDS = (0.25, 5.0)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figures:
    """What metrics say of the way to the store.

    Attributes:
        pending_bytes: In the journal, and not in the store yet; of what others write as of the last look.
        shipped: Records that were handed to the store; `repeated` of them it had already.
        refused: Records that the store takes in no case, and set aside.
        torn: Halves of lines at the end of a dead process's segment, never acknowledged, and set aside.
        failures: Attempts that failed, of the store or of one segment, by the class of the error.
        seconds_since_success: Since the store last took something, or there was nothing to take.
        state: `shipping`, `waiting` (the last attempt failed, if only with one segment) or `stopped`.
    """

    pending_bytes: int
    shipped: int
    repeated: int
    refused: int
    torn: int
    failures: dict[str, int]
    seconds_since_success: float
    state: str


class Shipper:
    """Ships one journal's folder: this process's segments, and those of processes that are dead.

    Args:
        journal: The journal.
        predictions: The store; this thread alone uses it.
        batch: About how many bytes go to the store at once.
        idle_seconds: How long to wait where there is nothing to do.
    """

    def __init__(
        self, journal: Journal, predictions: Predictions, *, batch: int = BATCH, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._journal, self._predictions = journal, predictions
        self._batch, self._idle_seconds = batch, idle_seconds
        self._stored: dict[Path, int] = {}  # bytes of each segment that are in the store, or set aside
        self._unreadable: set[Path] = set()
        self._aside_bytes = 0
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._success = time.monotonic()
        self._attempt = 0
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        """Begin; segments of dead processes come first."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Ship what is left for so many seconds at most, close store and journal; whether nothing is left.

        What is left waits in the journal for the next process.
        """
        self._deadline = time.monotonic() + seconds
        self._stopping.set()
        self._thread.join(seconds)
        if self._thread.is_alive():  # the store has its own time-outs, and the process need not wait for them
            self._journal.close(-1)
            return False
        path, size = self._journal.live()
        stored = self._stored.get(path, 0)
        self._journal.close(stored)
        return stored == size and not self._attempt and not self._unreadable

    def figures(self) -> Figures:
        """The counts until now."""
        path, size = self._journal.live()
        return Figures(
            pending_bytes=max(0, self._journal.held() - self._aside_bytes - min(size, self._stored.get(path, 0))),
            shipped=self._counts["shipped"],
            repeated=self._counts["repeated"],
            refused=self._counts["refused"],
            torn=self._counts["torn"],
            failures=dict(self._failures),
            seconds_since_success=time.monotonic() - self._success,
            state=self._state(),
        )

    def _state(self) -> str:
        if not self._thread.is_alive():
            return "stopped"
        return "waiting" if self._attempt or self._unreadable else "shipping"

    def _run(self) -> None:
        while True:
            stopping, before = self._stopping.is_set(), self._counts["shipped"]
            try:
                self._pass()
            except Exception as error:
                if not isinstance(error, PredictionStoreUnreachable | OSError):
                    log.exception("the prediction log failed")  # a thread that ended would ship nothing, unseen
                self._failed(error)
            else:
                self._succeeded()
            # Of a pass that began after the last append, so that no segment was begun behind its back.
            if stopping and (self._drained() or time.monotonic() >= self._deadline):
                break
            if self._attempt or self._counts["shipped"] == before:
                self._wait(stopping)
        self._predictions.close()

    def _drained(self) -> bool:
        path, size = self._journal.live()
        return not self._attempt and self._stored.get(path, 0) == size

    def _wait(self, stopping: bool) -> None:
        seconds = self._idle_seconds
        if self._attempt:
            least, most = RETRY_SECONDS
            # Servers that lost the same store do not all come back in the same moment.
            seconds = min(most, least * 2 ** min(self._attempt, 10)) * random.uniform(0.5, 1)  # noqa: S311
        if stopping:
            time.sleep(max(0.0, min(seconds, RETRY_SECONDS[0], self._deadline - time.monotonic())))
        else:
            self._stopping.wait(seconds)

    def _failed(self, error: Exception) -> None:
        self._failures[type(error).__name__] += 1
        self._attempt += 1
        if self._attempt == 1:
            log.warning("the prediction log waits, and records stay in the journal: %s", error)

    def _succeeded(self) -> None:
        if self._attempt:
            log.warning("the prediction log goes on after %d failed attempts", self._attempt)
        self._attempt = 0
        self._success = time.monotonic()

    def _pass(self) -> None:
        """Everything that is there, once; the dead first, since their segments are whole."""
        live, _ = self._journal.live()
        found = segments.segments(self._journal.folder)
        self._forget_all_but({live, *found})
        for path in found:
            if path != live:
                with self._apart(path), segments.adopted(path) as descriptor:
                    if descriptor is not None:
                        self._ship_all(path, descriptor)
            if time.monotonic() >= self._deadline:
                return
        path, size = self._journal.live()
        if self._stored.get(path, 0) < size:
            with self._apart(path):
                self._ship_live(path, size)
        self._measure()

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
            self._failures[type(error).__name__] += 1
            if path not in self._unreadable:
                log.warning("segment %s cannot be shipped, stays, and is tried again: %s", path.name, error)
            self._unreadable.add(path)
        else:
            self._unreadable.discard(path)

    def _ship_all(self, path: Path, descriptor: int) -> None:
        """Ship a segment that nobody writes any more, and remove it."""
        end = os.fstat(descriptor).st_size
        self._ship(path, descriptor, end)
        stored = self._stored.get(path, 0)
        if stored < end:
            if time.monotonic() >= self._deadline:
                return
            torn = os.pread(descriptor, end - stored, stored)
            self._set_aside(path, torn, "torn: its writer ended before it was acknowledged")
            self._counts["torn"] += 1
            self._done(path, torn)
        path.unlink()
        self._stored.pop(path, None)
        self._measure()

    def _ship_live(self, path: Path, size: int) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # the journal went on to the next segment, and another process shipped this one
            return
        try:
            self._ship(path, descriptor, size)
        finally:
            os.close(descriptor)

    def _ship(self, path: Path, descriptor: int, end: int) -> None:
        while time.monotonic() < self._deadline:
            stored = self._stored.get(path, 0)
            lines = segments.whole_lines(descriptor, stored, end, self._batch)
            if not lines:
                return
            self._store(path, lines)
            self._success = time.monotonic()

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
                self._counts["refused"] += 1
                self._done(path, lines)
                return
            each = lines.split(b"\n")
            self._store(path, b"\n".join([*each[: count // 2], b""]))
            self._store(path, b"\n".join(each[count // 2 :]))
        else:
            self._counts["shipped"] += count
            self._counts["repeated"] += count - new
            self._done(path, lines)

    def _done(self, path: Path, lines: bytes) -> None:
        self._stored[path] = self._stored.get(path, 0) + len(lines)

    def _set_aside(self, path: Path, line: bytes, reason: str) -> None:
        """Keep what cannot be shipped, beside the journal, and say so; its content stays out of the log."""
        entry = {"reason": reason, "segment": path.name, "line": line.rstrip(b"\n").decode(errors="backslashreplace")}
        aside = segments.set_aside(self._journal.folder, msgspec.json.encode(entry) + b"\n")
        log.warning("set aside in %s: %d bytes of %s (%s)", aside, len(line), path.name, reason.partition(":")[0])

    def _measure(self) -> None:
        self._journal.measure()
        aside = self._journal.folder / segments.ASIDE
        self._aside_bytes = aside.stat().st_size if aside.exists() else 0
