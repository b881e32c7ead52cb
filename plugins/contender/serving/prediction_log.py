"""The prediction log of one server, as the environment says: a journal, the store, and the process between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contender.adapters.predictions import Predictions, open_predictions
from contender.core.errors import BundleBroken
from contender.serving.journal import MB, Journal
from contender.serving.supervisor import Figures, Supervisor

NO_STORE = "none"
STORE_SECONDS = 10.0
DRAIN_SECONDS = 5.0
# And a second for the process to end; one that waits for a statement longer than that is killed, and nothing is lost.
END_SECONDS = DRAIN_SECONDS + 1.0
DEFAULT_MB = "256"


class PredictionLog:
    """Takes lines of records before their answers are given.

    Args:
        journal: Where they go at once.
        supervisor: Of the process that brings them to the store.
    """

    def __init__(self, journal: Journal, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.append = journal.append  # no call in between on the hot path
        self.require_room = journal.require_room

    def begin(self) -> None:
        """Start shipping; what a dead server left comes first."""
        self._supervisor.start()

    def end(self, seconds: float = END_SECONDS) -> bool:
        """After the last answer: ship what is left for so many seconds at most; whether nothing is left."""
        return self._supervisor.stop(seconds)

    def figures(self) -> Figures:
        """What metrics say of it."""
        return self._supervisor.figures()


def log_from_env(environ: Mapping[str, str]) -> PredictionLog | None:
    """The log that the environment asks for, or None for `CONTENDER_PREDICTIONS=none`.

    `CONTENDER_PREDICTIONS` is the store's file or URL, `CONTENDER_JOURNAL` the journal's folder, `CONTENDER_JOURNAL_MB`
    its limit (default 256), `CONTENDER_JOURNAL_FSYNC` `1` or `0` (default): each append on the disk before the answer.

    Raises:
        BundleBroken: A variable is not set, or has a value that means nothing.
        PredictionLogFull: The journal's folder cannot be written.
        PredictionStoreUnreachable: The store's address is malformed.
    """
    if _address(environ) == NO_STORE:
        return None
    store(environ)  # nothing is opened: an address that means nothing is to stop the start
    megabytes = environ.get("CONTENDER_JOURNAL_MB") or DEFAULT_MB
    if not megabytes.isdecimal() or not int(megabytes):
        raise _broken("CONTENDER_JOURNAL_MB", "a whole number of megabytes", megabytes)
    fsync = environ.get("CONTENDER_JOURNAL_FSYNC") or "0"
    if fsync not in {"0", "1"}:
        raise _broken("CONTENDER_JOURNAL_FSYNC", "0 or 1", fsync)
    journal = Journal(journal_folder(environ), limit=int(megabytes) * MB, fsync=fsync == "1")
    return PredictionLog(journal, Supervisor(journal, environ))


def journal_folder(environ: Mapping[str, str]) -> Path:
    """The folder of `CONTENDER_JOURNAL`.

    Raises:
        BundleBroken: It is not set.
    """
    return Path(_given(environ, "CONTENDER_JOURNAL", "the folder of the journal"))


def store(environ: Mapping[str, str]) -> Predictions:
    """The store of `CONTENDER_PREDICTIONS`.

    Raises:
        BundleBroken: It is not set.
        PredictionStoreUnreachable: The address is malformed.
    """
    return open_predictions(_address(environ), STORE_SECONDS)


def redacted_from_env(environ: Mapping[str, str]) -> list[str]:
    """The names of `CONTENDER_REDACT`, which are separated by commas."""
    return [name.strip() for name in environ.get("CONTENDER_REDACT", "").split(",") if name.strip()]


def _address(environ: Mapping[str, str]) -> str:
    return _given(environ, "CONTENDER_PREDICTIONS", f"the prediction store's file or URL, or {NO_STORE!r}")


def _given(environ: Mapping[str, str], name: str, expected: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise _broken(name, expected, "nothing")
    return value


def _broken(name: str, expected: str, got: str) -> BundleBroken:
    return BundleBroken(
        "the server does not know where to log its predictions",
        where=name,
        expected=expected,
        got=got,
        next_step=f"set {name}",
    )
