"""What concerns the log as a whole: older logs, looks, anchors, several writers, and writers that are killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.core import decisions
from contender.core.decisions import Decision, Record, append, look, transaction, verify
from contender.core.errors import DecisionLogBroken
from contender.core.interval import Interval
from contender.core.manifest import Release, canonical
from contender.core.settings import CHECKOUT

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "plugins")}
# Written before records had `inputs` and `holdout`.
OLD = Path(__file__).parent / "logs" / "flight_delay.jsonl"
JUNE = Interval.parse("2013-06-15/2013-07-01")


def _decision(**more: Any) -> Decision:
    facts: dict[str, Any] = {
        "model": "flight_delay", "kind": "decision", "subject": "version 3", "actor": "gate", "verdict": "promote",
        "reasons": ("improved",), "run": "run 1", "time": datetime(2013, 7, 1, tzinfo=UTC),
    }  # fmt: skip
    return Decision(**(facts | more))


def _look(challenger: str = "c1", reference: str = "r1", window: Interval = JUNE, **more: Any) -> Decision:
    inputs = {"challenger": challenger, "reference": reference, "holdout": f"rows of {window}"}
    return _decision(**({"kind": "look", "verdict": None, "reasons": (), "inputs": inputs, "holdout": window} | more))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions" / "flight_delay.jsonl"


def test_log_of_before_keeps_its_hashes_and_goes_on(path: Path) -> None:
    path.parent.mkdir()
    shutil.copy(OLD, path)
    assert [record.kind for record in verify(path)] == ["decision", "promotion", "override", "promotion"]
    placed = append(path, _decision(inputs={"challenger": "c1"}, holdout=JUNE))
    assert placed.previous == json.loads(OLD.read_text().splitlines()[-1])["hash"]
    assert path.read_bytes().startswith(OLD.read_bytes())
    assert len(verify(path)) == 5


def test_log_of_before_with_an_empty_new_field_written_in_is_changed(path: Path) -> None:
    path.parent.mkdir()
    first, *others = OLD.read_bytes().splitlines()
    path.write_bytes(b"\n".join([canonical(json.loads(first) | {"inputs": {}}), *others, b""]))
    with pytest.raises(DecisionLogBroken, match="record 1 was changed"):
        verify(path)


def test_look_at_one_window_is_numbered_in_order_of_the_log(path: Path) -> None:
    assert [look(path, _look(challenger=f"c{number}", run=f"run {number}")) for number in (1, 2, 3)] == [1, 2, 3]
    # Another reference is another comparison too.
    assert look(path, _look(reference="r2")) == 4


def test_look_at_the_same_again_keeps_its_number_and_adds_nothing(path: Path) -> None:
    for number in (1, 2, 3):
        look(path, _look(challenger=f"c{number}", run=f"run {number}"))
    before = path.read_bytes()
    assert look(path, _look(challenger="c2", run="a later run", subject="version 9")) == 2
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "other",
    [
        _look(policy_digest="p2"),
        _look(window=Interval.parse("2013-06-15/2013-07-05")),
        _look(inputs={"challenger": "c1", "reference": "r1", "holdout": "labels came late"}),
    ],
    ids=["other policy", "longer window", "other rows"],
)
def test_look_of_the_same_two_models_at_anything_else_is_another_chance(path: Path, other: Decision) -> None:
    assert look(path, _look()) == 1
    assert look(path, other) == 2


def test_look_at_a_window_of_its_own_starts_fresh(path: Path) -> None:
    assert look(path, _look()) == 1
    assert look(path, _look(window=Interval.parse("2013-07-01/2013-07-15"))) == 1
    assert look(path, _look(challenger="c2", window=Interval.parse("2013-06-30/2013-07-02"))) == 3


def test_look_at_a_model_beside_itself_costs_the_others_nothing(path: Path) -> None:
    assert look(path, _look()) == 1
    assert look(path, _look(challenger="c1", reference="c1")) == 2
    assert look(path, _look(challenger="c2", reference="c1")) == 2


def test_look_counts_no_other_records(path: Path) -> None:
    append(path, _decision(inputs={"challenger": "c0", "reference": "r0"}, holdout=JUNE))
    assert look(path, _look()) == 1
    append(path, _decision(kind="promotion", inputs={"challenger": "c1", "reference": "r1"}, holdout=JUNE))
    assert look(path, _look(challenger="c2")) == 2
    with pytest.raises(ValueError, match="not 'decision'"):
        look(path, _decision(inputs={"challenger": "c9", "reference": "r1"}, holdout=JUNE))


def _days(first: int, length: int) -> Interval:
    day = int(datetime(2013, 6, 1, tzinfo=UTC).timestamp()) + first * 86_400
    start, end = (datetime.fromtimestamp(at, tz=UTC) for at in (day, day + length * 86_400))
    return Interval(start=start, end=end)


@settings(max_examples=40, deadline=None)
@given(windows=st.lists(st.builds(_days, st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=8))
def test_looks_that_share_a_moment_are_numbered_at_least_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, windows: list[Interval]
) -> None:
    path = tmp_path_factory.mktemp("looks") / "flight_delay.jsonl"
    numbers = [look(path, _look(challenger=f"c{order}", window=window)) for order, window in enumerate(windows)]
    for day in range(18):
        moment = _days(day, 1).start
        here = [number for number, window in zip(numbers, windows, strict=True) if moment in window]
        assert all(number >= order for order, number in enumerate(here, start=1))


LOOKS = """
import sys
from pathlib import Path
from contender.core.decisions import Decision, look
decision = Decision.model_validate_json(sys.argv[2])
for number in range(10):
    compared = decision.inputs | {"challenger": f"{sys.argv[3]} {number}"}
    print(look(Path(sys.argv[1]), decision.model_copy(update={"inputs": compared})))
