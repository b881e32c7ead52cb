"""What a failed or repeated task must leave as it was."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from mlflow import MlflowClient

from contender.core.settings import ONLINE_STORE

MODEL = "flight_delay"
TASK = "contender.task"


def state(home: Path) -> dict[str, Any]:
    """Everything that the platform keeps, as values that can be compared.

    Returns:
        `tables` (Delta version by name, staged ones too), `versions` (digest by number) and `aliases` of the
        registered model, `runs` (MLflow runs by task: how many, and their states), `online` (digest of the online
        store's content), `files` (digest of every decision log and release by path).
    """
    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    versions = client.search_model_versions(f"name = '{MODEL}'")
    registered = client.get_registered_model(MODEL)
    return {
        "tables": tables(home / "lake"),
        "versions": {version.version: version.tags["contender.model_digest"] for version in versions},
        "aliases": dict(registered.aliases),
        "runs": runs(client),
        "online": _content(home / ONLINE_STORE),
        "files": {
            str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in ("decisions", "releases")
            for path in sorted((home / folder).rglob("*"))
            if path.is_file()
        },
    }


def tables(lake: Path) -> dict[str, int]:
    """Version of every Delta table below a folder."""
    logs = sorted(lake.rglob("_delta_log"))
    return {str(log.parent.relative_to(lake)): DeltaTable(str(log.parent)).version() for log in logs}


def runs(client: MlflowClient) -> dict[str, list[str]]:
    """States of the MLflow runs of each task."""
    experiment = client.get_experiment_by_name(MODEL)
    found: dict[str, list[str]] = {}
    for run in client.search_runs([experiment.experiment_id]):
        found.setdefault(run.data.tags[TASK], []).append(run.info.status)
    return found


def _content(database: Path) -> str:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return hashlib.sha256("\n".join(sorted(connection.iterdump())).encode()).hexdigest()


@contextmanager
def left_as_it_was(home: Path) -> Iterator[None]:
    """Compare the state before and after the block."""
    before = state(home)
    yield
    assert state(home) == before
