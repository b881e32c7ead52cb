"""What the unit tests share: an MLflow store of a test's own, and a database of known vulnerabilities."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.osv import osv  # noqa: F401  a fixture


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow: making one takes seconds, copying it none."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def tracking(mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`Tracking` of the model `toy` on a database of the test's own."""
    from contender.adapters.tracking import Tracking

    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return Tracking("toy")
