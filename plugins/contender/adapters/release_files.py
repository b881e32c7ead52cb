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


def registered(tracking: Tracking, version: Version) -> dict[str, str]:
    """SHA-256 of each file of the model as the registry itself gives it, which is what a client of MLflow loads.

    Not the model alone: `MLmodel` says what is loaded, and by which code.
    """
    with reachable(), tempfile.TemporaryDirectory() as folder:
        uri = tracking.client.get_model_version_download_uri(version.model, version.version)
        copy = Path(download_artifacts(artifact_uri=uri, dst_path=folder))
        files = (path for path in sorted(copy.rglob("*")) if path.is_file())
        return {path.relative_to(copy).as_posix(): sha256(path.read_bytes()) for path in files}
