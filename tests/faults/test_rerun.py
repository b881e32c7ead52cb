"""Tasks that run again: after they were done, under the same run and under another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contender.bench.chain import Chain
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
    assert any(reason.startswith("same model") for reason in verdict["reasons"])
    log = (platform.home / "decisions" / "flight_delay.jsonl").read_text().splitlines()
    assert sum('"run":"again"' in line.replace(" ", "") for line in log) == 1


def arguments(chain: Chain, task: str) -> dict[str, Any]:
    """What a task got from those before it."""
    came = chain.returned
    return {
        "data.load": lambda: {"validated": came["data.validate"]},
        "train.plan": lambda: {"assembled": came["train.assemble"]},
        "train.fit": lambda: {"trials": [came["train.trial[0]"]], "assembled": came["train.assemble"]},
        "gate.measure": lambda: {"assembled": came["train.assemble"], "fitted": came["train.fit"]},
        "gate.decide": lambda: {"evidence": came["gate.measure"], "fitted": came["train.fit"]},
        "train.trial": lambda: {"map_index": 0, "trial": 0, "assembled": came["train.assemble"]},
    }.get(task, dict)()


TASKS = ["data.validate", "data.load", "features.build", "features.materialise", "train.assemble", "train.plan",
         "train.trial", "train.fit", "gate.measure", "gate.decide"]  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_task_run_again_returns_the_same_and_adds_nothing(platform: Trained, again: Chain, task: str) -> None:
    came = again.returned["train.trial[0]" if task == "train.trial" else task]
    repeat = Chain(again.interval, again.trials, again.run_id)
    with left_as_it_was(platform.home):
        returned = repeat.call(model_dags(SPEC, doc=None)[0], task, **arguments(again, task))
    assert returned == came


def test_release_run_again_returns_the_same_and_adds_nothing(platform: Trained) -> None:
    import json

    release = json.loads((platform.home / "releases" / "flight_delay" / "1" / "release.json").read_text())
    came = platform.returned
    given = {
        "assembled": came["train.assemble"], "materialised": came["features.materialise"], "fitted": came["train.fit"],
        "evidence": came["gate.measure"], "verdict": release["verdict"], "proof": None,
        "skipped": release["image_skipped"],
    }  # fmt: skip
    dag = model_dags(SPEC, doc=None)[0]
    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="release again")
    first = chain.call(dag, "promote.release", **given)
    with left_as_it_was(platform.home):
        assert chain.call(dag, "promote.release", **given) == first
    assert first["manifest_digest"] == came["promote.release"]["manifest_digest"]


def test_release_against_another_champion_is_refused_and_leaves_stores(platform: Trained) -> None:
    from contender.core.errors import PromotionRefused

    came = platform.returned
    elsewhere = {**came["gate.measure"], "reference": "version 7"}
    fitted = {**came["train.fit"], "version": "2"}
    given = {
        "assembled": came["train.assemble"], "materialised": came["features.materialise"], "fitted": fitted,
        "evidence": elsewhere, "verdict": {"verdict": "promote", "reasons": ["better"], "evidence_digest": "0" * 64},
        "proof": None, "skipped": "no engine",
    }  # fmt: skip
    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="overtaken")
    with left_as_it_was(platform.home), pytest.raises(PromotionRefused, match="version 7; got: version 1"):
        chain.call(model_dags(SPEC, doc=None)[0], "promote.release", **given)


def test_release_without_a_needed_image_is_refused_and_leaves_stores(platform: Trained) -> None:
    from contender.core.errors import PromotionRefused

    came = platform.returned
    strict = SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update={"require_image": True})})
    given = {
        "assembled": came["train.assemble"], "materialised": came["features.materialise"], "fitted": came["train.fit"],
        "evidence": came["gate.measure"], "proof": None, "skipped": "no Docker engine answers",
        "verdict": {"verdict": "promote", "reasons": ["better"], "evidence_digest": "0" * 64},
    }  # fmt: skip
    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="without an image")
    with left_as_it_was(platform.home), pytest.raises(PromotionRefused, match="no Docker engine answers"):
        chain.call(model_dags(strict, doc=None)[0], "promote.release", **given)


def test_decision_log_of_all_these_runs_holds_its_chain(platform: Trained) -> None:
    from contender.core import decisions

    path: Path = settings().decisions / "flight_delay.jsonl"
    assert len(decisions.verify(path)) >= 1
    assert platform.home in path.parents
