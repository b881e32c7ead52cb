"""Tasks that run again: after they were done, under the same run and under another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from contender.bench.chain import Chain
from contender.core import decisions
from contender.core.errors import EvidenceStale, PromotionRefused
from contender.core.interval import Interval
from contender.core.settings import settings
from contender.factory import model_dags
from flight_delay.dag import SPEC
from tests.conftest import INTERVAL, Trained, applied
from tests.faults.platform_state import left_as_it_was, state


@pytest.fixture(scope="module")
def before_again(trained: Trained, backends: dict[str, str]) -> dict[str, Any]:
    """The state that another run for the same month finds."""
    with applied(backends):
        return state(trained.home)


@pytest.fixture(scope="module")
def again(before_again: dict[str, Any], backends: dict[str, str]) -> Chain:
    """The month run another time, under another run."""
    assert before_again["aliases"]
    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="again")
    with applied(backends):
        chain.run(model_dags(SPEC, doc=None)[0])
    return chain


def test_month_run_again_gives_the_same_training_set_and_no_second_version(
    platform: Trained, again: Chain, before_again: dict[str, Any]
) -> None:
    first = platform.returned
    assert again.returned["train.assemble"] == first["train.assemble"]
    assert (again.returned["train.fit"]["version"], again.returned["train.fit"]["new_version"]) == ("1", False)
    after = state(platform.home)
    for part in ("tables", "versions", "aliases", "online"):
        assert after[part] == before_again[part], part


def test_month_run_again_holds_because_it_is_the_same_model(platform: Trained, again: Chain) -> None:
    verdict = again.pushed["gate.decide", "verdict"]
    assert verdict["verdict"] == "hold"
    assert any(finding["reason"].startswith("same model") for finding in verdict["findings"])
    assert [record.kind for record in on_record(platform, "again")] == ["decision"]


def on_record(platform: Trained, run: str) -> list[decisions.Record]:
    """The records of a run; its look aside, which is on record once whichever run came first."""
    records = decisions.verify(platform.home / "decisions" / "flight_delay.jsonl")
    return [record for record in records if record.run == run and record.kind != "look"]


def arguments(chain: Chain, task: str) -> dict[str, Any]:
    """What a task got from those before it."""
    came = chain.returned
    return {
        "data.load": lambda: {"validated": came["data.validate"]},
        "train.plan": lambda: {"assembled": came["train.assemble"]},
        "train.fit": lambda: {"trials": [came["train.trial[0]"]], "assembled": came["train.assemble"]},
        "gate.measure": lambda: {"assembled": came["train.assemble"], "fitted": came["train.fit"]},
        "gate.decide": lambda: {
            "assembled": came["train.assemble"],
            "fitted": came["train.fit"],
            "evidence": came["gate.measure"],
            "proof": None,
            "built": None,
            "skipped": chain.pushed["gate.decide", "evidence"]["image_skipped"],
        },
        "image.inventory": lambda: {"fitted": came["train.fit"], "built": None},
        "train.trial": lambda: {"map_index": 0, "trial": 0, "assembled": came["train.assemble"]},
    }.get(task, dict)()


TASKS = ["data.validate", "data.load", "features.build", "features.materialise", "train.assemble", "train.plan",
         "train.trial", "train.fit", "image.inventory", "gate.measure", "gate.decide"]  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_task_run_again_returns_the_same_and_adds_nothing(platform: Trained, again: Chain, task: str) -> None:
    came = again.returned["train.trial[0]" if task == "train.trial" else task]
    repeat = Chain(again.interval, again.trials, again.run_id)
    with left_as_it_was(platform.home):
        returned = repeat.call(model_dags(SPEC, doc=None)[0], task, **arguments(again, task))
    assert returned == came


def released(platform: Trained) -> dict[str, Any]:
    """What `promote.release` of the first run got from those before it."""
    came = platform.returned
    release = json.loads((platform.home / "releases" / "flight_delay" / "1" / "release.json").read_text())
    return {
        "assembled": came["train.assemble"], "materialised": came["features.materialise"], "fitted": came["train.fit"],
        "inventory": came["image.inventory"], "evidence": release["evidence"], "verdict": release["verdict"],
        "approval": None,
    }  # fmt: skip


def first_run(platform: Trained) -> Chain:
    """A pass that bears the first run's ID."""
    records = decisions.verify(platform.home / "decisions" / "flight_delay.jsonl")
    (run,) = {record.run for record in records if record.kind == "promotion"}
    return Chain(Interval.parse(INTERVAL), trials=1, run_id=run)


def test_release_run_again_returns_the_same_and_adds_nothing(platform: Trained) -> None:
    with left_as_it_was(platform.home):
        again = first_run(platform).call(model_dags(SPEC, doc=None)[0], "promote.release", **released(platform))
    assert again == platform.returned["promote.release"]


def test_release_of_a_version_that_another_run_promoted_is_decided_anew_and_skipped(platform: Trained) -> None:
    chain, before = Chain(Interval.parse(INTERVAL), trials=1, run_id="second"), state(platform.home)
    with pytest.raises(AirflowSkipException, match="the gate says hold: same model"):
        chain.call(model_dags(SPEC, doc=None)[0], "promote.release", **released(platform))
    after = state(platform.home)
    log = "decisions/flight_delay.jsonl"
    assert {**after, "files": after["files"] | {log: ""}} == {**before, "files": before["files"] | {log: ""}}
    assert [(record.kind, record.verdict) for record in on_record(platform, "second")] == [("decision", "hold")]


def test_decision_on_evidence_against_another_champion_is_refused_and_leaves_stores(
    platform: Trained, again: Chain
) -> None:
    given = arguments(again, "gate.decide")
    given["evidence"] = {**given["evidence"], "reference": "version 7"}
    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="overtaken")
    with left_as_it_was(platform.home), pytest.raises(EvidenceStale, match=r"champion version 7.*clear gate\.measure"):
        chain.call(model_dags(SPEC, doc=None)[0], "gate.decide", **given)


def test_release_without_a_needed_image_is_refused_and_leaves_stores(platform: Trained) -> None:
    strict = SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update={"require_image": True})})
    with left_as_it_was(platform.home), pytest.raises(PromotionRefused, match="no Docker engine answers"):
        first_run(platform).call(model_dags(strict, doc=None)[0], "promote.release", **released(platform))


def test_decision_log_of_all_these_runs_holds_its_chain(platform: Trained) -> None:
    path: Path = settings().decisions / "flight_delay.jsonl"
    assert len(decisions.verify(path)) >= 1
    assert platform.home in path.parents
