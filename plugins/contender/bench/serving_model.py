"""The model that the servers are compared with: trained as the DAG trains it, and written in each server's form.

    python -m contender.bench.serving_model FOLDER

In the folder come to be `bundle/` (what Contender's image has), `pipeline.joblib` (the fitted scikit-learn pipeline),
`mlflow/` (the pipeline as MLflow's scikit-learn flavour), `mlflow_onnx/` (the bundle's graph as MLflow's ONNX flavour),
`rows.json` (holdout rows without missing values) and `requests.json` (flights of the first hours after the interval).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from contender.bench import fleet
from contender.core.settings import CHECKOUT

INTERVAL, TRIALS, ROWS, REQUESTS = "2013-03", 1, 2_000, 120
NO_ENGINE = "tcp://127.0.0.1:1"  # the images are measured by another bench

Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """The folder of a trained model."""

    folder: Path

    @property
    def bundle(self) -> Path:
        """What the serving app is started with."""
        return self.folder / "bundle"

    def rows(self) -> list[Row]:
        """Raw features, complete rows of the holdout."""
        return list(json.loads((self.folder / "rows.json").read_text(encoding="utf-8")))

    def requests(self) -> list[Row]:
        """Requests by entity."""
        return list(json.loads((self.folder / "requests.json").read_text(encoding="utf-8")))

    def categories(self) -> set[str]:
        """The columns that hold text."""
        signature = json.loads((self.bundle / "signature.json").read_text(encoding="utf-8"))
        return {column["name"] for column in signature["columns"] if column["kind"] == "category"}


def make(folder: Path, extra: Mapping[str, str]) -> Made:
    """Train the model in a process of its own.

    Args:
        folder: Where everything goes; the platform's stores are below it too.
        extra: Variables of that process besides the platform's own, for example the online store's address.
    """
    home = folder / "home"
    env = {**fleet.environment_of(home, CHECKOUT / "dags"), "DOCKER_HOST": NO_ENGINE, **extra}
    fleet.airflow(env, "db", "migrate")
    call = [sys.executable, "-m", "contender.bench.serving_model", str(folder)]
    subprocess.run(call, env=env, check=True, stdout=subprocess.DEVNULL)
    return Made(folder)


def _run(folder: Path) -> None:
    """The training process."""
    from contender.operators import preload

    preload.preload(["airflow", "scheduler"])
    import mlflow

    from contender.bench.chain import Chain
    from contender.core.interval import Interval
    from flight_delay.dag import train

    mlflow.MlflowClient().search_experiments()
    chain = Chain(Interval.parse(INTERVAL), TRIALS, "bench")
    chain.run(train)
    _export(folder, chain.returned["train.assemble"], chain.returned["train.fit"])
    _requests(folder / "requests.json", Interval.parse(INTERVAL))


def _export(folder: Path, assembled: dict[str, Any], fitted: dict[str, Any]) -> None:
    import joblib

    from contender.adapters.tracking import Tracking
    from contender.bench import serving_flavours as flavours
    from contender.operators.train import read_training_set
    from contender.stages import train
    from flight_delay import model as functions
    from flight_delay.dag import SPEC

    tracking = Tracking(SPEC.name)
    shutil.copytree(tracking.bundle(tracking.version(fitted["version"]), folder / "bundles"), folder / "bundle")
    rows, holdout = read_training_set(SPEC.name, assembled)
    pipeline = train.fit(functions.estimator, {}, rows, SPEC)  # the first trial takes the defaults
    stored = train.store(pipeline, holdout, SPEC)
    if stored.digest != fitted["model_digest"]:
        raise RuntimeError(f"fitted again it is another model: {stored.digest}, not {fitted['model_digest']}")
    joblib.dump(pipeline, folder / "pipeline.joblib")
    complete = train.inputs(holdout, SPEC.columns).dropna().head(ROWS)
    flavours.scikit_learn(pipeline, complete, folder / "mlflow")
    flavours.onnx(stored.content, complete, folder / "mlflow_onnx")
    (folder / "rows.json").write_text(json.dumps(complete.astype(object).to_dict("records")), encoding="utf-8")


def _requests(path: Path, interval: Any) -> None:
    from flight_delay import model as functions

    flights = functions.with_departures(functions.read("flights"))
    due, end = flights["scheduled_departure"], interval.end
    asked = flights[(due >= end) & (due < end + timedelta(hours=12)) & flights["tailnum"].notna()]
    asked = asked.sort_values("scheduled_departure", kind="stable").head(REQUESTS)
    columns = asked[["flight", "origin", "dest", "carrier", "tailnum"]].assign(
        scheduled_departure=asked["scheduled_departure"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    path.write_text(json.dumps(columns.astype(object).to_dict("records")), encoding="utf-8")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    _run(Path(sys.argv[1]))
