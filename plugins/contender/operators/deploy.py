"""`deploy`: bring the champion's image up in the place of the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from contender.core import naming
from contender.core.errors import ImageMissing, ReleaseMissing
from contender.core.manifest import Release
from contender.core.settings import settings
from contender.operators.base import ModelOperator

COLOUR = "#f5cba7"


class DeployServe(ModelOperator):
    """Serve the version that is the champion now; where there is no network or no image, skip and say so."""

    ui_color = COLOUR

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the release's image beside the container that serves, and hand the name over once it is ready.

        Returns:
            `version`, `image`, `digest`, `name` (of the container), `path` (on the router).
        """
        from contender.adapters.containers import Engine
        from contender.adapters.tracking import Tracking

        places = settings()
        if not places.serving_network:
            raise AirflowSkipException("nothing is deployed: CONTENDER_SERVING_NETWORK names no network")
        version = Tracking(self.spec.name).required(naming.CHAMPION).version
        release = _release(places.releases / self.spec.name / version / "release.json")
        if release.image is None:
            raise AirflowSkipException(f"version {version} has no image: {release.image_skipped}")
        name = naming.served_name(places.serving_network, self.spec.name)
        engine = Engine.connect()
        if engine.find(release.image.digest) is None:
            raise _image_missing(release, release.image.digest)
        engine.serve(
            release.image.digest, name=name, network=places.serving_network,
            environment={"CONTENDER_ONLINE_STORE": places.serving_online_store or "none"},
            labels={"contender.model": self.spec.name, "contender.version": version},
        )  # fmt: skip
        self.log.info("version %s serves as %s: %s", version, name, release.image.digest)
        return {
            "version": version, "image": release.image.image, "digest": release.image.digest, "name": name,
            "path": f"/models/{self.spec.name}/",
        }  # fmt: skip


def _release(manifest: Path) -> Release:
    """The manifest of a version.

    Raises:
        ReleaseMissing: There is none.
    """
    if not manifest.is_file():
        raise ReleaseMissing(
            "the champion has no release manifest",
            where=str(manifest),
            expected="the manifest that promote.release writes",
            got="no file",
            next_step="give the alias to a released version, or restore the releases, and run the DAG again",
        )
    return Release.model_validate_json(manifest.read_bytes())


def _image_missing(release: Release, digest: str) -> ImageMissing:
    train = f"{release.model}_train"
    return ImageMissing(
        "the engine does not have the champion's image any more",
        where=f"{release.model} version {release.version}",
        expected=f"{digest}, as its release says",
        got="no such image; what served before serves on",
        next_step=f"clear image.build and what follows it in the run of {train} for {release.interval}, which builds "
        f"and releases the version again; without that run, trigger {train} for the interval",
    )
