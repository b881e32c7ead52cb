"""A platform of a made-up model, small enough to be set up in seconds: real lake, real MLflow store, real operators.

The label follows from `x_a`, `x_b` and `x_c`, and a model that is given more of them is the better one: one against two
is an improvement that two weeks of rows show.
"""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from contender.bench.chain import Chain
from contender.core import decisions, naming, schema
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.core.settings import settings
from contender.core.spec import Column, ModelSpec, Table, Tuning, Windows

MODEL = "tiny"
INTERVAL = Interval.parse("2013-02")
HOLDOUT = Interval.parse("2013-02-15/2013-03-01")
TRAIN = Interval.parse("2013-01-15/2013-02-14")
FUNCTIONS = '''
"""The made-up model's functions that fitting needs."""

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline


def estimator(parameters, *, numbers, categories, seed):
    columns = ColumnTransformer([("numbers", "passthrough", numbers)])
    return Pipeline([("columns", columns), ("model", LogisticRegression(random_state=seed, **parameters))])


def search_space():
    return {}
'''


def spec(columns: str, **policy: Any) -> ModelSpec:
    """The model with the inputs that the letters name; `policy` changes the gate's."""
    return ModelSpec(
        schema_version=schema.VERSION,
        name=MODEL, title="Made up", owner="tests", data_from=datetime(2013, 1, 1, tzinfo=UTC),
        tables=(Table(name="rows", time_column="due_at", key=("example_id",)),),
        columns=tuple(Column(name=f"x_{letter}", source="request") for letter in columns), label="late",
        windows=Windows(history_days=60, holdout_starts_after_days=14, gap_hours=24, lookback_days=0),
        tuning=Tuning(trials=1, validation_days=5),
        gate=GatePolicy(**{"resamples": 4000, **policy}), seed=1,
    )  # fmt: skip


def rows(per_day: int = 120) -> pd.DataFrame:
    """Examples of the days of both windows, with all three inputs."""
    draw = np.random.default_rng(5)
    days = pd.date_range(TRAIN.start, HOLDOUT.end, freq="D", inclusive="left").repeat(per_day)
    inputs = {f"x_{letter}": draw.normal(size=len(days)).astype("float64") for letter in "abc"}
    chance = 1 / (1 + np.exp(-sum(inputs.values())))
    due = days + timedelta(hours=1)
    return pd.DataFrame(
        {
            "example_id": [f"e{number:05d}" for number in range(len(days))],
            "event_timestamp": due - timedelta(hours=1),
            "due_at": due,
            "label_known_at": due + timedelta(hours=1),
            "day": days.strftime("%Y-%m-%d").astype("string"),
            **inputs,
            "late": (draw.random(len(days)) < chance).astype("float64"),
        }
    )


def assembled() -> dict[str, Any]:
    """Write the training set; what `train.assemble` returns of it."""
    from contender.adapters.lake import Lake
    from contender.operators.train import _point
    from contender.stages import train

    frame = rows()
    fitted_on, held_out = (
        frame[(frame["due_at"] >= window.start) & (frame["due_at"] < window.end)].reset_index(drop=True)
        for window in (TRAIN, HOLDOUT)
    )
    kept = train.keep(fitted_on, held_out, INTERVAL)
    lake = Lake(settings().lake)
    snapshot = lake.write(
        naming.training_table(MODEL), kept, time=train.INTERVAL_START, interval=_point(INTERVAL), commit={}
    )
    return {
        "training_set": snapshot.facts(), "train": str(TRAIN), "holdout": str(HOLDOUT), "train_rows": len(fitted_on),
        "holdout_rows": len(held_out), "unlabelled": 0, "holdout_unlabelled": 0, "joined_views": 0, "tables": [],
        "files": {snapshot.table: lake.files_digest(snapshot.table, snapshot.version)},
    }  # fmt: skip


