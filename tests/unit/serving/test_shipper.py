from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
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
from contender.serving.shipper import Progress, Shipper
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


class Shipping:
    """A shipper in a thread, which is given what is written at each of its turns."""

    def __init__(self, journal: Journal, store: Predictions, drain_seconds: float = 30) -> None:
        self.journal, self.shipper = journal, Shipper(journal.folder, store, batch=3000, idle_seconds=0.01)
        self._stopping, self._drain_seconds = threading.Event(), drain_seconds
        self._nothing_left = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    @property
    def progress(self) -> Progress:
        return self.shipper.progress

    def stop(self) -> bool:
        """Whether nothing is left."""
        self.journal.close()
        self._stopping.set()
        self.thread.join()
        return self._nothing_left

    def _run(self) -> None:
        self._nothing_left = self.shipper.run(self._told, lambda _: None, self._drain_seconds)

    def _told(self, seconds: float) -> bool:
        with suppress(FileNotFoundError):  # the folder, in one test
            self.journal.turn()
        return self._stopping.wait(seconds)


@contextmanager
def shipping(
    folder: Path, address: str, limit: int = 10_000_000, leaves_at: int = 0
) -> Iterator[tuple[Journal, Shipping]]:
    journal = Journal(folder, limit=limit, segment=2000)
    shipper = Shipping(journal, Leaving(open_predictions(address, 0.5), leaves_at))
    try:
        yield journal, shipper
    finally:
        shipper.stop()


def leftover(folder: Path, content: bytes) -> None:
    """What a killed process leaves: a segment that nobody holds."""
    folder.mkdir(parents=True, exist_ok=True)
    path, descriptor = segments.create(folder)
    path.write_bytes(content)
    os.close(descriptor)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_that_was_appended_is_in_the_store_once_and_the_folder_is_empty(
    tmp_path: Path, predictions_address: str
) -> None:
    lines = [line(rows=1 + number % 40) for number in range(300)]
    journal = Journal(tmp_path / "journal", limit=10_000_000, segment=2000)
    shipper = Shipping(journal, open_predictions(predictions_address, 10))
    for one in lines:
        journal.append(one)
    assert shipper.stop()
    assert stored(predictions_address) == ids(b"".join(lines))
    assert files(tmp_path / "journal") == []
    assert shipper.progress == Progress(shipped=300, success=shipper.progress.success)


def test_dead_ones_segments_are_adopted_and_repeats_are_counted(tmp_path: Path, predictions_address: str) -> None:
    old = [line() for _ in range(20)]
    with closing(open_predictions(predictions_address, 10)) as store:
        store.write(b"".join(old[:5]))  # it was killed before it had noted that these were stored
    leftover(tmp_path / "journal", b"".join(old[:12]))
    leftover(tmp_path / "journal", b"".join(old[12:]))
    with shipping(tmp_path / "journal", predictions_address) as (journal, shipper):
        journal.append(new := line())
        eventually(lambda: shipper.progress.shipped == 21)
        assert shipper.progress.repeated == 5
    assert stored(predictions_address) == ids(b"".join([*old, new]))
    assert files(tmp_path / "journal") == []


def test_segment_of_a_living_process_is_left_to_it(tmp_path: Path) -> None:
    other = Journal(tmp_path / "journal", limit=10_000)
    other.append(theirs := line())
    with shipping(tmp_path / "journal", str(tmp_path / "db")) as (journal, shipper):
        journal.append(ours := line())
        eventually(lambda: shipper.progress.shipped == 1)
        assert stored(str(tmp_path / "db")) == ids(ours)
        eventually(lambda: segments.pending(journal.folder) == len(theirs))
        other.close()
        eventually(lambda: shipper.progress.shipped == 2)
    assert stored(str(tmp_path / "db")) == sorted(ids(theirs + ours))


