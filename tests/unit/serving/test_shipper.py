from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from contender.adapters.predictions import TABLE, Predictions, Record, open_predictions, unreachable
from contender.core.errors import PredictionLogFull
from contender.serving import segments
from contender.serving.journal import Journal
from contender.serving.record import Recorder, RequestIds
from contender.serving.shipper import Shipper
from tests.predictions import ids, line, stored


def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came about")


@dataclass
class Leaving:
    """A store that is away at one of its calls, and goes on with the next."""

    store: Predictions
    leaves_at: int
    calls: int = 0

    def write(self, lines: bytes) -> int:
        self.calls += 1
        if self.calls == self.leaves_at:
            raise unreachable("written", "the store", 0.5, "nobody")
        return self.store.write(lines)

    def read(self, model: str, since: datetime, until: datetime) -> Iterator[Record]:
        return self.store.read(model, since, until)

    def close(self) -> None:
        self.store.close()


@contextmanager
def shipping(
    folder: Path, address: str, limit: int = 10_000_000, leaves_at: int = 0
) -> Iterator[tuple[Journal, Shipper]]:
    journal = Journal(folder, limit=limit, segment=2000)
    store = Leaving(open_predictions(address, 0.5), leaves_at)
    shipper = Shipper(journal, store, batch=3000, idle_seconds=0.01)
    shipper.start()
    yield journal, shipper
    shipper.stop(30)


def leftover(folder: Path, content: bytes) -> None:
    """What a killed process leaves: a segment that nobody holds."""
    journal = Journal(folder, limit=10_000_000)
    path, _ = journal.live()
    path.write_bytes(content)
    journal.close(-1)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_that_was_appended_is_in_the_store_once_and_the_folder_is_empty(
    tmp_path: Path, predictions_address: str
) -> None:
    lines = [line(rows=1 + number % 40) for number in range(300)]
    journal = Journal(tmp_path / "journal", limit=10_000_000, segment=2000)
    shipper = Shipper(journal, open_predictions(predictions_address, 10), batch=3000, idle_seconds=0.01)
    shipper.start()
    for one in lines:
        journal.append(one)
    assert shipper.stop(60)
    assert stored(predictions_address) == ids(b"".join(lines))
    assert files(tmp_path / "journal") == []
    figures = shipper.figures()
    assert (figures.shipped, figures.repeated, figures.refused, figures.torn, figures.failures) == (300, 0, 0, 0, {})
    assert (figures.pending_bytes, figures.state) == (0, "stopped")


def test_dead_ones_segments_are_adopted_and_repeats_are_counted(tmp_path: Path, predictions_address: str) -> None:
    old = [line() for _ in range(20)]
    with closing(open_predictions(predictions_address, 10)) as store:
        store.write(b"".join(old[:5]))  # it was killed before it had noted that these were stored
    leftover(tmp_path / "journal", b"".join(old[:12]))
    leftover(tmp_path / "journal", b"".join(old[12:]))
    with shipping(tmp_path / "journal", predictions_address) as (journal, shipper):
        journal.append(new := line())
        eventually(lambda: shipper.figures().shipped == 21)
        assert shipper.figures().repeated == 5
    assert stored(predictions_address) == ids(b"".join([*old, new]))
    assert files(tmp_path / "journal") == []


def test_segment_of_a_living_process_is_left_to_it(tmp_path: Path) -> None:
    other = Journal(tmp_path / "journal", limit=10_000)
    other.append(theirs := line())
    with shipping(tmp_path / "journal", str(tmp_path / "db")) as (journal, shipper):
        journal.append(ours := line())
        eventually(lambda: shipper.figures().shipped == 1)
        assert stored(str(tmp_path / "db")) == ids(ours)
        assert shipper.figures().pending_bytes == len(theirs)
        other.close(-1)
        eventually(lambda: shipper.figures().shipped == 2)
    assert stored(str(tmp_path / "db")) == sorted(ids(theirs + ours))


