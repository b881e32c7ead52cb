"""The servers that are compared: how each is started, and how it is asked for the same predictions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contender.bench.serving_image_command import image_command
from contender.bench.serving_model import Made, Row

CONTENDER, ECHO, MLFLOW, PLAIN = "contender", "echo", "mlflow", "fastapi"

# Rows are scored one by one or in small batches: threads of a library within a request only contend.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Rival:
    """A server under comparison.

    Attributes:
        name: Its short name.
        command: What starts it on a port.
        path: Where it is asked for the prediction of so many rows.
        body: The request for rows.
        read: The probabilities in an answer; `None` where it makes none.
        env: Variables of its process beside the bench's own.
    """

    name: str
    command: Callable[[int], list[str]]
    path: Callable[[int], str]
    body: Callable[[Sequence[Row]], bytes]
    read: Callable[[bytes], list[float]] | None
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The whole environment of its process."""
        return {**os.environ, **ONE_THREAD, **self.env}


def contender(bundle: Path, folder: Path, online_store: str = "none") -> Rival:
    """Our app as its image starts it, with everything on: validation, metrics and the prediction log."""
    return Rival(
        CONTENDER, lambda port: image_command(port, sys.executable), lambda _: "/predict/raw", _instances,
        lambda answer: list(json.loads(answer)["predictions"]), _of_the_image(bundle, folder / "journal", online_store),
    )  # fmt: skip


def by_entity(bundle: Path, folder: Path, online_store: str) -> Rival:
    """The same, asked by entity."""
    return Rival(
        "entity", lambda port: image_command(port, sys.executable), lambda _: "/predict",
        lambda rows: json.dumps({"requests": list(rows)}).encode(), None,
        _of_the_image(bundle, folder / "journal-entity", online_store),
    )  # fmt: skip


def _of_the_image(bundle: Path, journal: Path, online_store: str) -> dict[str, str]:
    """What the image and a deployment set: the log is written to the journal, nothing ships it on."""
    journal.mkdir(exist_ok=True)
    return {"CONTENDER_BUNDLE": str(bundle), "CONTENDER_ONLINE_STORE": online_store,
            "CONTENDER_PREDICTIONS": "none", "CONTENDER_JOURNAL": str(journal)}  # fmt: skip


def echo(sizes: Mapping[int, int]) -> Rival:
    """The limit of our server: the same flags, the same bodies, as many bytes back, and nothing done.

    Args:
        sizes: Bytes of our answer by the number of rows.
    """
    return Rival(
        ECHO, lambda port: image_command(port, sys.executable, app="contender.bench.serving_echo:app"),
        lambda rows: f"/?{sizes[rows]}", _instances, None,
    )  # fmt: skip


def mlflow(made: Made, model: str = "mlflow") -> Rival:
    """`mlflow models serve` with its defaults.

    Args:
        made: The model.
        model: Which form of it: `mlflow` (scikit-learn flavour) or `mlflow_onnx`.
    """
    program = str(Path(sys.executable).with_name("mlflow"))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return Rival(
        model,
        lambda port: [program, "models", "serve", "-m", str(made.folder / model), "--env-manager", "local",
                      "-h", "127.0.0.1", "-p", str(port)],
        lambda _: "/invocations", _split, _of_mlflow,
        {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"},  # it looks for uvicorn on the path
    )  # fmt: skip


def plain(made: Made) -> Rival:
    """What most templates make: FastAPI, pydantic, a DataFrame, the pipeline; uvicorn's default flags."""
    return Rival(
        PLAIN,
        lambda port: [sys.executable, "-m", "uvicorn", "contender.bench.serving_plain:create_app", "--factory",
                      "--host", "127.0.0.1", "--port", str(port)],
        lambda _: "/predict", _instances, lambda answer: list(json.loads(answer)["predictions"]),
        {"CONTENDER_BENCH_PIPELINE": str(made.folder / "pipeline.joblib"),
         "CONTENDER_BENCH_SIGNATURE": str(made.bundle / "signature.json")},
    )  # fmt: skip


def _instances(rows: Sequence[Row]) -> bytes:
    return json.dumps({"instances": list(rows)}).encode()


def _split(rows: Sequence[Row]) -> bytes:
    """MLflow's shortest form of a table."""
    data = [list(row.values()) for row in rows]
    return json.dumps({"dataframe_split": {"columns": list(rows[0]), "data": data}}).encode()


def _of_mlflow(answer: bytes) -> list[float]:
    """Of each row the last of its two probabilities; the ONNX flavour puts all of them in one column."""
    predictions: Any = json.loads(answer)["predictions"]
    if isinstance(predictions[0], dict):
        return [one["probabilities"] for one in predictions[1::2]]
    return [row[-1] for row in predictions]