@pytest.mark.parametrize("whole", [0, 3], ids=["alone", "after whole lines"])
def test_torn_last_line_is_set_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture, whole: int) -> None:
    journal, database = tmp_path / "journal", str(tmp_path / "db")
    lines = [line() for _ in range(whole)]
    leftover(journal, b"".join(lines) + line()[:40])
    with caplog.at_level(logging.WARNING), shipping(journal, database) as (_, shipper):
        eventually(lambda: shipper.progress.torn == 1)
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
    poison = [b'{"request_id":"17"}\n', b"not json, and a \r in it\n", b"\xff\n", b'"\\u0000\xff"\n']
    lines = [line() for _ in range(30)]
    mixed = [*lines[:7], poison[0], *lines[7:8], poison[1], *lines[8:], *poison[2:]]
    with caplog.at_level(logging.WARNING), shipping(tmp_path / "journal", predictions_address) as (journal, shipper):
        journal.append(b"".join(mixed))
        eventually(lambda: shipper.progress.refused == 4)
    assert stored(predictions_address) == ids(b"".join(lines))
    entries = [json.loads(one) for one in (tmp_path / "journal" / segments.ASIDE).read_text().splitlines()]
    assert [one["line"] for one in entries] == [
        '{"request_id":"17"}', "not json, and a \r in it", "\\xff", '"\\u0000\\xff"'
    ]  # fmt: skip
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
        eventually(lambda: shipper.progress.torn == 1)
    progress = shipper.progress
    assert (progress.shipped, progress.repeated, progress.refused) == (4, 0, 2)
    assert progress.failures == {"PredictionStoreUnreachable": 1}
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
        eventually(lambda: shipper.progress.shipped == 2)
        eventually(lambda: shipper.progress.failures.get("IsADirectoryError", 0) > 2)
        assert shipper.progress.waiting
        broken.rmdir()
        broken.write_bytes(kept)
        eventually(lambda: shipper.progress.shipped == 3)
        eventually(lambda: not shipper.progress.waiting)
        broken.mkdir()
        eventually(lambda: shipper.progress.waiting)
        assert not shipper.stop()  # it is left for the next process
    assert stored(database) == sorted(ids(old + kept + new))
    said = [record.getMessage() for record in caplog.records if broken.name in record.getMessage()]
    assert len(said) == 2  # once for each time that it began, not at each attempt


def test_segments_that_others_removed_are_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    leftover(folder, b"".join(line(rows=200) for _ in range(3)))  # a batch each
    (path,) = segments.segments(folder)
    with shipping(folder, str(tmp_path / "db"), leaves_at=2) as (_, shipper):
        eventually(lambda: shipper.progress.failures != {})
        assert path in shipper.shipper._stored
        path.unlink(missing_ok=True)
        eventually(lambda: path not in shipper.shipper._stored)


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
        eventually(lambda: shipper.progress.failures.get("PredictionStoreUnreachable", 0) > 1)
        assert (shipper.progress.waiting, shipper.progress.shipped) == (True, 0)
        assert segments.pending(journal.folder) == len(b"".join(taken))
        (tmp_path / "store").unlink()
        eventually(lambda: not shipper.progress.waiting)
        journal.append(last := line())
    assert stored(database) == ids(b"".join([*taken, last]))
    said = [record.getMessage() for record in caplog.records]
    assert len([one for one in said if "waits" in one]) == 1  # not at each attempt
    assert len([one for one in said if "goes on" in one]) == 1


def test_stop_while_the_store_is_away_keeps_all_for_the_next(tmp_path: Path) -> None:
    database = str(tmp_path / "store" / "db")
    (tmp_path / "store").write_text("in the way")
    journal = Journal(tmp_path / "journal", limit=10_000)
    shipper = Shipping(journal, open_predictions(database, 0.5), drain_seconds=0.3)
    journal.append(kept := line())
    assert not shipper.stop()
    (tmp_path / "store").unlink()
    with shipping(tmp_path / "journal", database):
        pass
    assert stored(database) == ids(kept)
    assert files(tmp_path / "journal") == []


def test_segments_grow_while_the_store_is_away_instead_of_getting_many(tmp_path: Path) -> None:
    journal, lines = Journal(tmp_path / "journal", limit=100_000, segment=2000), [line() for _ in range(12)]
    for one in lines:
        journal.append(one)
        journal.turn()
    left = [path.read_bytes() for path in segments.segments(journal.folder)]
    assert (left[0], b"".join(left)) == (lines[0], b"".join(lines))
    assert len(left) <= 2 + len(b"".join(lines)) // (2000 - len(lines[0]))
    journal.close()


def test_folder_that_is_taken_away_is_reported_and_not_the_end(tmp_path: Path) -> None:
    folder, database = tmp_path / "journal", str(tmp_path / "db")
    with shipping(folder, database) as (journal, shipper):
        shutil.rmtree(folder)
        eventually(lambda: "FileNotFoundError" in shipper.progress.failures)
        folder.mkdir()
        eventually(lambda: not shipper.progress.waiting)
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
        eventually(lambda: shipper.progress.shipped == 49)
    found = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"tailnum" in found  # the field is there, and null
    assert b"SECRET" not in found
    if "://" in predictions_address:
        with psycopg.connect(predictions_address) as server:
            rows = server.execute(f"SELECT t::text FROM {TABLE} t").fetchall()
        assert len(rows) == 49
        assert "SECRET" not in str(rows)


def test_stop_is_heard_between_two_batches_and_what_is_left_is_no_failure(tmp_path: Path) -> None:
    folder, database = tmp_path / "journal", str(tmp_path / "db")
    lines = [line() for _ in range(3)]
    for one in lines:
        leftover(folder, one)
    told: list[int] = []
    shipper = Shipper(folder, open_predictions(database, 10))
    assert not shipper.run(lambda _: True, lambda progress: told.append(progress.shipped), drain_seconds=0)
    assert (shipper.progress.shipped, shipper.progress.failures) == (1, {})
    assert told[0] == 1  # before the pass was over
    assert stored(database) == ids(lines[0])
    assert len(segments.segments(folder)) == 2
