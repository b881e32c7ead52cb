"""The decision log: what was looked at, decided, promoted or overridden, by whom and on which evidence.

One file for each model, one JSON line for each record, never changed again and chained by hashes: a record holds the
hash of the one before it, so that a changed, missing or moved record breaks the chain where it happened. A chain alone
cannot show that its newest records were cut off, or that all of it was written anew. For that each release manifest
keeps the hash of the record that it rests on (`decision_hash`), and a log that lacks one of them is broken: it is
neither read nor written, so that its looks cannot be started anew. What this cannot show: that records newer than the
last promoted decision were cut off or written anew, or that log and manifests were changed together. Keep the last
hash that the command prints, or the manifests, elsewhere for that.

    python -m contender.core.decisions

checks every log below `settings().decisions` against itself and against the manifests below `settings().releases`,
which lie in one home.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from contender.core.errors import DecisionLogBroken
from contender.core.manifest import MANIFEST, canonical
from contender.core.records import GENESIS, Decision, Record
from contender.core.settings import settings

__all__ = ["GENESIS", "Decision", "Log", "Record", "append", "look", "main", "transaction", "verify"]


@dataclass
class Log:
    """A decision log that this process alone may write; see `transaction`.

    Attributes:
        path: Its file.
        records: Its verified records, those of this transaction included.
    """

    path: Path
    records: tuple[Record, ...]
    _file: BinaryIO

    def append(self, decision: Decision) -> Record:
        """Put a decision on record, once.

        Returns:
            The record in its place. Where it is on record already, that record, so that a task that runs again adds
            nothing. A decision or an override is, where the newest of the same run, kind and subject says the same
            (its time aside); where that says otherwise, both stand. A promotion is, where the newest promotion of the
            log is of the same run and subject, whatever else it says: the alias moves once, and where it was moved
            since, past the platform, that is put on record first. A look is, where there ever was one at the same
            comparison.

        Raises:
            DecisionLogBroken: The log is another model's; nothing was written.
        """
        if self.path.stem != decision.model:
            whose = f"the log of {decision.model}"
            raise _broken(
                self.path, "the record is not for this log", expected=whose, got=self.path.name,
                next_step=f"use {whose}",
            )  # fmt: skip
        placed = _on_record(decision, self.records)
        if placed is None:
            placed = Record.after(self.records[-1] if self.records else None, decision)
            self._file.write(canonical(placed.facts()) + b"\n")
            self._file.flush()
            self.records = (*self.records, placed)
        # Also where nothing was added: the writer of the line may have been killed before it came this far.
        os.fsync(self._file.fileno())
        _sync_folder(self.path.parent)
        return placed

    def basis(self, run: str, subject: str) -> Record | None:
        """The newest decision or override of a run about a subject: what a promotion rests on."""
        about = [record for record in self.records if (record.run, record.subject) == (run, subject)]
        return next((record for record in reversed(about) if record.kind in {"decision", "override"}), None)


@contextmanager
def transaction(path: Path) -> Iterator[Log]:
    """Hold a log alone: whatever is read and done in the block, no other writer of this log comes between.

    The kernel lets go of the lock when the block ends and also when the process is killed. Inside the block add records
    by the log's own `append`: the functions of this module would wait for the lock that the block holds.

    Args:
        path: The log, `<settings().decisions>/<model>.jsonl`; made with its folder where it does not exist.

    Raises:
        DecisionLogBroken: The log's chain does not hold, or lacks a record that a manifest rests on; nothing was
            written. The half-written line of a writer that was killed does not break it and is dropped: its caller was
            never told that it is on record.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock ends with the file, after whatever was still to be written.
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines, torn = _lines(file)
        log = Log(path, _records(path, lines), file)
        if torn:
            os.ftruncate(file.fileno(), sum(len(line) + 1 for line in lines))
        yield log


def append(path: Path, decision: Decision) -> Record:
    """Put one decision on record, once; see `Log.append` and `transaction`."""
    with transaction(path) as log:
        return log.append(decision)


def look(path: Path, decision: Decision) -> int:
    """Put a look on record, before anything is measured, and return its number: 1 is the first.

    The number is how many comparisons of this model the log holds, up to and with this one, on holdout windows that
    overlap its own. A comparison is known by its inputs' digests, its window and its policy's digest: the same again
    is the same look and keeps its number; another policy, other rows or a longer window are another chance to pass,
    so another look. A model looked at beside itself, as when a month is run again, has no chance to pass and counts
    for no other look.

    Args:
        path: The log.
        decision: Of kind `look`.

    Raises:
        ValueError: It is of another kind.
        DecisionLogBroken: See `transaction` and `Log.append`.
    """
    if decision.kind != "look":
        raise ValueError(f"a look is a record of kind 'look', not {decision.kind!r}")
    with transaction(path) as log:
        placed = log.append(decision)
        before = log.records[: placed.sequence - 1]
        chances = [record for record in before if record.kind == "look" and not record.same_model()]
        return 1 + sum(record.overlaps(placed) for record in chances)


def verify(path: Path) -> tuple[Record, ...]:
    """Check the whole chain, also against the model's manifests, and return its records.

    Raises:
        DecisionLogBroken: A record was changed, is missing, stands in the wrong place or cannot be read; the message
            names its sequence number, or the manifest that keeps the hash of a missing one.
    """
    if not path.exists():
        raise _broken(path, "there is no log", expected="a file", got="none")
    with path.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        lines, torn = _lines(log)
        records = _records(path, lines)
    if torn:
        raise _broken(
            path,
            f"record {len(records) + 1} is half written",
            expected="a whole line",
            got=f"{len(torn)} bytes without an end of line",
            next_step="run the task that was killed again: it drops the half line and writes the record anew",
        )
    return records


