"""The files of a release in MLflow, with the run that trained the version."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.artifacts import download_artifacts

from contender.adapters.tracking import Tracking, Version, reachable
from contender.core.lineage import sha256


def keep(tracking: Tracking, version: Version, files: Mapping[str, bytes]) -> None:
    """Keep files, text all of them, by name."""
    with reachable():
        for name, content in files.items():
            tracking.client.log_text(version.run_id, content.decode(), name)


def kept(tracking: Tracking, version: Version, name: str) -> bytes:
    """One of them as it is there."""
    with reachable(), tempfile.TemporaryDirectory() as folder:
        return Path(tracking.client.download_artifacts(version.run_id, name, folder)).read_bytes()


def registered_model(tracking: Tracking, version: Version) -> str:
    """SHA-256 of the model's file as the registry itself gives it, which is what a client of MLflow loads."""
    with reachable(), tempfile.TemporaryDirectory() as folder:
        uri = tracking.client.get_model_version_download_uri(version.model, version.version)
        return sha256((Path(download_artifacts(artifact_uri=uri, dst_path=folder)) / "model.onnx").read_bytes())