@dataclass
class Run:
    """A run of the made-up model up to some task of the gate.

    Attributes:
        spec: The model as this run has it.
        chain: Its context; `returned` and `pushed` hold what its tasks left.
        dag: Its training DAG.
    """

    spec: ModelSpec
    chain: Chain
    dag: Any

    @property
    def made(self) -> dict[str, Any]:
        """What the tasks before the gate returned, as its tasks take it."""
        return {"assembled": self.chain.returned["train.assemble"], "fitted": self.chain.returned["train.fit"]}

    def measure(self) -> dict[str, Any]:
        """`gate.measure`."""
        return dict(self.chain.call(self.dag, "gate.measure", **self.made))

    def decide(self, *, proof: Any = None, built: Any = None, **changed: Any) -> str:
        """`gate.decide` on the evidence measured, with some of it changed; the proof is of the image built, if any."""
        evidence = {**self.chain.returned.get("gate.measure", {}), **changed}
        return str(self.chain.call(
            self.dag, "gate.decide", **self.made, evidence=evidence, proof=proof, built=built or proof,
            skipped="no engine",
        ))  # fmt: skip

    @property
    def decided(self) -> dict[str, Any]:
        """What `promote.release` takes of the run."""
        pushed = {key: self.chain.pushed.get(("gate.decide", key)) for key in ("evidence", "verdict")}
        inventory = self.chain.returned["image.inventory"]
        if image := (pushed["evidence"] or {}).get("image"):
            listed = {**inventory["inventory"], "image_digest": image["digest"]}
            inventory = {**inventory, "inventory": listed}
        return {**self.made, **pushed, "materialised": {"digest": "f"}, "inventory": inventory, "approval": None}

    def release(self, **changed: Any) -> Any:
        """`promote.release` of what was decided, with some of it changed."""
        return self.chain.call(self.dag, "promote.release", **{**self.decided, **changed})

    def to_release(self) -> Any:
        """All three."""
        self.measure()
        assert self.decide() == "gate.promote"
        return self.release()


def run(run_id: str, columns: str, *, user: str = "ada", params: dict[str, Any] | None = None, **policy: Any) -> Run:
    """A run whose challenger, with these inputs, is fitted and registered."""
    from contender.factory import model_dags

    declared = spec(columns, **policy)
    chain, dag = Chain(INTERVAL, 1, run_id, user=user, params=params or {}), model_dags(declared, doc=None)[0]
    chain.returned["train.assemble"] = given = assembled()
    chain.call(dag, "train.plan", assembled=given)
    tried = chain.call(dag, "train.trial", name="train.trial[0]", map_index=0, trial=0, assembled=given)
    fitted = chain.call(dag, "train.fit", trials=[tried], assembled=given)
    chain.call(dag, "image.inventory", fitted=fitted, built=None)
    return Run(declared, chain, dag)


def prepare(home: Path) -> None:
    """The model's functions below a home."""
    folder = home / "models" / MODEL
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(FUNCTIONS)


def environment(home: Path) -> dict[str, str]:
    """The variables that lead to a home, and to no engine."""
    return {
        "CONTENDER_HOME": str(home), "CONTENDER_MODELS": str(home / "models"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}", "DOCKER_HOST": "tcp://127.0.0.1:1",
        "CONTENDER_FEAST_REGISTRY": f"sqlite:///{home / 'feast.db'}",
        "CONTENDER_ONLINE_STORE": str(home / "online" / "online.db"),
    }  # fmt: skip


def champion(home: Path) -> str | None:
    """The version that bears the alias."""
    registered = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}").search_registered_models()
    aliases = dict(registered[0].aliases) if registered else {}
    return str(aliases[naming.CHAMPION]) if naming.CHAMPION in aliases else None


def records(home: Path, run_id: str = "") -> list[decisions.Record]:
    """What is on record, of one run or of all."""
    found = decisions.verify(home / "decisions" / f"{MODEL}.jsonl")
    return [record for record in found if run_id in {"", record.run}]


def manifest(home: Path, version: str) -> dict[str, Any]:
    """A version's `release.json`."""
    return dict(json.loads((home / "releases" / MODEL / version / "release.json").read_text()))


def watch_alias(home: Path) -> None:
    """Have the registry's database note each move of the champion, for `moves`."""
    written = "INSERT INTO moves SELECT new.version WHERE new.alias = 'champion';"
    with closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE moves (version TEXT)")
        for event in ("INSERT", "UPDATE"):
            database.execute(f"CREATE TRIGGER on_{event} AFTER {event} ON registered_model_aliases BEGIN {written} END")


def moves(home: Path) -> list[str]:
    """The versions that became the champion since the alias is watched."""
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        return [str(version) for (version,) in database.execute("SELECT version FROM moves")]


@dataclass
class Tiny:
    """A home in which version 1, of one input, is the champion, and versions 2 (of two) and 3 (of all three) are not.

    Attributes:
        home: The home.
        better, best: The runs that fitted versions 2 and 3; nothing was measured yet.
    """

    home: Path
    better: Run
    best: Run


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The home that all tests begin from; not to be changed."""
    from tests.conftest import applied  # it sets the environment: processes that have their own import this module too

    home = tmp_path_factory.mktemp("tiny")
    prepare(home)
    with applied(environment(home)):
        run("first", "a").to_release()
        return Tiny(home, run("second", "ab"), run("third", "abc"))


@pytest.fixture
def tiny(tiny_base: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The home of this test, in its environment."""
    home = tmp_path / "home"
    shutil.copytree(tiny_base.home, home)
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    return Tiny(home, copy.deepcopy(tiny_base.better), copy.deepcopy(tiny_base.best))
