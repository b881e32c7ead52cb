from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from contender.client.lock import Busy, lock


def _hold(home: Path, ready: multiprocessing.synchronize.Event, done: multiprocessing.synchronize.Event) -> None:
    with lock(home, "demo"):
        ready.set()
        done.wait(30)


def test_lock_held_by_another_process_names_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, done))
    holder.start()
    try:
        assert ready.wait(30)
        with pytest.raises(Busy, match=f"process {holder.pid}"), lock(tmp_path, "demo"):
            pass
    finally:
        done.set()
        holder.join()
    with lock(tmp_path, "demo"):
        pass
