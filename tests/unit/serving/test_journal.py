from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contender.core.errors import PredictionLogFull
from contender.serving import segments
from contender.serving.journal import Journal
from tests.unit.serving.journal_children import (
    CONTEXT,
    on_a_disk_that_fills,
    set_aside_on_a_disk_that_fills,
    started,
)


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in segments.segments(folder)]


def test_append_is_in_the_file_before_it_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "journal", limit=1000)
    journal.append(b"one\n")
    journal.append(b"two\nthree\n")
    assert contents(journal.folder) == [b"one\ntwo\nthree\n"]
    journal.close()


def test_segments_follow_each_other_by_size_and_lines_stay_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=10_000, segment=30)
    lines = [b"%020d\n" % number for number in range(5)] + [b"x" * 100 + b"\n"]
    for line in lines:
        journal.append(line)
    journal.close()
    assert contents(tmp_path) == lines


def test_full_journal_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=25)
    journal.append(b"0123456789\n")
    journal.append(b"0123456789\n")
    with pytest.raises(PredictionLogFull, match=r"less than 25 bytes.*got: 22 bytes that are not in the store yet"):
        journal.append(b"0123456789\n")
    journal.append(b"01\n")
    assert b"".join(contents(tmp_path)) == b"0123456789\n0123456789\n01\n"
    journal.close()


def test_full_journal_takes_again_once_something_was_shipped(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=25)
    journal.append(b"0123456789\n")
    journal.append(b"0123456789\n")
    segments.segments(tmp_path)[0].unlink()
    journal.append(b"0123456789\n")
    journal.close()


def test_limit_counts_what_others_and_what_was_set_aside_take(tmp_path: Path) -> None:
    (tmp_path / segments.ASIDE).write_bytes(b"x" * 20)
    other, journal = Journal(tmp_path, limit=45), Journal(tmp_path, limit=45)
    other.append(b"0123456789\n")
    journal.turn()  # to nothing, but it looks at the folder
    journal.append(b"0123456789\n")
    with pytest.raises(PredictionLogFull):
        journal.append(b"0123456789\n")
    other.close()
    journal.close()


def test_next_segment_waits_for_the_one_before_no_longer_than_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contender.serving.journal.WAIT_SECONDS", -1.0)
    journal = Journal(tmp_path, limit=100)
    for line in (b"a\n", b"b\n"):
        journal.append(line)
        journal.turn()
    assert contents(tmp_path) == [b"a\n", b"b\n", b""]
    journal.close()


def test_folder_that_is_taken_away_takes_nothing_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, limit=100)
    journal.append(b"lost\n")
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        journal.turn()
    with pytest.raises(PredictionLogFull):
        journal.require_room()
    with pytest.raises(PredictionLogFull):
        journal.append(b"refused\n")
    folder.mkdir()
    journal.require_room()
    journal.append(b"kept\n")
    assert contents(folder) == [b"kept\n"]
    journal.close()


def test_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PredictionLogFull, match=r"NotADirectory|Not a directory"):
        Journal(tmp_path / "file" / "journal", limit=100)


def test_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=100)
    journal.append(b"a\n")
    journal.close()
    with pytest.raises(PredictionLogFull, match=r"shutting down"):
        journal.append(b"b\n")


def test_closed_journal_leaves_what_was_written_and_no_empty_file(tmp_path: Path) -> None:
    written, empty = Journal(tmp_path, limit=100), Journal(tmp_path, limit=100)
    written.append(b"a\n")
    for journal in (written, empty):
        journal.close()
        journal.turn()  # there is nothing to give up any more
    assert contents(tmp_path) == [b"a\n"]


def test_what_is_given_up_is_adopted_and_the_next_segment_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=100)
    journal.turn()  # nothing was written
    journal.append(b"a\n")
    (first,) = segments.segments(tmp_path)
    journal.turn()
    journal.append(b"b\n")
    with segments.adopted(first) as held:
        assert held is not None
    assert contents(tmp_path) == [b"a\n", b"b\n"]
    journal.close()


def test_living_segment_is_adopted_by_nobody_and_a_dead_one_by_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, limit=100)
    journal.append(b"a\n")
    (path,) = segments.segments(tmp_path)
    with segments.adopted(path) as held:
        assert held is None
    journal.close()
    with segments.adopted(path) as first, segments.adopted(path) as second:
        assert first is not None
        assert second is None
        path.unlink()
    with segments.adopted(path) as gone:
        assert gone is None


def test_whole_lines_are_cut_at_a_line_and_grow_for_a_long_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234\n5678\n" + b"x" * 50 + b"\nhalf")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    read: Callable[[int], bytes] = lambda offset: segments.whole_lines(descriptor, offset, 65, 8)  # noqa: E731
    assert [read(0), read(5), read(10), read(61)] == [b"1234\n", b"5678\n", b"x" * 50 + b"\n", b""]
    assert segments.whole_lines(descriptor, 0, 4, 8) == b""
    os.close(descriptor)


def said_by(run: Callable[..., None], messages: int, *arguments: object) -> list[str]:
    """What a process has to say that runs to its end."""
    heard, told = CONTEXT.Pipe(duplex=False)
    process = started(run, told, *arguments)
    told.close()
    said = [heard.recv_bytes().decode() for _ in range(messages)]
    process.join()
    assert process.exitcode == 0
    process.close()
    heard.close()
    return said


def test_disk_that_takes_half_of_what_is_set_aside_leaves_none_of_it(tmp_path: Path) -> None:
    said = said_by(set_aside_on_a_disk_that_fills, 2, tmp_path)
    assert said == [os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG)]
    assert (tmp_path / segments.ASIDE).read_bytes() == b"first\nthird\n"


@pytest.mark.parametrize("fsync", [False, True], ids=["written", "synced"])
def test_disk_that_takes_half_a_line_leaves_none_of_it(tmp_path: Path, fsync: bool) -> None:
    said = said_by(on_a_disk_that_fills, 3, tmp_path, fsync)
    assert said[:2] == ["a disk that took 4 of 14 bytes"] * 2
    assert "File too large" in said[2]
    assert contents(tmp_path) == [b"first\nfourth\n"]


def test_full_disk_refuses_and_takes_again_when_it_has_room(tmp_path: Path) -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("there is no /dev/full")
    journal = Journal(tmp_path, limit=10_000)
    journal.append(b"first\n")
    mine, full = os.dup(journal._descriptor), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._descriptor)
    with pytest.raises(PredictionLogFull, match=os.strerror(errno.ENOSPC)):
        journal.append(b"second\n")
    assert segments.pending(tmp_path) == len(b"first\n")  # what cannot be cut to size is given up
    os.close(full)
    journal.append(b"third\n")
    os.close(mine)
    journal.close()
    assert sorted(contents(tmp_path)) == [b"first\n", b"third\n"]
