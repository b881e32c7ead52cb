from __future__ import annotations

import os
import signal
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contender.adapters.predictions import open_predictions
from contender.serving.journal import Journal
from tests.postgres import PostgresServer
from tests.predictions import stored
from tests.unit.serving.journal_children import CONTEXT, append_for_ever, started
from tests.unit.serving.test_shipper import Shipping, eventually, files

# How many acknowledgements a writer gives before it is killed, and how many microseconds later that is.
LIVES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3000)), min_size=1, max_size=3)


def lived(
    folder: Path, address: str | None, acknowledgements: int, microseconds: int, lines: int, rows: int
) -> set[str]:
    """One life of a writer, ended by SIGKILL; the ids it had acknowledged."""
    heard, told = CONTEXT.Pipe(duplex=False)
    process = started(append_for_ever, told, folder, address, lines, rows)
    told.close()
    messages = [heard.recv_bytes() for _ in range(acknowledgements)]
    end = time.perf_counter_ns() + 1000 * microseconds
    while time.perf_counter_ns() < end:
        if heard.poll():
            messages.append(heard.recv_bytes())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    try:
        while True:
            messages.append(heard.recv_bytes())
    except EOFError:
        pass
    heard.close()
    process.join()
    process.close()
    return {one for message in messages for one in message.decode().split()}


def adopt(folder: Path, address: str) -> None:
    assert Shipping(Journal(folder, limit=10**9), open_predictions(address, 10), drain_seconds=120).stop()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lives=LIVES, ships=st.booleans(), lines=st.integers(1, 5), rows=st.sampled_from([1, 30, 400]))
def test_killed_at_any_moment_each_acknowledged_record_is_stored_once(
    lives: list[tuple[int, int]], ships: bool, lines: int, rows: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, database = Path(name) / "journal", str(Path(name) / "predictions.db")
        acknowledged = set()
        for acknowledgements, microseconds in lives:
            acknowledged |= lived(folder, database if ships else None, acknowledgements, microseconds, lines, rows)
        adopt(folder, database)
        found = stored(database)
        assert len(found) == len(set(found))
        assert acknowledged <= set(found)
        # What more there is, each writer had written and not yet acknowledged.
        assert len(found) - len(acknowledged) <= len(lives) * lines
        assert set(files(folder)) <= {"refused.jsonl"}


def test_store_killed_under_load_gets_each_record_once_when_it_is_back(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    folder, acknowledged = tmp_path / "journal", set()
    acknowledged |= lived(folder, own_postgres.url, 30, 0, 3, 1)
    heard, told = CONTEXT.Pipe(duplex=False)
    process = started(append_for_ever, told, folder, own_postgres.url, 1, 1)
    told.close()
    _stored_more(own_postgres, heard, acknowledged)
    own_postgres.kill()
    for _ in range(200):  # the store is away, and records are taken all the same
        acknowledged |= set(heard.recv_bytes().decode().split())
    own_postgres.start()
    _stored_more(own_postgres, heard, acknowledged)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    while True:
        try:
            acknowledged |= set(heard.recv_bytes().decode().split())
        except EOFError:
            break
    heard.close()
    process.join()
    process.close()
    adopt(folder, own_postgres.url)
    found = stored(own_postgres.url)
    assert acknowledged <= set(found)
    assert len(found) - len(acknowledged) <= 4
    assert set(files(folder)) <= {"refused.jsonl"}


def _stored_more(server: PostgresServer, heard: Connection, acknowledged: set[str]) -> None:
    """Wait until the store has more records than now."""
    before = len(stored(server.url))

    def more() -> bool:
        while heard.poll():
            acknowledged.update(heard.recv_bytes().decode().split())
        return len(stored(server.url)) > before

    eventually(more)
