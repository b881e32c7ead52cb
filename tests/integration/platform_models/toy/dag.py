"""A small stand-in for a model's DAG, to test the launcher on a live Airflow without training anything."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param, TaskGroup, task
from airflow.sdk.exceptions import AirflowSkipException

from contender.core.errors import TrackingUnreachable
from contender.factory.retries import RETRIES

MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"
PARAMS = {
    "interval": Param(None, type=["null", "string"], pattern=MONTH),
    "trials": Param(3, type="integer", minimum=1, maximum=100),
    "force_rebuild": Param(False, type="boolean"),
    "approval": Param(False, type="boolean"),
}


def engine() -> str:
    """Whether a Docker engine answers here."""
    from contender.adapters.containers import Engine
    from contender.core.errors import EngineUnavailable

    try:
        Engine.connect()
    except EngineUnavailable:
        return "none answers"
    return "answers"


with DAG(
    "toy_train", schedule=None, start_date=datetime(2013, 1, 1, tzinfo=UTC), params=PARAMS, default_args=RETRIES
) as dag:
    with TaskGroup("data"):

        @task
        def validate(params: dict[str, Any] | None = None, ti: Any = None) -> dict[str, Any]:
            month = (params or {})["interval"]
            if month == "2013-12":
                raise ValueError("column temp: expected Fahrenheit, got Celsius")
            if month == "2013-11" and ti.try_number == 1:
                raise TrackingUnreachable("MLflow is away for a moment")
            docs = f"/contender/data_docs/toy/{month}/flights.html"
            table = {"rows": 1234, "quarantined": 2, "warnings": [], "docs": docs}
            return {"interval": f"{month}-01/2013-12-01", "tables": {"flights": table}}

        validated = validate()

    with TaskGroup("train"):

        @task
        def trial(number: int, params: dict[str, Any] | None = None, ti: Any = None) -> int:
            if (params or {})["interval"] == "2013-11" and number == 1 and ti.try_number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return number

        @task
        def fit() -> dict[str, Any]:
            # Tasks reach MLflow, and its artefacts lie in the platform's folder.
            import mlflow

            mlflow.set_experiment("toy")
            with mlflow.start_run() as run:
                mlflow.log_text("hello", "hello.txt")
                mlflow.log_text(engine(), "engine.txt")
            return {"run_id": run.info.run_id, "version": "1", "new_version": True}

        trials = trial.expand(number=[0, 1])
        fitted = fit()

    with TaskGroup("gate"):

        @task
        def decide(ti: Any = None) -> None:
            finding = {"rule": "toy", "verdict": "hold", "reason": "a toy is never promoted"}
            verdict = {"verdict": "hold", "findings": [finding], "evidence_digest": "0"}
            ti.xcom_push(key="verdict", value=verdict)

        decided = decide()

    with TaskGroup("promote"):

        @task
        def release() -> None:
            raise AirflowSkipException("held")

        released = release()

    validated >> trials >> fitted >> decided >> released