def main(home: Path) -> int:
    """Verify every log of a home, print a line each, and return the exit code: 1 if any is broken."""
    folder = home / "decisions"
    logs = {log.stem for log in folder.glob("*.jsonl")}
    released = {manifest.parents[1].name for manifest in (home / "releases").glob(f"*/*/{MANIFEST}")}
    if not logs | released:
        print(f"no decision log yet in {folder}")
    broken = 0
    for model in sorted(logs | released):
        try:
            records = verify(folder / f"{model}.jsonl")
        except DecisionLogBroken as error:
            broken += 1
            print(f"{model}: BROKEN: {error}", file=sys.stderr)
        else:
            newest = records[-1].hash if records else GENESIS
            print(f"{model}: chain intact, {len(records)} records, last hash {newest}")
    return 1 if broken else 0


def _records(path: Path, lines: list[bytes]) -> tuple[Record, ...]:
    """The records of a log whose chain holds and that lacks none that a manifest rests on.

    Called under the log's lock: who promotes holds it, so that no manifest is newer than the lines.
    """
    records = _chain(path, lines)
    held = {record.hash for record in records}
    for anchor, where in _anchors(path).items():
        if anchor not in held:
            raise _broken(
                path,
                f"the record that {where} rests on is missing: the log was cut off or written anew",
                expected=f"a record with hash {anchor}",
                got=f"{len(records)} records without it",
            )
    return records


def _anchors(path: Path) -> dict[str, str]:
    """Hashes of records that the manifests of a log's model keep, each with the manifest's path.

    The manifests lie in `releases` beside the logs' folder. Those from before hashes were kept have none.

    Raises:
        DecisionLogBroken: A manifest cannot be read, so that it is not known what the log must hold.
    """
    anchors = {}
    releases = path.parents[1] / "releases" / path.stem
    for manifest in sorted(releases.glob(f"*/{MANIFEST}")):
        try:
            anchor = json.loads(manifest.read_bytes()).get("decision_hash")
        except (ValueError, AttributeError) as error:
            raise _broken(manifest, "a manifest cannot be read", expected="JSON", got=str(error)) from error
        if anchor:
            anchors[anchor] = str(manifest)
    return anchors


def _chain(path: Path, lines: list[bytes]) -> tuple[Record, ...]:
    """Read the records and follow their hashes from the first on."""
    raw = [_read(path, number, line) for number, line in enumerate(lines, start=1)]
    numbers = {record.sequence for record in raw}
    previous = GENESIS
    for expected, record in enumerate(raw, start=1):
        place = f"{path}, line {expected}"
        if record.hash != (computed := record.computed_hash()):
            raise _broken(place, f"record {record.sequence} was changed", expected=record.hash, got=computed)
        if record.sequence != expected:
            what = f"record {expected} is {'not in its place' if expected in numbers else 'missing'}"
            raise _broken(place, what, expected=f"sequence {expected} in line {expected}", got=record.sequence)
        if record.previous != previous:
            what = f"record {expected - 1} is not the one that record {expected} was chained to"
            raise _broken(place, what, expected=record.previous, got=previous)
        if record.model != path.stem:
            raise _broken(place, f"record {expected} is another model's", expected=path.stem, got=record.model)
        previous = record.hash
    return tuple(raw)


def _read(path: Path, number: int, line: bytes) -> Record:
    try:
        record = Record.model_validate_json(line)
    except ValidationError as error:
        got = error.errors(include_url=False)[0]["msg"]
        raise _broken(
            f"{path}, line {number}", f"record {number} cannot be read", expected="a record", got=got
        ) from error
    # The hash covers the values; this covers the bytes, so that a log has exactly one form.
    if canonical(record.facts()) != line:
        raise _broken(
            f"{path}, line {number}",
            f"record {number} was changed",
            expected="canonical JSON",
            got="another form of it",
        )
    return record


def _on_record(decision: Decision, records: tuple[Record, ...]) -> Record | None:
    """The record that says this already; see `Log.append`."""
    alike = [record for record in records if record.kind == decision.kind]
    about = (decision.run, decision.subject)
    if decision.kind == "look":
        return next((record for record in alike if _comparison(record) == _comparison(decision)), None)
    if decision.kind == "promotion":
        return alike[-1] if alike and (alike[-1].run, alike[-1].subject) == about else None
    same = [record for record in alike if (record.run, record.subject) == about]
    return same[-1] if same and same[-1].says_the_same(decision) else None


def _comparison(look: Decision) -> tuple[object, ...]:
    return look.inputs, look.holdout, look.policy_digest


def _lines(log: BinaryIO) -> tuple[list[bytes], bytes]:
    """The whole lines of the log without their ends, and what follows the last end of line."""
    log.seek(0)
    *lines, torn = log.read().split(b"\n")
    return lines, torn


def _sync_folder(folder: Path) -> None:
    """A new file survives a power cut only once its folder is on disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _broken(where: object, what: str, *, expected: object, got: object, next_step: str = "") -> DecisionLogBroken:
    return DecisionLogBroken(
        what,
        where=str(where),
        expected=expected,
        got=got,
        next_step=next_step or "keep the file as it is, find out who changed it, and restore the log from a backup",
    )


if __name__ == "__main__":
    raise SystemExit(main(settings().home))
