"""Processes of the platform: started apart from the terminal, found again later, stopped with all they forked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

# Every process of the platform inherits this variable, whatever session or group it moves to.
MARK = "CONTENDER_PLATFORM"
# Two starts within this time do not get the same process number; clocks step less than this.
SAME_START_SECONDS = 5.0
POLL_SECONDS = 0.1
KILL_SECONDS = 5.0  # a killed process is gone as soon as the kernel has cleaned up after it


@dataclass(frozen=True)
class Record:
    """A started process, as its file remembers it.

    Attributes:
        name: What it is, e.g. `scheduler`.
        pid: Process number, also its session's.
        started: Start in seconds since the epoch: the number alone may by now belong to another program.
        digest: Digest of what it was started with; another one means that it must be started anew.
        note: What the starter wants to remember, e.g. the version that is served.
    """

    name: str
    pid: int
    started: float
    digest: str
    note: str = ""


def start(
    name: str, command: Sequence[str], env: Mapping[str, str], home: Path, *, digest: str = "", note: str = ""
) -> Record:
    """Start `command` in a session of its own, so that Ctrl-C in the terminal does not reach it.

    Its output goes to `<home>/logs/<name>.log`; the one before is kept as `<name>.log.1`. Its working directory
    is `home`. Ctrl-C's signal is reset: a shell without job control would have its children ignore it for ever.
    """
    path = log_path(home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_suffix(".log.1"))
    with path.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            env={**env, MARK: str(home)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_listen_to_signals,  # noqa: PLW1509
        )
    # It is meant to outlive us: without this, Popen would warn that nobody waited for it.
    process.returncode = 0
    record = Record(name, process.pid, psutil.Process(process.pid).create_time(), digest, note)
    _write(_record_path(home, name), json.dumps(asdict(record)))
    return record


def recorded(home: Path) -> dict[str, Record]:
    """The processes that were started and not yet stopped, living or not, by name."""
    found = {}
    for path in sorted((home / "processes").glob("*.json")):
        try:
            found[path.stem] = Record(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            path.unlink(missing_ok=True)
    return found


def is_alive(record: Record) -> bool:
    """Whether this very process still runs, not another that got its number."""
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) < SAME_START_SECONDS
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def listens(record: Record, port: int) -> bool:
    """Whether this process, or one of its session, is the one that listens on the TCP port."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == record.pid and port in _listening(process):
                return True
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue  # gone since, or another user's
    return False


def _listening(process: psutil.Process) -> set[int]:
    return {one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}


def forget(home: Path, name: str) -> None:
    """Drop the file of a stopped process."""
    _record_path(home, name).unlink(missing_ok=True)


def survivors(home: Path) -> list[psutil.Process]:
    """Every living process that carries this platform's mark, whatever started it in between."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(home):
                found.append(process)
        except psutil.Error:
            continue  # gone since, or another user's
    return [process for process in found if _runs(process)]


def stop(records: Iterable[Record], home: Path, *, patience: float) -> list[str]:
    """Ask the processes to end, one after the other, then end whatever is left of the platform.

    Args:
        records: In the order in which they are to be asked. All are asked before any is waited for.
        home: The platform's folder; its marked processes are searched at the end.
        patience: Seconds they have together before they are killed.

    Returns:
        Names of the processes that did not end by themselves.
    """
    asked = [record for record in records if is_alive(record)]
    for record in asked:
        _signal(record.pid, signal.SIGTERM)
    _wait_for_ends(asked, patience)
    stubborn = [record.name for record in asked if is_alive(record)]
    for record in asked:
        _kill_session(record.pid)
        forget(home, record.name)
    _wait_for_ends(asked, KILL_SECONDS)
    return stubborn


def _wait_for_ends(records: list[Record], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_alive_after_reaping(record) for record in records):
        time.sleep(POLL_SECONDS)


def end_survivors(home: Path, *, rounds: int = 20) -> int:
    """Kill whatever carries the mark, until nothing does; returns how many are left (0, but for a miracle)."""
    for _ in range(rounds):
        left = survivors(home)
        if not left:
            return 0
        for process in left:
            _signal(process.pid, signal.SIGKILL)
        psutil.wait_procs(left, timeout=0.5)
    return len(survivors(home))


def log_path(home: Path, name: str) -> Path:
    """Where the output of a process goes."""
    return home / "logs" / f"{name}.log"


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log, indented; says so where there is none."""
    if not path.exists():
        return "  (no output)"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    return "\n".join(f"  | {line}" for line in lines) or "  (no output)"


def _kill_session(session: int) -> None:
    """Kill what is left of a session. Tasks have groups of their own, but stay in the scheduler's session."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and _runs(process):
                _signal(process.pid, signal.SIGKILL)
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _alive_after_reaping(record: Record) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(record.pid, os.WNOHANG)  # ours only if this very command started it
    return is_alive(record)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # ended in the meantime, which is what we want


def _listen_to_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _record_path(home: Path, name: str) -> Path:
    return home / "processes" / f"{name}.json"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
