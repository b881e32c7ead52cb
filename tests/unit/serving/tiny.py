"""A real, small bundle: a scikit-learn pipeline on made-up flights, converted to ONNX as the train stage does."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from contender.core.settings import CHECKOUT

HOUR = 3600


def column(name: str, source: str, low: float | None, high: float | None, nullable: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "number",
        "source": source,
        "minimum": low,
        "maximum": high,
        "nullable": nullable,
    }


def category(name: str) -> dict[str, Any]:
    return column(name, "request", None, None, nullable=False) | {"kind": "category"}


COLUMNS = [
    category("origin"),
    category("carrier"),
    category("dest"),
    column("hour", "request", 0, 24, nullable=False),
    column("weekday", "request", 0, 6, nullable=False),
    column("temp", "origin_weather", -40, 120),
    column("carrier_late_share_6h", "carrier_punctuality", 0, 1),
    column("distance", "route_punctuality", 0, None),
    column("seats", "plane_facts", 1, 1000),
]
SIGNATURE = {
    "model": "flight_delay",
    "label": "late",
    "columns": COLUMNS,
    "views": {
        "origin_weather": {"join_keys": ["origin"], "ttl_seconds": 3 * HOUR},
        "carrier_punctuality": {"join_keys": ["carrier"], "ttl_seconds": 6 * HOUR},
        "route_punctuality": {"join_keys": ["route"], "ttl_seconds": 48 * HOUR},
        "plane_facts": {"join_keys": ["tailnum"], "ttl_seconds": None},
    },
}
ABOUT = {
    "model": "flight_delay",
    "version": "7",
    "model_digest": "a" * 64,
    "run_id": "b" * 32,
    "code_revision": "c" * 40,
    "interval": "2013-02-01/2013-03-01",
}
CATEGORIES = [one["name"] for one in COLUMNS if one["kind"] == "category"]
NUMBERS = [one["name"] for one in COLUMNS if one["kind"] == "number"]


def flights(rows: int = 2000) -> pd.DataFrame:
    made = np.random.default_rng(2013)
    frame = pd.DataFrame(
        {
            "origin": made.choice(["EWR", "JFK", "LGA"], rows),
            "carrier": made.choice(["AA", "B6", "9E"], rows),
            "dest": made.choice(["LAX", "BOS", "ORD"], rows),
            "hour": made.uniform(5, 23, rows),
            "weekday": made.integers(0, 7, rows),
            "temp": made.uniform(0, 100, rows),
            "carrier_late_share_6h": made.uniform(0, 1, rows),
            "distance": made.uniform(80, 5000, rows),
            "seats": made.integers(2, 400, rows),
        }
    )
    frame = frame.astype(dict.fromkeys(NUMBERS, np.float32))
    frame.loc[::7, "temp"] = np.nan
    frame.loc[::11, "seats"] = np.nan
    return frame


def write_bundle(folder: Path) -> Path:
    """Train, convert, and write the folder that the serving app loads."""
    frame = flights()
    late = (frame["hour"] / 24 + frame["carrier_late_share_6h"] + (frame["origin"] == "EWR") * 0.4) > 1.2
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    pipeline = Pipeline(
        [
            (
                "encode",
                ColumnTransformer(
                    [("categories", encode, CATEGORIES)], remainder="passthrough", verbose_feature_names_out=False
                ),
            ),
            ("model", HistGradientBoostingClassifier(max_iter=20, random_state=0)),
        ]
    ).fit(frame, late.astype(int))
    types = [(c, StringTensorType([None, 1]) if c in CATEGORIES else FloatTensorType([None, 1])) for c in frame]
    with warnings.catch_warnings():
        # skl2onnx 1.20 hands booleans to protobuf 6, which takes them with this warning.
        warnings.filterwarnings("ignore", "Field onnx.AttributeProto.ints", DeprecationWarning)
        graph = to_onnx(pipeline, initial_types=types, options={"zipmap": False}, target_opset=18)
    chosen = frame.iloc[:20]
    outputs = pipeline.predict_proba(chosen)[:, 1].tolist()
    inputs = chosen.astype(object).where(chosen.notna(), None).to_dict(orient="records")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    golden = [{"inputs": i, "output": o} for i, o in zip(inputs, outputs, strict=True)]
    _write(folder / "golden.json", {"tolerance": 1e-5, "requests": golden})
    _write(folder / "signature.json", SIGNATURE)
    _write(folder / "about.json", ABOUT)
    shutil.copy(CHECKOUT / "dags" / "flight_delay" / "request.py", folder / "request.py")
    return folder


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
