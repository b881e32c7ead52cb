"""The decision log: what was decided, promoted or overridden, by whom and on which evidence; never changed again.

One file for each model, one JSON line for each record, chained by hashes: a record holds the hash of the one before
it, so that a changed, missing or moved record breaks the chain where it happened. A chain alone cannot show that its
newest records were cut off, or that all of it was written anew: compare the last hash with one kept elsewhere
for that.

    python -m contender.core.decisions

checks every log below `settings().decisions`.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator

from contender.core.errors import DecisionLogBroken
from contender.core.evidence import VerdictName
from contender.core.interval import Interval
from contender.core.manifest import canonical, digest_of
from contender.core.results import Result
from contender.core.settings import settings

# What stands for the hash before the first record.
GENESIS = "0" * 64


class Decision(Result):
    """What is to be put on record.

    Attributes:
        model: Whose log it belongs to.
        kind: `decision` (the gate's verdict), `promotion` (the alias was moved), `override` (a person's word
            against the gate's; needs a reason and a verdict).
        subject: What it is about, e.g. the model version.
        actor: Who or what decided or acted.
        interval: The run's interval; `None` outside a run.
        verdict: What was decided; `None` where `kind` says it all.
        reasons: One line each.
        evidence_digest, policy_digest: SHA-256 of what the decision rests on; empty where it rests on none.
        run: The DAG run, or whatever else identifies one attempt.
        time: When it counts from; given by the caller, never read from a clock. Kept in UTC.
    """

    model: str = Field(min_length=1)
    kind: Literal["decision", "promotion", "override"]
    subject: str = Field(min_length=1)
    actor: str = Field(min_length=1)
    interval: Interval | None = None
    verdict: VerdictName | None = None
    reasons: tuple[str, ...] = ()
    evidence_digest: str = ""
    policy_digest: str = ""
    run: str = Field(min_length=1)
    time: AwareDatetime

    @field_validator("time")
    @classmethod
    def _utc(cls, value: AwareDatetime) -> AwareDatetime:
        return value.astimezone(UTC)

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.kind != "promotion" and self.verdict is None:
            raise ValueError(f"a record of kind {self.kind!r} needs a verdict")
        if self.kind != "promotion" and not any(reason.strip() for reason in self.reasons):
            raise ValueError(f"a record of kind {self.kind!r} needs at least one reason")
        return self


class Record(Decision):
    """A decision in its place in the log.

    Attributes:
        sequence: 1 for the first record of the log.
        previous: Hash of the record before; 64 zeros for the first.
        hash: SHA-256 of the canonical JSON of all other fields, hexadecimal.
    """

    sequence: int = Field(ge=1)
    previous: str
    hash: str

    def decision(self) -> Decision:
        """What was put on record, without its place."""
        return Decision(**{name: getattr(self, name) for name in Decision.model_fields})


def append(path: Path, record: Decision) -> Record:
    """Put a decision on record, once.

    The log is checked, written and synced to disk under an exclusive lock. The half-written line of a writer that was
    killed is dropped first: its caller was never told that it is on record.

    Args:
        path: The log, `<settings().decisions>/<model>.jsonl`; made with its folder where it does not exist.
        record: The decision.

    Returns:
        The record in its place. Where the newest record of the same run, kind and subject says the same (its time
        aside), that record: a task that runs again adds nothing. Where it says otherwise, both stand.

    Raises:
        DecisionLogBroken: The log's chain does not hold, or the log is another model's; nothing was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as log, _locked(log, fcntl.LOCK_EX):
        lines, torn = _lines(log)
        records = _chain(path, lines)
        if path.stem != record.model:
            whose = f"the log of {record.model}"
            raise _broken(
                path, "the record is not for this log", expected=whose, got=path.name, next_step=f"use {whose}"
            )
        if torn:
            os.ftruncate(log.fileno(), sum(len(line) + 1 for line in lines))
        placed = _on_record(record, records)
        if placed is None:
            placed = _placed(record, records[-1] if records else None)
            log.write(canonical(placed.facts()) + b"\n")
            log.flush()
        # Also where nothing was added: the writer of the line may have been killed before it came this far.
        os.fsync(log.fileno())
        _sync_folder(path.parent)
    return placed


def verify(path: Path) -> tuple[Record, ...]:
    """Check the whole chain and return its records.

    Raises:
        DecisionLogBroken: A record was changed, is missing, stands in the wrong place or cannot be read; the message
            names its sequence number.
    """
    if not path.exists():
        raise _broken(path, "there is no log", expected="a file", got="none")
    with path.open("rb") as log, _locked(log, fcntl.LOCK_SH):
        lines, torn = _lines(log)
    records = _chain(path, lines)
    if torn:
        raise _broken(
            path,
            f"record {len(records) + 1} is half written",
            expected="a whole line",
            got=f"{len(torn)} bytes without an end of line",
            next_step="run the task that was killed again: it drops the half line and writes the record anew",
        )
    return records


def main(folder: Path) -> int:
    """Verify every log of a folder, print a line each, and return the exit code: 1 if any is broken."""
    logs = sorted(folder.glob("*.jsonl"))
    if not logs:
        print(f"no decision log yet in {folder}")
    broken = 0
    for log in logs:
        try:
            records = verify(log)
        except DecisionLogBroken as error:
            broken += 1
            print(f"{log.stem}: BROKEN: {error}", file=sys.stderr)
        else:
            newest = records[-1].hash if records else GENESIS
            print(f"{log.stem}: chain intact, {len(records)} records, last hash {newest}")
    return 1 if broken else 0


def _chain(path: Path, lines: list[bytes]) -> tuple[Record, ...]:
    """Read the records and follow their hashes from the first on."""
    raw = [_read(path, number, line) for number, line in enumerate(lines, start=1)]
    numbers = {record.sequence for record in raw}
    previous = GENESIS
    for expected, record in enumerate(raw, start=1):
        place = f"{path}, line {expected}"
        if record.hash != _hash_of(record):
            raise _broken(place, f"record {record.sequence} was changed", expected=record.hash, got=_hash_of(record))
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


def _placed(decision: Decision, last: Record | None) -> Record:
    place = {"sequence": last.sequence + 1 if last else 1, "previous": last.hash if last else GENESIS}
    fields: dict[str, Any] = {name: getattr(decision, name) for name in Decision.model_fields} | place
    unsealed = Record(**fields, hash="")
    return unsealed.model_copy(update={"hash": _hash_of(unsealed)})


def _hash_of(record: Record) -> str:
    return digest_of(record.model_dump(mode="json", exclude={"hash"}))


def _on_record(decision: Decision, records: tuple[Record, ...]) -> Record | None:
    """The newest record of the same run, kind and subject, if it says the same."""
    key = (decision.run, decision.kind, decision.subject)
    same = [record for record in records if (record.run, record.kind, record.subject) == key]
    return same[-1] if same and _content(same[-1]) == _content(decision) else None


def _content(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(include=Decision.model_fields.keys() - {"time"})


def _lines(log: BinaryIO) -> tuple[list[bytes], bytes]:
    """The whole lines of the log without their ends, and what follows the last end of line."""
    log.seek(0)
    *lines, torn = log.read().split(b"\n")
    return lines, torn


@contextmanager
def _locked(log: BinaryIO, how: int) -> Iterator[None]:
    """Hold an advisory lock; the kernel releases it also when the process is killed."""
    fcntl.flock(log, how)
    try:
        yield
    finally:
        fcntl.flock(log, fcntl.LOCK_UN)


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
    raise SystemExit(main(settings().decisions))