"""


def test_look_from_two_processes_at_once_gets_numbers_of_its_own(path: Path) -> None:
    arguments = [sys.executable, "-c", LOOKS, str(path), _look().model_dump_json()]
    started = [
        subprocess.Popen([*arguments, name], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    printed = [process.communicate()[0].split() for process in started]
    assert sorted(int(number) for numbers in printed for number in numbers) == list(range(1, 21))
    assert len(verify(path)) == 20


SWAPS = """
import sys, time
from pathlib import Path
from contender.core.decisions import Decision, transaction
log_path, alias = Path(sys.argv[1]), Path(sys.argv[1]).with_name("alias")
decision = Decision.model_validate_json(sys.argv[2])
for number in range(5):
    with transaction(log_path) as log:
        before = alias.read_text() if alias.exists() else "nobody"
        new = f"{sys.argv[3]}{number}"
        time.sleep(0.01)
        alias.write_text(new)
        log.append(decision.model_copy(update={"subject": new, "run": new, "reasons": (before,)}))
"""


def test_transaction_of_two_processes_lets_none_between_reading_and_writing(path: Path) -> None:
    promotion = _decision(kind="promotion").model_dump_json()
    arguments = [sys.executable, "-c", SWAPS, str(path), promotion]
    started = [subprocess.Popen([*arguments, name], env=ENVIRONMENT) for name in "ab"]
    assert [process.wait() for process in started] == [0, 0]
    records = verify(path)
    assert len(records) == 10
    # Each swap found what the one before it had left.
    assert records[0].reasons == ("nobody",)
    assert all(later.reasons == (earlier.subject,) for earlier, later in pairwise(records))
    assert path.with_name("alias").read_text() == records[-1].subject


def test_transaction_shows_what_it_added_and_what_a_promotion_rests_on(path: Path) -> None:
    append(path, _decision(subject="version 2", run="another"))
    with transaction(path) as log:
        assert log.basis("run 1", "version 3") is None
        decided = log.append(_decision(verdict="hold"))
        overridden = log.append(_decision(kind="override", actor="ines", reasons=("the data of May are wrong",)))
        assert log.records[1:] == (decided, overridden)
        assert log.basis("run 1", "version 3") == overridden
        log.append(_decision(kind="promotion"))
        assert log.basis("run 1", "version 3") == overridden
    assert len(verify(path)) == 4


def _append_and_fail(path: Path) -> None:
    with transaction(path) as log:
        log.append(_decision())
        raise TimeoutError


def test_transaction_that_fails_keeps_what_was_appended(path: Path) -> None:
    with pytest.raises(TimeoutError):
        _append_and_fail(path)
    assert len(verify(path)) == 1
    assert append(path, _decision(subject="version 4")).sequence == 2


KILLED = """
import os, signal, sys
from itertools import count
from pathlib import Path
from contender.core import decisions, records
from contender.core.decisions import Decision, look, transaction, verify

