"""Two runs of one model promote at once: one wins, the other is measured and decided against the winner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from contender.core.errors import PromotionRefused
from contender.core.settings import CHECKOUT
from tests.tiny_platform import Run, Tiny, champion, manifest, moves, records, watch_alias

# Each run in an interpreter of its own, as two workers have it; both wait for the other before they release.
WORKER = """
import json, sys, time
from pathlib import Path
from airflow.sdk.exceptions import AirflowSkipException
from contender.bench.chain import Chain
from tests import tiny_platform as tiny
run_id, columns, mine, other, returned, pushed = sys.argv[1:]
chain = Chain(tiny.INTERVAL, 1, run_id)
chain.returned.update(json.loads(returned))
chain.pushed.update({("gate.decide", key): value for key, value in json.loads(pushed).items()})
from contender.factory import model_dags
declared = tiny.spec(columns)
run = tiny.Run(declared, chain, model_dags(declared, doc=None)[0])
Path(mine).touch()
while not Path(other).exists():
    time.sleep(0.001)
try:
    print("promoted", run.release()["version"])
except AirflowSkipException as skipped:
    print("skipped", skipped)
"""


def both_decided(tiny: Tiny) -> None:
    """Both challengers measured against version 1 and found better."""
    for run in (tiny.better, tiny.best):
        run.measure()
        assert run.decide() == "gate.promote"
        assert run.chain.pushed["gate.decide", "evidence"]["reference"] == "version 1"


def of_run(home: Path, run: str) -> list[tuple[str, Any]]:
    return [(record.kind, record.verdict) for record in records(home, run)]


def worker(run: Run, columns: str, mine: Path, other: Path) -> subprocess.Popen[str]:
    pushed = {key: run.chain.pushed["gate.decide", key] for key in ("evidence", "verdict")}
    arguments = [run.chain.run_id, columns, str(mine), str(other), json.dumps(run.chain.returned), json.dumps(pushed)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKER, *arguments], env=env, cwd=CHECKOUT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_processes_that_promote_at_once_never_both_replace_the_champion_that_they_measured(
    tiny: Tiny, tmp_path: Path
) -> None:
    both_decided(tiny)
    watch_alias(tiny.home)
    ready = tmp_path / "better", tmp_path / "best"
    started = [worker(tiny.better, "ab", *ready), worker(tiny.best, "abc", *reversed(ready))]
    said = [process.communicate(timeout=200) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    better, best = (out.strip().splitlines()[-1] for out, _ in said)
    # Against version 1 both are better. Who came second was measured against who came first.
    assert best == "promoted 3"
    if moves(tiny.home) == ["2", "3"]:
        assert better == "promoted 2"
        loser, winner, verdict = "third", "version 2", "promote"
    else:
        assert moves(tiny.home) == ["3"]
        assert "version 3 was promoted meanwhile; against it the gate says reject: worse" in better
        loser, winner, verdict = "second", "version 3", "reject"
    assert champion(tiny.home) == "3"
    anew = [("look", None), ("decision", "promote"), ("look", None), ("decision", verdict)]
    assert of_run(tiny.home, loser)[:4] == anew
    digest = {record.inputs["challenger"]: record.subject for record in records(tiny.home)}
    assert digest[records(tiny.home, loser)[3].inputs["reference"]] == winner


def test_loser_that_is_better_than_the_winner_is_promoted_on_a_second_look(tiny: Tiny) -> None:
    both_decided(tiny)
    watch_alias(tiny.home)
    tiny.better.release()
    assert tiny.best.release()["version"] == "3"
    assert moves(tiny.home) == ["2", "3"]
    released = manifest(tiny.home, "3")
    assert released["evidence"]["reference"] == "version 2"
    assert released["evidence"]["look"] > tiny.best.chain.pushed["gate.decide", "evidence"]["look"]
    decided = [record for record in records(tiny.home, "third") if record.kind == "decision"]
    assert released["decision_hash"] == decided[-1].hash


def test_loser_that_is_worse_than_the_winner_is_skipped_and_leaves_no_manifest(tiny: Tiny) -> None:
    both_decided(tiny)
    watch_alias(tiny.home)
    tiny.best.release()
    for _ in range(2):  # run again it says the same, and no more is put on record
        with pytest.raises(AirflowSkipException, match=r"version 3 was promoted meanwhile.* says reject: worse"):
            tiny.better.release()
    assert moves(tiny.home) == ["3"]
    assert not (tiny.home / "releases" / "tiny" / "2").exists()
    assert of_run(tiny.home, "second") == [
        ("look", None), ("decision", "promote"), ("look", None), ("decision", "reject"),
    ]  # fmt: skip


def test_loser_whose_old_evidence_a_person_approved_is_refused(tiny: Tiny) -> None:
    both_decided(tiny)
    tiny.better.release()
    said = {"answer": "Approve", "by": "Ada", "comment": ""}
    with pytest.raises(PromotionRefused, match=r"version 1, as when it was approved by Ada.*clear gate\.measure"):
        tiny.best.release(approval=said)
    assert champion(tiny.home) == "2"
    assert of_run(tiny.home, "third") == [("look", None), ("decision", "promote")]


def test_loser_that_a_person_overrode_the_gate_for_is_refused(tiny: Tiny) -> None:
    tiny.best.chain.params["override"] = "promote: agreed with the airline"
    both_decided(tiny)
    tiny.better.release()
    with pytest.raises(PromotionRefused, match="as when it was override by ada: promote, agreed with the airline"):
        tiny.best.release()
    assert champion(tiny.home) == "2"
