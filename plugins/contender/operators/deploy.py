"""`deploy`: bring the champion's image up in the place of the one before, and remove old images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from contender.core import naming
from contender.core.errors import ImageMissing, ReleaseMissing
from contender.core.manifest import MANIFEST, Release
from contender.core.retention import Policy
from contender.core.settings import Settings, settings
from contender.operators.base import ModelOperator
from contender.operators.registry import NONE_SET, registry

if TYPE_CHECKING:
    from contender.adapters.containers import Engine

COLOUR = "#f5cba7"
# What was set for the served models here is handed on to them.
HANDED_ON = (
    "CONTENDER_REDACT",
    "CONTENDER_STALE",
    "CONTENDER_LOOKUP_MS",
    "CONTENDER_JOURNAL_MB",
    "CONTENDER_JOURNAL_FSYNC",
)


class DeployServe(ModelOperator):
    """Serve the version that is the champion now, by its image's digest; without network or image, skip and say so."""

    ui_color = COLOUR

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the release's image beside the container that serves, and hand the name over once it is ready.

        An image that the engine does not have is pulled by the digest that the release names; the one that is started
        has the image ID that was proven, wherever it came from.

        Returns:
            `version`, `image`, `digest`, `name` (of the container), `path` (on the router).
        """
        from contender.adapters.containers import Engine
        from contender.adapters.tracking import Tracking

        places = settings()
        if not places.serving_network:
            raise AirflowSkipException("nothing is deployed: CONTENDER_SERVING_NETWORK names no network")
        version = Tracking(self.spec.name).required(naming.CHAMPION).version
        release = _release(places.releases / self.spec.name / version / MANIFEST)
        if (release.model, release.version) != (self.spec.name, version):
            raise ReleaseMissing(
                "the champion's manifest is another release's",
                where=str(places.releases / self.spec.name / version / MANIFEST),
                expected=f"{self.spec.name}/{version}",
                got=f"{release.model}/{release.version}",
                next_step="restore the releases from a backup",
            )
        if release.image is None:
            raise AirflowSkipException(f"version {version} has no image: {release.image_skipped}")
        name = naming.served_name(places.serving_network, self.spec.name)
        engine = Engine.connect()
        self._require_image(engine, release)
        engine.serve(
            release.image.digest, name=name, network=places.serving_network,
            environment=_environment(places), labels={"contender.model": self.spec.name, "contender.version": version},
            journal=naming.journal_volume(places.serving_network, self.spec.name) if places.serving_predictions else "",
        )  # fmt: skip
        self.log.info("version %s serves as %s: %s", version, name, release.image.digest)
        return {
            "version": version, "image": release.image.image, "digest": release.image.digest, "name": name,
            "path": f"/models/{self.spec.name}/",
        }  # fmt: skip

    def _require_image(self, engine: Engine, release: Release) -> None:
        """Have the engine have the release's image.

        Raises:
            ImageMissing: It does not have it, and there is no registry to pull it from.
        """
        assert release.image is not None  # noqa: S101  asked before
        if engine.find(release.image.digest) is not None:
            return
        source = registry()
        if not release.pushed or source is None:
            raise _image_missing(release, NONE_SET if release.pushed else "it was not pushed")
        engine.fetch(release.pushed, source, digest=release.image.digest, tag=release.image.image)
        engine.claim(release.image.digest, self.spec.name, self.settings.owner)
        self.log.info("pulled %s", release.pushed)


class DeployPrune(ModelOperator):
    """Remove the model's images that the retention policy lets go; where it is to be done by hand, skip and say so."""

    ui_color = COLOUR

    def execute(self, context: Context) -> dict[str, Any]:
        """Remove them from the engine, never one that a container is of.

        Returns:
            `removed` and `kept`: the reason by image.
        """
        policy = Policy.from_env()
        if not policy.after_deployment:
            raise AirflowSkipException("nothing is removed: CONTENDER_PRUNE=none leaves it to `make prune`")
        from contender.adapters.containers import Engine
        from contender.retention.prune import plan, prune

        engine = Engine.connect()
        fates = prune(plan(self.spec.name, engine, settings(), policy), engine)
        for fate in fates:
            self.log.info("%s %s", "stays:" if fate.kept else "removed:", fate)
        removed, kept = (
            {fate.image.digest: fate.reason for fate in fates if fate.kept is one} for one in (False, True)
        )
        return {"removed": removed, "kept": kept}


def _environment(places: Settings) -> dict[str, str]:
    """Variables of a served container: where its features are, where its predictions go, and what was set for it."""
    return {
        "CONTENDER_ONLINE_STORE": places.serving_online_store or "none",
        "CONTENDER_PREDICTIONS": places.serving_predictions or "none",
        **{name: os.environ[name] for name in HANDED_ON if os.environ.get(name)},
    }


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


def _image_missing(release: Release, why: str) -> ImageMissing:
    train = f"{release.model}_train"
    return ImageMissing(
        "the engine does not have the champion's image any more",
        where=f"{release.model} version {release.version}",
        expected=f"{release.image.digest if release.image else ''}, as its release says",
        got=f"no such image, and none to pull ({why}); what served before serves on",
        next_step=f"clear image.build and what follows it in the run of {train} for {release.interval}, which builds "
        f"and releases the version again; without that run, trigger {train} for the interval",
    )