@pytest.mark.parametrize("whole", [0, 3], ids=["alone", "after whole lines"])
def test_torn_last_line_is_set_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, whole: int) -> None:
    journal, database = tmp_path / "journal", str(tmp_path / "db")
    lines = [line() for _ in range(whole)]
    leftover(journal, b"".join(lines) + line()[:40])
    with caplog.at_level(logging.WARNING), shipping(journal, database) as (_, shipper):
        eventually(lambda: shipper.figures().torn == 1)
    assert files(journal) == [segments.ASIDE]
    entry = json.loads((journal / segments.ASIDE).read_text())
    assert entry["reason"].startswith("torn")
    assert len(entry["line"]) == 40
    assert "set aside" in caplog.text
    if whole:
        assert stored(database) == ids(b"".join(lines))


def test_poison_is_set_aside_with_its_reason_and_the_rest_is_stored(
    tmp_path: Path, predictions_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    poison = [b'{"request_id":"17"}\n', b"not json, and a \r in it\n", b"\xff\n"]
    lines = [line() for _ in range(30)]
    mixed = [*lines[:7], poison[0], *lines[7:8], poison[1], *lines[8:], poison[2]]
    with caplog.at_level(logging.WARNING), shipping(tmp_path / "journal", predictions_address) as (journal, shipper):
        journal.append(b"".join(mixed))
        eventually(lambda: shipper.figures().refused == 3)
    assert stored(predictions_address) == ids(b"".join(lines))
    entries = [json.loads(one) for one in (tmp_path / "journal" / segments.ASIDE).read_text().splitlines()]
    assert [one["line"] for one in entries] == ['{"request_id":"17"}', "not json, and a \r in it", "\\xff"]
    assert all(one["reason"] for one in entries)
    assert "not json" not in "".join(
        record.getMessage() for record in caplog.records if record.name.endswith("shipper")
    )
    assert files(tmp_path / "journal") == [segments.ASIDE]


@pytest.mark.parametrize("leaves_at", range(1, 8))
def test_record_is_set_aside_once_though_the_store_goes_away_in_the_middle(tmp_path: Path, leaves_at: int) -> None:
    journal, database, good = tmp_path / "journal", str(tmp_path / "db"), [line() for _ in range(4)]
    # Of a dead writer, with a half line at its end: the batch and its halves are seven calls.
    leftover(journal, b"".join([b"no json\n", good[0], good[1], b"not that\n", good[2], good[3], line()[:40]]))
    with shipping(journal, database, leaves_at=leaves_at) as (_, shipper):
        eventually(lambda: shipper.figures().torn == 1)
    figures = shipper.figures()
    assert (figures.shipped, figures.repeated, figures.refused) == (4, 0, 2)
    assert figures.failures == {"PredictionStoreUnreachable": 1}
    entries = [json.loads(one)["line"] for one in (journal / segments.ASIDE).read_text().splitlines()]
    assert entries[:2] == ["no json", "not that"]
    assert len(entries) == 3
    assert stored(database) == ids(b"".join(good))
    assert files(journal) == [segments.ASIDE]


def test_segment_that_cannot_be_read_holds_up_no_other_and_has_its_turn_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, database = tmp_path / "journal", str(tmp_path / "db")
    old, kept, new = line(), line(), line()
    broken = folder / f"{1:019d}-00000000{segments.SUFFIX}"  # the oldest
    broken.mkdir(parents=True)  # reading it fails, whoever tries
    leftover(folder, old)
    with caplog.at_level(logging.WARNING), shipping(folder, database) as (journal, shipper):
        journal.append(new)
        eventually(lambda: shipper.figures().shipped == 2)
        eventually(lambda: shipper.figures().failures.get("IsADirectoryError", 0) > 2)
        assert shipper.figures().state == "waiting"
        broken.rmdir()
        broken.write_bytes(kept)
        eventually(lambda: shipper.figures().shipped == 3)
        eventually(lambda: shipper.figures().state == "shipping")
        broken.mkdir()
        eventually(lambda: shipper.figures().state == "waiting")
        assert not shipper.stop(30)  # it is left for the next process
    assert stored(database) == sorted(ids(old + kept + new))
    said = [record.getMessage() for record in caplog.records if broken.name in record.getMessage()]
    assert len(said) == 2  # once for each time that it began, not at each attempt


def test_segments_that_others_removed_are_forgotten(tmp_path: Path) -> None:
    with shipping(tmp_path / "journal", str(tmp_path / "db")) as (journal, shipper):
        journal.append(one := line())
        path, _ = journal.live()
        eventually(lambda: shipper._stored.get(path) == len(one))
        path.unlink()
        journal.append(line(rows=200))  # into the next segment
        eventually(lambda: path not in shipper._stored)


def test_store_that_is_away_fills_the_journal_and_loses_nothing_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = str(tmp_path / "store" / "db")
    (tmp_path / "store").write_text("in the way")  # no folder can be made there
    taken = []
    with caplog.at_level(logging.WARNING), shipping(tmp_path / "journal", database, limit=4000) as (journal, shipper):
        with pytest.raises(PredictionLogFull):  # noqa: PT012  one of them does
            while True:
                journal.append(one := line())
                taken.append(one)
        eventually(lambda: shipper.figures().failures.get("PredictionStoreUnreachable", 0) > 1)
        figures = shipper.figures()
        assert (figures.state, figures.shipped, figures.pending_bytes) == ("waiting", 0, len(b"".join(taken)))
        assert figures.seconds_since_success > 0
        (tmp_path / "store").unlink()
        eventually(lambda: shipper.figures().state == "shipping")
        journal.append(last := line())
    assert stored(database) == ids(b"".join([*taken, last]))
    said = [record.getMessage() for record in caplog.records]
    assert len([one for one in said if "waits" in one]) == 1  # not at each attempt
    assert len([one for one in said if "goes on" in one]) == 1


def test_stop_while_the_store_is_away_keeps_all_for_the_next(tmp_path: Path) -> None:
    database = str(tmp_path / "store" / "db")
    (tmp_path / "store").write_text("in the way")
    journal = Journal(tmp_path / "journal", limit=10_000)
    shipper = Shipper(journal, open_predictions(database, 0.5))
    shipper.start()
    journal.append(kept := line())
    assert not shipper.stop(0.3)
    (tmp_path / "store").unlink()
    with shipping(tmp_path / "journal", database):
        pass
    assert stored(database) == ids(kept)
    assert files(tmp_path / "journal") == []


def test_stop_does_not_wait_for_a_store_that_hangs(tmp_path: Path) -> None:
    database = str(tmp_path / "db")
    journal = Journal(tmp_path / "journal", limit=10_000)
    store = open_predictions(database, 10)
    store.write(line())
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shipper = Shipper(journal, store)
        shipper.start()
        journal.append(kept := line())
        eventually(shipper._thread.is_alive)
        assert not shipper.stop(0.5)
        assert [path.read_bytes() for path in segments.segments(tmp_path / "journal")] == [kept]
    shipper._thread.join(30)
    store.close()


def test_folder_that_is_taken_away_is_reported_and_not_the_end(tmp_path: Path) -> None:
    folder, database = tmp_path / "journal", str(tmp_path / "db")
    with shipping(folder, database) as (journal, shipper):
        shutil.rmtree(folder)
        eventually(lambda: "FileNotFoundError" in shipper.figures().failures)
        folder.mkdir()
        eventually(lambda: shipper.figures().state == "shipping")
        assert os.listdir(folder) == []
        assert journal.limit


def test_redacted_values_are_in_no_file(tmp_path: Path, predictions_address: str) -> None:
    recorder = Recorder(
        model="tiny", version="1", variant="stable", columns=["x", "name"], fields=["tailnum"],
        redact=["name", "tailnum"],
    )  # fmt: skip
    ids_ = RequestIds()
    made = [
        recorder.line(ids_.new(), "/predict", [(1.0, "SECRET-A")], [0.5], 1.0, entities=[{"tailnum": "SECRET-B"}])
        for _ in range(50)
    ]
    assert all(b"SECRET" not in one for one in made)
    leftover(tmp_path / "journal", made[0][:-9])  # even of a torn one
    with shipping(tmp_path / "journal", predictions_address) as (journal, shipper):
        for one in made[1:]:
            journal.append(one)
        eventually(lambda: shipper.figures().shipped == 49)
    found = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"tailnum" in found  # the field is there, and null
    assert b"SECRET" not in found
    if "://" in predictions_address:
        with psycopg.connect(predictions_address) as server:
            rows = server.execute(f"SELECT t::text FROM {TABLE} t").fetchall()
        assert len(rows) == 49
        assert "SECRET" not in str(rows)
