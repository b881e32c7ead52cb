"""The servers that are compared: how each is started, and how it is asked for the same predictions."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contender.bench.serving_image_command import image_command
from contender.bench.serving_model import Made, Row

CONTENDER, ENTITY, ECHO, PLAIN = "contender", "entity", "echo", "fastapi"
SHIPPED_SECONDS = 120.0

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
        settle: Waits for what it does after its answers.
    """

    name: str
    command: Callable[[int], list[str]]
    path: Callable[[int], str]
    body: Callable[[Sequence[Row]], bytes]
    read: Callable[[bytes], list[float]] | None
    env: Mapping[str, str] = field(default_factory=dict)
    settle: Callable[[], None] = lambda: None

    def environment(self) -> dict[str, str]:
        """The whole environment of its process."""
        return {**os.environ, **ONE_THREAD, **self.env}


def contender(bundle: Path, folder: Path, online_store: str = "none") -> Rival:
    """Our app as its image starts it, with everything on: validation, metrics and the prediction log."""
    log = folder / "log"
    return Rival(
        CONTENDER, lambda port: image_command(port, sys.executable), lambda _: "/predict/raw", _instances,
        lambda answer: list(json.loads(answer)["predictions"]), _of_the_image(bundle, log, online_store),
        lambda: _shipped(log / "journal"),
    )  # fmt: skip


def by_entity(bundle: Path, folder: Path, online_store: str) -> Rival:
    """The same, asked by entity."""
    log = folder / "log-entity"
    return Rival(
        ENTITY, lambda port: image_command(port, sys.executable), lambda _: "/predict",
        lambda rows: json.dumps({"requests": list(rows)}).encode(), None, _of_the_image(bundle, log, online_store),
        lambda: _shipped(log / "journal"),
    )  # fmt: skip


def _of_the_image(bundle: Path, log: Path, online_store: str) -> dict[str, str]:
    """What a deployment sets. The journal has room for whatever the store takes more slowly than the load comes."""
    log.mkdir(exist_ok=True)
    return {"CONTENDER_BUNDLE": str(bundle), "CONTENDER_ONLINE_STORE": online_store,
            "CONTENDER_JOURNAL_MB": "20000", "CONTENDER_JOURNAL": str(log / "journal"),
            "CONTENDER_PREDICTIONS": str(log / "predictions.db")}  # fmt: skip


def _shipped(journal: Path) -> None:
    """Wait until what was logged is in the store: no other server is to feel it."""
    until = time.monotonic() + SHIPPED_SECONDS
    while time.monotonic() < until:
        with suppress(FileNotFoundError):  # the server removes what it has shipped
            if sum(file.stat().st_size for file in journal.glob("*")) == 0:
                return
        time.sleep(0.1)


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
        {"BENCH_PIPELINE": str(made.folder / "pipeline.joblib"),
         "BENCH_SIGNATURE": str(made.bundle / "signature.json")},
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
