"""What most templates make of a model: a FastAPI handler that calls the pipeline on a DataFrame.

    python -m uvicorn contender.bench.serving_plain:create_app --factory

`BENCH_PIPELINE` is the pipeline as joblib wrote it, `BENCH_SIGNATURE` the bundle's signature.
"""

import json
import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, create_model


def create_app() -> FastAPI:
    """The app of the pipeline that the environment names."""
    pipeline = joblib.load(os.environ["BENCH_PIPELINE"])
    signature = json.loads(Path(os.environ["BENCH_SIGNATURE"]).read_text(encoding="utf-8"))
    fields: dict[str, Any] = {
        column["name"]: (float | None if column["kind"] == "number" else str, ...) for column in signature["columns"]
    }
    row: Any = create_model("Row", **fields)

    class Instances(BaseModel):
        instances: list[row]

    class Predictions(BaseModel):
        predictions: list[float]

    app = FastAPI()

    @app.post("/predict")
    def predict(body: Instances) -> Predictions:
        frame = pd.DataFrame([instance.model_dump() for instance in body.instances])
        return Predictions(predictions=pipeline.predict_proba(frame)[:, 1].tolist())

    return app
