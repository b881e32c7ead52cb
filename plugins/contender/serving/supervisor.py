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
# What the process ends with: nothing is left, or something is; anything else is a signal's.
SHIPPED, LEFT = 0, 1

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
        # Of the processes that ended, together, and of the one that runs; replaced as one, for whoever reads meanwhile.
        self._known = Progress(), Progress()
        self._stopping = threading.Event()
        self._last = self._nothing_left = False
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        """Begin; segments that dead processes left come first."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Close the journal, have what is left shipped for so many seconds at most; whether nothing is left.

        What is left waits in the journal for the next server, and is said to.
        """
        self._journal.close()
        self._stopping.set()
        self._end_input()
        if self._thread.is_alive():
            self._thread.join(seconds)
        process = self._process
        if process is not None and process.poll() is None:
            # At any moment, for nothing is removed from the journal that is not in the store.
            self._last = True
            process.kill()
            self._thread.join()
        if not self._nothing_left:
            log.warning(
                "%d bytes of the prediction log wait in %s for the next server",
                segments.pending(self._journal.folder),
                self._journal.folder,
            )
        return self._nothing_left

    def figures(self) -> Figures:
        """The counts until now."""
        past, now = self._known
        known, process = past.and_then(now), self._process
        running = process is not None and process.poll() is None
        return Figures(
            pending_bytes=segments.pending(self._journal.folder),
            shipped=known.shipped,
            repeated=known.repeated,
            refused=known.refused,
            torn=known.torn,
            failures=known.failures,
            seconds_since_success=time.monotonic() - known.success,
            state="stopped" if not running else "waiting" if known.waiting else "shipping",
        )

    def _run(self) -> None:
        """One process after the other; of a stop between two of them another one, for what is left."""
        while not self._last:
            self._last = self._stopping.is_set()
            code = self._one()
            if not self._stopping.is_set():
                self._restart(code)
            elif code in (SHIPPED, LEFT):
                self._nothing_left = code == SHIPPED
                return

    def _one(self) -> int | None:
        """Start a process, and follow it until it ends; its exit code, if it was one."""
        self._process = None
        try:
            # A group of its own: what is sent to the server's is meant for the server, which closes our input.
            with subprocess.Popen(
                COMMAND, env=self._environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
            ) as process:
                self._process = process
                if self._stopping.is_set():
                    self._end_input()
                self._follow(process.stdout)
        except Exception:  # a thread that ended would start nothing again, unseen
            log.exception("the process that ships the prediction log cannot be followed")
        return None if self._process is None else self._process.returncode

    def _restart(self, code: int | None) -> None:
        """Count what the process had done that ended, and wait a moment."""
        log.warning("the process that ships the prediction log ended (%s), and is started again", code)
        past, ended = self._known
        summed = past.and_then(ended)
        summed.failed(ENDED)
        self._known = summed, Progress(success=ended.success, waiting=True)
        self._stopping.wait(RESTART_SECONDS)

    def _follow(self, said: IO[bytes] | None) -> None:
        """Until the process ends: hear how far it is, and give it what was written."""
        if said is None:
            raise OSError("a process without a pipe")
        output, rest, turned = select.poll(), b"", time.monotonic()
        output.register(said, select.POLLIN)
        while True:
            if output.poll(1000 * TURN_SECONDS):
                data = os.read(said.fileno(), 65_536)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                if lines:
                    self._known = self._known[0], msgspec.json.decode(lines[-1], type=Progress)
            if time.monotonic() - turned >= TURN_SECONDS:
                turned = time.monotonic()
                self._turn()

    def _turn(self) -> None:
        try:
            self._journal.turn()
        except OSError as error:  # the segment is written on, and given up another time
            self._known[0].failed(type(error).__name__)

    def _end_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