folder, adds = Path(sys.argv[1]), [Decision.model_validate_json(text) for text in sys.argv[2:]]
traced = {decisions.__file__, records.__file__}


def work(path):
    numbers = [look(path, decision) for decision in adds if decision.kind == "look"]
    with transaction(path) as log:
        for decision in adds:
            log.append(decision)
    return numbers


def killed_at(line, path):
    seen = count(1)

    def trace(frame, event, argument):
        if frame.f_code.co_filename not in traced:
            return None
        if event == "line" and next(seen) == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    child = os.fork()
    if child == 0:
        sys.settrace(trace)
        work(path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


for line in count(1):
    path = folder / str(line) / f"{adds[0].model}.jsonl"
    killed = killed_at(line, path)
    assert work(path) == [1], line
    assert [record.decision() for record in verify(path)] == adds, line
    if not killed:
        print(line - 1)
        break
"""


def test_work_killed_at_any_line_and_done_again_leaves_each_record_once(tmp_path: Path) -> None:
    adds = [decision.model_dump_json() for decision in (_look(), _decision(), _decision(kind="promotion"))]
    command = [sys.executable, "-c", KILLED, str(tmp_path), *adds]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100, "so many lines ran and the process was killed at each"


def _released(path: Path, number: str, anchor: str | None) -> None:
    manifest = path.parents[1] / "releases" / path.stem / number / "release.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"version": number} | ({} if anchor is None else {"decision_hash": anchor})))


def _verified(path: Path) -> int:
    return decisions.main(path.parents[1])


def test_main_with_a_log_that_holds_what_the_manifests_keep_exits_0(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _released(path, "1", None)
    for number in ("2", "3"):
        _released(path, number, append(path, _decision(subject=f"version {number}", run=number)).hash)
    append(path, _decision(run="later", verdict="hold"))
    assert _verified(path) == 0
    assert "chain intact, 3 records" in capsys.readouterr().out


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def _write_anew(path: Path) -> None:
    records = verify(path)
    previous, lines = None, []
    for record in records:
        previous = Record.after(previous, record.decision().model_copy(update={"actor": "nobody"}))
        lines.append(canonical(previous.facts()) + b"\n")
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "rests on is missing: the log was cut off or written anew"),
        (_write_anew, "rests on is missing: the log was cut off or written anew"),
        (Path.unlink, "there is no log"),
    ],
    ids=["cut off", "written anew", "removed"],
)
def test_main_with_a_log_that_lacks_what_a_manifest_keeps_exits_1(
    path: Path, damage: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    append(path, _decision(run="earlier"))
    _released(path, "3", append(path, _decision()).hash)
    damage(path)
    assert _verified(path) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("damage", [_cut, _write_anew, Path.unlink], ids=["cut off", "written anew", "removed"])
@pytest.mark.parametrize(
    "write",
    [lambda path: look(path, _look("c9")), lambda path: append(path, _decision(run="later"))],
    ids=["look", "append"],
)
def test_log_that_lacks_what_a_manifest_keeps_takes_no_record(path: Path, damage: Any, write: Any) -> None:
    look(path, _look())
    _released(path, "3", append(path, _decision()).hash)
    damage(path)
    before = path.read_bytes() if path.exists() else b""
    with pytest.raises(DecisionLogBroken, match=r"releases/flight_delay/3/release\.json rests on is missing"):
        write(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]"], ids=["half", "no manifest"])
def test_main_with_a_manifest_that_cannot_be_read_exits_1(
    path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    append(path, _decision())
    _released(path, "3", None)
    (path.parents[1] / "releases" / "flight_delay" / "3" / "release.json").write_text(content)
    assert _verified(path) == 1
    assert "a manifest cannot be read" in capsys.readouterr().err


def test_manifest_without_an_anchor_keeps_its_form() -> None:
    assert "decision_hash" not in Release.model_construct().model_dump()
    assert Release.model_construct(decision_hash="a").model_dump()["decision_hash"] == "a"
