from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contender.core import decisions
from contender.core.decisions import GENESIS, Decision, append, verify
from contender.core.errors import DecisionLogBroken
from contender.core.interval import Interval
from contender.core.manifest import canonical, digest_of
from contender.core.settings import CHECKOUT

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "plugins")}
JUNE = datetime(2013, 6, 1, tzinfo=UTC)


def _decision(**more: Any) -> Decision:
    facts: dict[str, Any] = {
        "model": "flight_delay",
        "kind": "decision",
        "subject": "3",
        "actor": "gate",
        "interval": Interval.parse("2013-05"),
        "verdict": "promote",
        "reasons": ("improved: [+0.01, +0.02]",),
        "evidence_digest": "e" * 64,
        "policy_digest": "p" * 64,
        "run": "scheduled__2013-06-01",
        "time": JUNE,
    }
    return Decision(**(facts | more))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of five records."""
    path = tmp_path / "decisions" / "flight_delay.jsonl"
    for number in range(1, 6):
        append(path, _decision(subject=str(number), run=f"run {number}"))
    return path


def _rewrite(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def test_append_chains_each_record_to_the_one_before(log: Path) -> None:
    records = verify(log)
    assert [record.sequence for record in records] == [1, 2, 3, 4, 5]
    assert [record.previous for record in records] == [GENESIS, *(record.hash for record in records[:-1])]
    for line in log.read_text().splitlines():
        fields = json.loads(line)
        assert fields.pop("hash") == digest_of(fields)


def test_append_of_the_same_again_adds_nothing(log: Path) -> None:
    before = log.read_bytes()
    again = append(log, _decision(subject="2", run="run 2", time=JUNE + timedelta(hours=1)))
    assert again.sequence == 2
    assert again.time == JUNE
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    "more",
    [
        {"run": "run 9"},
        {"kind": "promotion"},
        {"inputs": {"image": "i"}},
        {"subject": "4"},
        {"verdict": "hold"},
        {"evidence_digest": "f" * 64},
    ],
    ids=["other run", "other kind", "other inputs", "other subject", "other verdict", "other evidence"],
)
def test_append_of_anything_else_adds_a_record(log: Path, more: dict[str, Any]) -> None:
    assert append(log, _decision(**({"subject": "2", "run": "run 2"} | more))).sequence == 6
    assert len(verify(log)) == 6


def test_append_of_a_promotion_again_adds_nothing_whatever_else_it_says(log: Path) -> None:
    first = append(log, _decision(kind="promotion", subject="2", run="run 2"))
    append(log, _decision(subject="3", run="run 3", verdict="hold"))
    again = append(log, _decision(kind="promotion", subject="2", run="run 2", evidence_digest="f" * 64))
    assert again == first
    append(log, _decision(kind="promotion", subject="3", run="run 3"))
    back = append(log, _decision(kind="promotion", subject="2", run="run 2"))
    assert back.sequence == 9, "the alias came back from another version: a promotion of its own"


def test_append_keeps_times_in_utc(tmp_path: Path) -> None:
    later = datetime(2013, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    append(tmp_path / "flight_delay.jsonl", _decision(time=later))
    assert b'"time":"2013-06-01T00:00:00Z"' in (tmp_path / "flight_delay.jsonl").read_bytes()


@settings(max_examples=25, deadline=None)
@given(reasons=st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=3), actor=st.text(min_size=1))
def test_append_of_any_text_verifies(tmp_path_factory: pytest.TempPathFactory, reasons: list[str], actor: str) -> None:
    path = tmp_path_factory.mktemp("log") / "flight_delay.jsonl"
    placed = append(path, _decision(reasons=tuple(reasons), actor=actor))
    assert verify(path) == (placed,)
    assert placed.decision() == _decision(reasons=tuple(reasons), actor=actor)


def test_append_to_another_models_log_refuses(log: Path) -> None:
    before = log.read_bytes()
    with pytest.raises(DecisionLogBroken, match="not for this log"):
        append(log, _decision(model="churn"))
    assert log.read_bytes() == before


def test_append_to_a_broken_log_refuses_and_writes_nothing(log: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b'"subject":"3"', b'"subject":"8"'))
    before = log.read_bytes()
    with pytest.raises(DecisionLogBroken, match="record 3 was changed"):
        append(log, _decision(run="another"))
    assert log.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_append_after_a_killed_writer_drops_its_half_line(log: Path, cut: int) -> None:
    os.truncate(log, log.stat().st_size - cut)
    with pytest.raises(DecisionLogBroken, match="record 5 is half written"):
        verify(log)
    assert append(log, _decision(subject="5", run="run 5")).sequence == 5
    assert len(verify(log)) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": "4"}, "record 3 was changed"),
        ({"verdict": "reject"}, "record 3 was changed"),
        ({"sequence": 9}, r"record 9 was changed.*, line 3"),
        ({"hash": "0" * 64}, "record 3 was changed"),
        ({"verdict": "maybe"}, "record 3 cannot be read"),
        ({"extra": 1}, "record 3 cannot be read"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_verify_of_a_changed_record_names_it(log: Path, change: dict[str, Any], message: str) -> None:
    lines = log.read_bytes().splitlines()
    lines[2] = canonical(json.loads(lines[2]) | change)
    _rewrite(log, lines)
    with pytest.raises(DecisionLogBroken, match=message):
        verify(log)


def test_verify_of_a_changed_and_rehashed_record_names_it(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    fields = json.loads(lines[2]) | {"verdict": "hold"}
    fields.pop("hash")
    lines[2] = canonical(fields | {"hash": digest_of(fields)})
    _rewrite(log, lines)
    with pytest.raises(DecisionLogBroken, match="record 3 is not the one that record 4 was chained to"):
        verify(log)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([1, 2, 4, 5], "record 3 is missing"),
        ([2, 3, 4, 5], "record 1 is missing"),
        ([1, 5], "record 2 is missing"),
        ([1, 3, 2, 4, 5], "record 2 is not in its place"),
        ([1, 2, 2, 3, 4, 5], "record 3 is not in its place"),
    ],
    ids=["one missing", "first missing", "middle cut out", "reordered", "repeated"],
)
def test_verify_of_records_not_in_order_names_the_first(log: Path, order: list[int], message: str) -> None:
    lines = log.read_bytes().splitlines()
    _rewrite(log, [lines[number - 1] for number in order])
    with pytest.raises(DecisionLogBroken, match=message):
        verify(log)


def test_verify_of_a_line_cut_in_the_middle_of_the_log_names_it(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    lines[1] = lines[1][:50]
    _rewrite(log, lines)
    with pytest.raises(DecisionLogBroken, match="record 2 cannot be read"):
        verify(log)


def test_verify_of_another_form_of_the_same_values_refuses(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    lines[3] = json.dumps(json.loads(lines[3])).encode()
    _rewrite(log, lines)
    with pytest.raises(DecisionLogBroken, match="record 4 was changed"):
        verify(log)


def test_verify_of_a_log_renamed_to_another_model_refuses(log: Path) -> None:
    moved = log.rename(log.with_name("churn.jsonl"))
    with pytest.raises(DecisionLogBroken, match="record 1 is another model's"):
        verify(moved)


def test_verify_without_a_log_refuses(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogBroken, match="there is no log"):
        verify(tmp_path / "flight_delay.jsonl")


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "override", "reasons": ()},
        {"kind": "override", "verdict": None},
        {"reasons": (" ",)},
        {"verdict": None},
        {"actor": ""},
        {"run": ""},
        {"inputs": {"challenger": ""}},
        {"kind": "look", "inputs": {"challenger": "c", "reference": "r"}},
        {"kind": "look", "inputs": {"challenger": "c"}, "holdout": Interval.parse("2013-05")},
    ],
    ids=["override without reason", "override without verdict", "blank reason", "no verdict", "nobody", "no run",
         "empty digest", "look at no window", "look at one model"],
)  # fmt: skip
def test_decision_that_says_too_little_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _decision(**more)


def test_decision_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        _decision(time=datetime(2013, 6, 1))  # noqa: DTZ001


MANY = """
import sys
from pathlib import Path
from contender.core.decisions import Decision, append
decision = Decision.model_validate_json(sys.argv[2])
for number in range(10):
    append(Path(sys.argv[1]), decision.model_copy(update={"run": f"{sys.argv[3]} {number}"}))
"""


def test_append_from_two_processes_keeps_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "flight_delay.jsonl"
    arguments = [sys.executable, "-c", MANY, str(path), _decision().model_dump_json()]
    writers = [subprocess.Popen([*arguments, str(writer)], env=ENVIRONMENT) for writer in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(verify(path)) == 20


def test_main_without_a_log_says_so_and_exits_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decisions.main(tmp_path) == 0
    assert capsys.readouterr().out.startswith("no decision log yet")


def test_main_with_one_broken_log_names_it_and_exits_1(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(log.with_name("churn.jsonl"), _decision(model="churn"))
    log.write_bytes(log.read_bytes().replace(b"gate", b"nobody", 1))
    assert decisions.main(log.parents[1]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("churn: chain intact, 1 records")
    assert "flight_delay: BROKEN: record 1 was changed" in printed.err


def test_module_run_as_a_command_verifies_the_logs_of_the_settings(log: Path) -> None:
    env = {
        "CONTENDER_HOME": str(log.parent.parent),
        "PYTHONPATH": str(CHECKOUT / "plugins"),
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-m", "contender.core.decisions"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("flight_delay: chain intact, 5 records, last hash ")
