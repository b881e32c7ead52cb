from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from contender.embedded import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
# Forks a child into a group of its own, as Airflow's tasks are, and one into a session of its own.
FORKING = """
import os, sys, time
for leave in (os.setpgrp, os.setsid):
    if os.fork() == 0:
        leave()
        time.sleep(60)
print("forked", flush=True)
time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert processes.end_survivors(tmp_path) == 0


def wait_for(home: Path, name: str, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in processes.log_path(home, name).read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_start_is_recorded_alive_in_a_session_of_its_own(home: Path) -> None:
    record = processes.start("sleeper", SLEEP, os.environ, home, digest="d", note="n")
    assert processes.recorded(home) == {"sleeper": record}
    assert processes.is_alive(record)
    assert os.getsid(record.pid) == record.pid


def test_is_alive_same_number_other_start_is_not_ours(home: Path) -> None:
    record = processes.start("sleeper", SLEEP, os.environ, home)
    assert not processes.is_alive(replace(record, started=record.started - 3600))


def test_stop_with_forks_in_other_groups_and_sessions_leaves_none(home: Path) -> None:
    record = processes.start("forking", [sys.executable, "-c", FORKING], os.environ, home)
    wait_for(home, "forking", "forked")
    assert len(processes.survivors(home)) == 3
    assert processes.stop([record], home, patience=5) == []
    assert processes.end_survivors(home) == 0
    assert not psutil.pid_exists(record.pid)
    assert processes.recorded(home) == {}


def test_stop_process_that_ignores_the_signal_is_killed_and_named(home: Path) -> None:
    record = processes.start("deaf", [sys.executable, "-c", DEAF], os.environ, home)
    wait_for(home, "deaf", "deaf")
    assert processes.stop([record], home, patience=0.3) == ["deaf"]
    assert processes.survivors(home) == []


def test_survivors_of_another_home_are_not_ours(home: Path, tmp_path: Path) -> None:
    processes.start("sleeper", SLEEP, os.environ, home)
    assert processes.survivors(tmp_path / "other") == []


def test_stop_ended_process_does_nothing(home: Path) -> None:
    record = processes.start("quick", [sys.executable, "-c", "print('bye')"], os.environ, home)
    os.waitpid(record.pid, 0)
    assert not processes.is_alive(record)
    assert processes.stop([record], home, patience=1) == []


def test_recorded_broken_file_is_dropped(home: Path) -> None:
    (home / "processes").mkdir()
    (home / "processes" / "x.json").write_text("{")
    assert processes.recorded(home) == {}


def test_start_again_keeps_the_log_before(home: Path) -> None:
    for text in ("first", "second"):
        record = processes.start("echo", [sys.executable, "-c", f"print('{text}')"], os.environ, home)
        os.waitpid(record.pid, 0)
    assert processes.log_path(home, "echo").read_text() == "second\n"
    assert processes.log_path(home, "echo").with_suffix(".log.1").read_text() == "first\n"


def test_last_lines_long_log_shows_its_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n".join(map(str, range(100))))
    assert processes.last_lines(log, 2) == "  | 98\n  | 99"
    assert "no output" in processes.last_lines(tmp_path / "none.log")
