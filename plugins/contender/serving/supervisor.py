"""Keeps the process that ships the journal running beside the server, and knows how far it is."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import msgspec

from contender.serving import segments
from contender.serving.journal import Journal
from contender.serving.shipper import Progress

COMMAND = (sys.executable, "-m", "contender.serving.shipping")
# How old the first record of a segment gets before it is shipped, while the store keeps up.
TURN_SECONDS = 0.5
RESTART_SECONDS = 1.0
ENDED = "ShippingEnded"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figures:
    """What metrics say of the way to the store.

    Attributes:
        pending_bytes: In the journal, and not in the store yet; of all who write into its folder.
        shipped, repeated, refused, torn, failures: See `Progress`; of all processes that shipped for this server.
            A process that ended by itself is a failure too, `ShippingEnded`.
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


class Supervisor:
    """Starts the process, hands it one segment after the other, and starts it again if it ends.

    Args:
        journal: Whose segments they are.
        environ: What the process reads; see `contender.serving.prediction_log`.
    """

    def __init__(self, journal: Journal, environ: Mapping[str, str]) -> None:
        self._journal = journal
        # It is to import what this process does, wherever that came from.
        self._environ = {**os.environ, **environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process: subprocess.Popen[bytes] | None = None
        self._past, self._progress = Progress(), Progress()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        """Begin; segments that dead processes left come first."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Close the journal, have what is left shipped for so many seconds at most; whether nothing is left.

        What is left waits in the journal for the next server.
        """
        self._journal.close()
        self._stopping.set()
        self._end_input()
        if self._thread.is_alive():
            self._thread.join(seconds)
        process = self._process
        if process is None:
            return False
        if process.poll() is None:  # it may be killed at any moment: nothing is removed that is not in the store
            process.kill()
            self._thread.join()
        return process.returncode == 0

    def figures(self) -> Figures:
        """The counts until now."""
        past, now = self._past, self._progress
        process = self._process
        running = process is not None and process.poll() is None
        return Figures(
            pending_bytes=segments.pending(self._journal.folder),
            shipped=past.shipped + now.shipped,
            repeated=past.repeated + now.repeated,
            refused=past.refused + now.refused,
            torn=past.torn + now.torn,
            failures=_added(past.failures, now.failures),
            seconds_since_success=time.monotonic() - now.success,
            state="stopped" if not running else "waiting" if now.waiting else "shipping",
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with subprocess.Popen(
                    COMMAND, env=self._environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                ) as process:
                    self._process = process
                    if self._stopping.is_set():
                        self._end_input()
                    self._follow(process.stdout)
            except Exception:  # a thread that ended would start nothing again, unseen
                log.exception("the process that ships the prediction log cannot be followed")
            if not self._stopping.is_set():
                self._restart()

    def _restart(self) -> None:
        """Count what the process had done that ended, and wait a moment."""
        code = self._process.returncode if self._process else None
        log.warning("the process that ships the prediction log ended (%s), and is started again", code)
        ended, past = self._progress, self._past
        self._past = Progress(
            past.shipped + ended.shipped, past.repeated + ended.repeated, past.refused + ended.refused,
            past.torn + ended.torn, _added(_added(past.failures, ended.failures), {ENDED: 1}),
        )  # fmt: skip
        self._progress = Progress(success=ended.success, waiting=True)
        self._stopping.wait(RESTART_SECONDS)

    def _follow(self, said: IO[bytes] | None) -> None:
        """Until the process ends: hear how far it is, and give it what was written."""
        if said is None:
            raise OSError("a process without a pipe")
        output, rest, turned = said.fileno(), b"", time.monotonic()
        while True:
            if select.select([output], [], [], TURN_SECONDS)[0]:
                data = os.read(output, 65_536)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                if lines:
                    self._progress = msgspec.json.decode(lines[-1], type=Progress)
            if time.monotonic() - turned >= TURN_SECONDS:
                turned = time.monotonic()
                self._turn()

    def _turn(self) -> None:
        try:
            self._journal.turn()
        except OSError as error:  # the segment is written on, and given up another time
            self._progress.failed(error)

    def _end_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _added(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {cause: some.get(cause, 0) + more.get(cause, 0) for cause in {**some, **more}}
