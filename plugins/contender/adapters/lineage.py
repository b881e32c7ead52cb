"""Lineages in MLflow: files with the run that trained a version, and their digest as a tag of the version."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlflow.exceptions import MlflowException

from contender.adapters.tracking import Tracking, Version, reachable
from contender.core.lineage import DOCUMENT, Trace, Traced, Untraced, sha256, trace

FOLDER = "lineage"
TAG = "contender.lineage_digest"


def keep(tracking: Tracking, version: Version, traced: Traced) -> None:
    """Keep what a version was trained on, unless that is known already.

    The tag is set last: a task that was killed before it leaves a version without a lineage, and finds it so when it
    runs again. A version whose lineage was lost gets one when the same model is trained again.
    """
    if isinstance(_trace(tracking, version), Traced):
        return
    files = traced.files()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        with reachable():
            tracking.client.log_artifacts(version.run_id, folder, _place(version))
    tracking.tag(version.version, {TAG: sha256(files[DOCUMENT])})


def lineages(tracking: Tracking, version: Version) -> tuple[Trace, ...]:
    """What a version and all its ancestors were trained on, the version first.

    What is absent, malformed or altered comes as `Untraced`; its ancestors are not known then.

    Raises:
        TrackingUnreachable: MLflow does not answer.
    """
    found: dict[str, Trace] = {}
    ahead = [version.version]
    while ahead:
        number = ahead.pop(0)
        if number not in found:
            found[number] = one = _numbered(tracking, number)
            ahead += one.lineage.ancestors if isinstance(one, Traced) else ()
    return tuple(found.values())


def _numbered(tracking: Tracking, number: str) -> Trace:
    try:
        return _trace(tracking, tracking.version(number))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Untraced(number, "the registry has no such version, or its run is gone")


def _trace(tracking: Tracking, version: Version) -> Trace:
    return trace(version.version, version.digest, version.tags.get(TAG, ""), _files(tracking, version))


def _files(tracking: Tracking, version: Version) -> dict[str, bytes]:
    """The files beside a version's bundle by name; none where there are none."""
    client, place = tracking.client, _place(version)
    with reachable(), tempfile.TemporaryDirectory() as folder:
        # Asked first: to download what is not there fails as an unreachable store does.
        paths = [item.path for item in client.list_artifacts(version.run_id, place) if not item.is_dir]
        copies = [Path(client.download_artifacts(version.run_id, path, folder)) for path in paths]
        return {copy.name: copy.read_bytes() for copy in copies}


def _place(version: Version) -> str:
    return f"{FOLDER}/{version.digest}"
