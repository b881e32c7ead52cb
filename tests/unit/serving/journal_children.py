"""What processes do that a test of the journal starts, to kill them or to limit them."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from contender.adapters.predictions import open_predictions
from contender.core.errors import PredictionLogFull
from contender.serving import segments
from contender.serving.journal import Journal
from contender.serving.prediction_log import log_from_env
from contender.serving.shipper import Shipper
from tests.predictions import IDS, line

# A process that forks has one thread; that of the tests may have more.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


def started(run: Callable[..., None], *arguments: Any) -> multiprocessing.process.BaseProcess:
    process = CONTEXT.Process(target=run, args=arguments, daemon=True)
    process.start()
    return process


def append_for_ever(told: Connection, folder: Path, address: str | None, lines: int, rows: int) -> None:
    """Append as fast as it goes and acknowledge each batch after that; ship meanwhile where there is an address."""
    journal = Journal(folder, limit=50_000_000, segment=20_000)
    if address is not None:
        _ship(journal, address)
    while True:
        ids = [IDS.new() for _ in range(lines)]
        journal.append(b"".join(line(one, rows=rows) for one in ids))
        told.send_bytes(" ".join(ids).encode())


def _ship(journal: Journal, address: str) -> None:
    """In a thread here, so that it is killed in the same moment."""

    def told(seconds: float) -> bool:
        journal.turn()
        time.sleep(seconds)
        return False

    shipper = Shipper(journal.folder, open_predictions(address, 10), batch=5000, idle_seconds=0.001)
    threading.Thread(target=shipper.run, args=(told, lambda _: None, 0), daemon=True).start()


def log_and_be_killed(told: Connection, environ: dict[str, str]) -> None:
    """A server's log in the midst of its work, whose end nobody prepares."""
    log = log_from_env(environ)
    assert log is not None
    log.begin()
    ids = [IDS.new() for _ in range(200)]
    for one in ids:
        log.append(line(one))
        time.sleep(0.005)
    told.send_bytes(" ".join(ids).encode())
    os.kill(os.getpid(), signal.SIGKILL)


def on_a_disk_that_fills(told: Connection, folder: Path, fsync: bool) -> None:
    """Append where a file may have so many bytes: the kernel writes up to there, as it does on a disk that fills."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(folder, limit=10_000, fsync=fsync)
    journal.append(b"first\n")
    for size, lines in ((10, b"second, long.\n"), (10, b"second, long.\n"), (6, b"third\n")):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            journal.append(lines)
        except PredictionLogFull as error:
            told.send_bytes(error.got.encode())
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append(b"fourth\n")
    told.close()


def set_aside_on_a_disk_that_fills(told: Connection, folder: Path) -> None:
    """Set lines aside where the file may have so many bytes; what became of each that it could not take."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    segments.set_aside(folder, b"first\n")
    for size in (10, 6):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            segments.set_aside(folder, b"second, long.\n")
        except OSError as error:
            told.send_bytes((error.strerror or "").encode())
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    segments.set_aside(folder, b"third\n")
    told.close()
