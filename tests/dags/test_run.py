"""The DAGs run by Airflow on the real data: the first model, the same again, bad parameters, nothing to deploy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, ParamValidationError

from contender.bench.chain import Chain
from contender.core.interval import Interval
from contender.factory import model_dags
from flight_delay.dag import SPEC
from tests.conftest import INTERVAL, Trained, run_dag

BEFORE_THE_GATE = {
    "data.validate",
    "data.load",
    "features.build",
    "features.materialise",
    "train.assemble",
    "train.plan",
    "train.trial[0]",
    "train.fit",
    "image.inventory",
    "gate.measure",
    "gate.decide",
}
WITHOUT_AN_ENGINE = {"image.build", "image.prove"}  # fmt: skip


def in_state(states: dict[str, str], state: str) -> set[str]:
    return {task for task, found in states.items() if found == state}


def test_train_on_an_empty_platform_promotes_without_an_engine(trained: Trained) -> None:
    assert in_state(trained.states, "skipped") == {"gate.hold", "gate.reject"} | WITHOUT_AN_ENGINE
    done = BEFORE_THE_GATE | {"gate.promote", "promote.approve", "promote.push", "promote.release"}
    assert in_state(trained.states, "success") == done


def test_train_returns_small_json_and_no_frames(trained: Trained) -> None:
    for task, returned in trained.returned.items():
        assert len(json.dumps(returned)) < 20_000, task


def test_release_without_an_engine_says_why_there_is_no_image(trained: Trained) -> None:
    release = json.loads((trained.home / "releases" / "flight_delay" / "1" / "release.json").read_text())
    assert (release["image"], release["evidence"]["image"]) == (None, None)
    assert "Docker" in release["image_skipped"]
    assert release["evidence"]["image_skipped"] == release["image_skipped"]
    assert release["verdict"]["verdict"] == "promote"
    assert release["training_set"]["digest"] == trained.returned["train.assemble"]["training_set"]["digest"]


def test_release_emits_the_asset_of_the_champion(trained: Trained) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        named = select(AssetModel.id).where(AssetModel.name == "champion/flight_delay").scalar_subquery()
        (event,) = session.scalars(select(AssetEvent).where(AssetEvent.asset_id == named)).all()
        assert event.source_task_id == "promote.release"
        assert event.extra["version"] == "1"
        assert event.extra["manifest_digest"] == trained.returned["promote.release"]["manifest_digest"]


def test_train_again_makes_the_same_model_and_holds(bag: Any, platform: Trained) -> None:
    states, returned = run_dag(bag.dags["flight_delay_train"], interval=INTERVAL, trials=1)
    assert in_state(states, "success") == BEFORE_THE_GATE | {"gate.hold"}
    stopped = {"gate.promote", "gate.reject", "promote.approve", "promote.push", "promote.release"}
    assert in_state(states, "skipped") == stopped | WITHOUT_AN_ENGINE
    first = platform.returned
    assert returned["train.assemble"]["training_set"] == first["train.assemble"]["training_set"]
    assert returned["train.fit"]["model_digest"] == first["train.fit"]["model_digest"]
    assert (returned["train.fit"]["version"], returned["train.fit"]["new_version"]) == ("1", False)


def test_score_writes_the_champions_predictions_of_the_interval(bag: Any, platform: Trained) -> None:
    from contender.adapters.lake import Lake
    from contender.core.settings import settings

    states, returned = run_dag(bag.dags["flight_delay_score"], interval=INTERVAL)
    assert states == {"score.predict": "success"}
    assert returned["score.predict"]["version"] == "1"
    rows = Lake(settings().lake).read("flight_delay_predictions")
    assert len(rows) == returned["score.predict"]["predictions"]["rows"] > 24_000
    assert rows["probability"].between(0, 1).all()
    states, again = run_dag(bag.dags["flight_delay_score"], interval=INTERVAL)
    assert again == returned
    assert platform.states["promote.release"] == "success"


@pytest.mark.usefixtures("platform")
def test_train_with_a_bad_interval_is_refused_before_anything_runs(bag: Any) -> None:
    with pytest.raises(ParamValidationError, match="2013-13"):
        bag.dags["flight_delay_train"].test(run_conf={"interval": "2013-13"})


def test_deploy_without_a_network_is_skipped(bag: Any, platform: Trained) -> None:
    assert platform.states["promote.release"] == "success"
    assert run_dag(bag.dags["flight_delay_deploy"])[0] == {"deploy.serve": "skipped", "deploy.prune": "skipped"}


@pytest.mark.parametrize(
    ("network", "reason"),
    [("", "CONTENDER_SERVING_NETWORK names no network"), ("contender_models", r"version 1 has no image: .*Docker")],
    ids=["network", "image"],
)
def test_deploy_skipped_says_what_it_lacks(
    platform: Trained, monkeypatch: pytest.MonkeyPatch, network: str, reason: str
) -> None:
    assert platform.states["promote.release"] == "success"
    monkeypatch.setenv("CONTENDER_SERVING_NETWORK", network)
    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="deploy")
    with pytest.raises(AirflowSkipException, match=reason):
        chain.call(model_dags(SPEC, doc=None)[2], "deploy.serve")


def test_deploy_champion_without_a_manifest_is_refused(
    platform: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contender.core.errors import ReleaseMissing

    assert platform.states["promote.release"] == "success"
    monkeypatch.setenv("CONTENDER_SERVING_NETWORK", "contender_models")
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path))
    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="deploy")
    with pytest.raises(ReleaseMissing, match=r"flight_delay/1/release\.json"):
        chain.call(model_dags(SPEC, doc=None)[2], "deploy.serve")
