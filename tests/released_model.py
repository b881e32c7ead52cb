"""A model with a source, a view and a search of its own, small enough to be released and made again in seconds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from contender.bench.chain import Chain
from contender.core.interval import Interval
from contender.core.model_code import module_of

MODEL, INTERVAL = "shop", Interval.parse("2013-02")
DAG = """
from datetime import UTC, datetime
from contender.core.spec import Column, ModelSpec, Table, Tuning, View, Windows
from contender.factory import model_dags

SPEC = ModelSpec(
    schema_version=2, name="shop", title="Made up", owner="tests", data_from=datetime(2013, 1, 1, tzinfo=UTC),
    tables=(Table(name="visits", time_column="at", key=("shop", "at"), entity=("shop",)),),
    views=(View(name="habits", max_age_hours=48),),
    columns=(Column(name="queue", source="request"), Column(name="busy", source="habits")), label="late",
    windows=Windows(history_days=59, holdout_starts_after_days=14, gap_hours=1, lookback_days=1),
    tuning=Tuning(trials=2, validation_days=5), seed=3,
)
train, score, deploy = model_dags(SPEC, doc=None, file=__file__)
"""
FUNCTIONS = """
import pandas as pd

FACTOR = 1.0

def read(table, source=""):
    rows = pd.read_csv(source, dtype={"shop": "string"})
    return rows.assign(at=pd.to_datetime(rows["at"], utc=True).astype("datetime64[us, UTC]"))

def features(tables, interval):
    rows = tables["visits"]
    rows = rows[(rows["at"] >= interval.start) & (rows["at"] < interval.end)]
    made = rows[["shop"]].assign(busy=rows["size"] * FACTOR, event_timestamp=rows["at"], created_timestamp=rows["at"])
    return {"habits": made.reset_index(drop=True)}

def estimator(parameters, *, numbers, categories, seed):
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

    forest = RandomForestClassifier(**({"n_estimators": 8, "max_depth": 3} | parameters), random_state=seed)
    return Pipeline([("columns", ColumnTransformer([("numbers", "passthrough", numbers)])), ("model", forest)])

def search_space():
    from optuna.distributions import IntDistribution

    return {"max_depth": IntDistribution(2, 5)}
"""
VIEWS = """
from datetime import timedelta
from feast import Entity, ValueType
from contender.feast_stores.delta_view import delta_view

shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
habits = delta_view("habits", [shop], {"busy": "How busy it is"}, ttl=timedelta(hours=48))
"""
COUNTED = {
    "type": "expect_table_row_count_to_be_between", "severity": "critical", "meta": {"reason": "made so"},
    "kwargs": {"min_value": 1},
}  # fmt: skip
NO_ENGINE = "tcp://127.0.0.1:1"


def write(folder: Path) -> None:
    """A checkout with the model, and beside it what its source delivers."""
    draw = np.random.default_rng(7)
    at = pd.date_range("2013-01-01", "2013-03-01", freq="15min", inclusive="left")
    queue, size = (draw.normal(size=len(at)).round(2) for _ in range(2))
    late = (queue + size + draw.normal(scale=0.5, size=len(at)) > 0).astype(float)
    rows = pd.DataFrame({"shop": "a", "at": at, "queue": queue, "size": size, "late": late})
    files = {
        "dags/shop/dag.py": DAG, "dags/shop/model.py": FUNCTIONS, "feature_repo/shop.py": VIEWS,
        "source.csv": rows.to_csv(index=False),
    }  # fmt: skip
    for name in ("visits", "habits", "training_set"):
        files[f"expectations/shop/{name}.json"] = json.dumps({"name": name, "expectations": [COUNTED]})
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def environment(folder: Path, home: Path) -> dict[str, str]:
    """The variables that lead to that checkout and to a home, and to no engine."""
    return {
        "CONTENDER_HOME": str(home), "CONTENDER_MODELS": str(folder / "dags"),
        "CONTENDER_EXPECTATIONS": str(folder / "expectations"), "CONTENDER_FEATURE_REPO": str(folder / "feature_repo"),
        "CONTENDER_SOURCE": str(folder / "source.csv"), "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "CONTENDER_FEAST_REGISTRY": f"sqlite:///{home / 'feast.db'}",
        "CONTENDER_ONLINE_STORE": str(home / "online" / "online.db"), "DOCKER_HOST": NO_ENGINE,
        "FEAST_FS_YAML_FILE_PATH": str(Path(__file__).parents[1] / "feature_repo" / "feature_store.yaml"),
    }  # fmt: skip


def forget() -> None:
    """Have the model's modules imported anew: another checkout has others, and definitions name the lake's place."""
    for name in [name for name in sys.modules if name.split(".")[0] in {MODEL, "feature_repo"}]:
        del sys.modules[name]


def release(folder: Path) -> Path:
    """Train and promote it in the environment as it is; where its manifest lies."""
    forget()
    dag = module_of(folder / "dags" / MODEL, "dag").train
    assert Chain(INTERVAL, 2, "first").run(dag) == "promote"
    return Path(os.environ["CONTENDER_HOME"]) / "releases" / MODEL / "1" / "release.json"


def state(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Each file below a folder, with its size and the time of its last change."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found = path.stat()
            yield str(path.relative_to(folder)), found.st_size, found.st_mtime_ns
