"""`image`: build the serving image, have it answer the golden requests, and list what is in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from contender.core.errors import EngineUnavailable
from contender.core.inventory import Inventory, Package
from contender.core.lineage import sha256
from contender.core.settings import settings
from contender.core.vulnerabilities import Scan, ignored_in, policy_of
from contender.core.whole import write_whole
from contender.operators.base import ImageOperator, ModelOperator, task_identity
from contender.operators.supply_chain import keep_packages, known_packages

COLOUR = "#e8daef"
SKIPPED = "skipped"  # XCom key


class ImageBuild(ModelOperator):
    """Build the image of the challenger; where no engine answers, skip and say so.

    Args:
        fitted: What `TrainFit` returned (templated).
    """

    template_fields: Sequence[str] = ("fitted",)
    ui_color = COLOUR

    def __init__(self, *, fitted: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fitted = fitted

    def execute(self, context: Context) -> dict[str, Any]:
        """Build the runtime where it is absent, then the model's image.

        Returns:
            `image`, `digest`, `size_mb`, and `runtime` and `runtime_digest` of the image below it.
        """
        from contender.adapters.containers import Engine, reach
        from contender.adapters.tracking import Tracking
        from contender.stages import image

        try:
            engine = Engine.connect()
        except EngineUnavailable as error:
            # Part of the evidence: without the client's own words, which differ from one attempt to the next.
            context["ti"].xcom_push(key=SKIPPED, value=f"{error.what}: {error.where}")
            raise AirflowSkipException(f"the image is not built: {error}") from error
        with tempfile.TemporaryDirectory() as folder:
            tracking = Tracking(self.spec.name)
            bundle = tracking.bundle(tracking.version(self.fitted["version"]), Path(folder))
            runtime = engine.ensure(image.runtime(settings().serving_base), reach=reach(os.environ))
            built = engine.ensure_on(runtime, image.model(bundle, self.fitted["version"], runtime.tag))
        self.log.info("%s is %s, %.1f MB", built.tag, built.digest, built.size_mb)
        return {
            "image": built.tag, "digest": built.digest, "size_mb": built.size_mb,
            "runtime": runtime.tag, "runtime_digest": runtime.digest,
        }  # fmt: skip


class ImageProve(ImageOperator):
    """Start the image, compare its answers to the golden requests with the training process's, and measure it.

    Args:
        fitted: What `TrainFit` returned (templated).
        built: What `ImageBuild` returned (templated).
    """

    ui_color = COLOUR

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the proof."""
        from contender.adapters.containers import Engine
        from contender.adapters.tracking import Tracking
        from contender.stages import image

        with tempfile.TemporaryDirectory() as folder:
            tracking = Tracking(self.spec.name)
            golden = image.golden(tracking.bundle(tracking.version(self.fitted["version"]), Path(folder)))
        raw_only, places = {"CONTENDER_ONLINE_STORE": "none"}, settings()
        with Engine.connect().run(
            self.built["digest"], environment=raw_only, network=places.serving_network,
            # Another stack on the same engine, or another home, may have a run of the same name.
            proof_of=f"{places.serving_network or places.home}/{task_identity(context)}",
        ) as served:  # fmt: skip
            answers = served.predict_raw(golden.instances)
            latencies, memory = served.latencies_ms(golden.instances), served.memory_mb()
        proof = image.prove(
            answers, golden, image=self.built["image"], digest=self.built["digest"],
            model_digest=self.fitted["model_digest"], size_mb=self.built["size_mb"],
            latencies_ms=latencies, memory_mb=memory,
        )  # fmt: skip
        self.log.info("%d golden requests answered, largest difference %g", proof.answered, proof.largest_difference)
        self.log.info("one row takes %s ms (p95 %s ms); %s MB of memory, %s MB of image",
                      proof.p50_latency_ms, proof.p95_latency_ms, proof.memory_mb, proof.size_mb)  # fmt: skip
        return proof.facts()


class ImageInventory(ImageOperator):
    """List what is in the image, and ask what is known against it; without an image, what one would be built of.

    Args:
        fitted: What `TrainFit` returned (templated).
        built: What `ImageBuild` returned, or nothing (templated).
    """

    ui_color = COLOUR

    def execute(self, context: Context) -> dict[str, Any]:
        """Keep the bill of materials by its digest, in the folder `sboms` of the home.

        Returns:
            `inventory` and `vulnerabilities`, as the manifest has them.

        Raises:
            EngineUnavailable: There was an image, and it cannot be looked into.
            SettingInvalid: The policy or the list of what to ignore cannot be understood.
        """
        from contender.stages import image, sbom

        built, places = self.built or {}, self.settings
        lock = (image.RECIPE / "requirements.txt").read_bytes()
        packages = self._installed(built, lock.decode(), context) if built else sbom.locked(lock.decode())
        document = sbom.document(
            sbom.Subject(self.spec.name, self.fitted["version"], self.fitted["model_digest"], built.get("digest", "")),
            packages,
        )  # fmt: skip
        listed = Inventory(
            sbom_digest=sha256(document), components=len(packages) + 1, image_digest=built.get("digest", ""),
            runtime_image=built.get("runtime", ""), runtime_digest=built.get("runtime_digest", ""),
            serving_lock_digest=sha256(lock),
        )  # fmt: skip
        write_whole(places.sboms / f"{listed.sbom_digest}.json", document)
        self.log.info("bill of materials %s: %d components", listed.sbom_digest, listed.components)
        return {"inventory": listed.facts(), "vulnerabilities": self._scan(packages, context, bool(built)).facts()}

    def _installed(self, built: dict[str, Any], lock: str, context: Context) -> tuple[Package, ...]:
        """The packages of the runtime image, which all models on it share: looked for once."""
        from contender.adapters.containers import Engine
        from contender.adapters.image_files import files_of
        from contender.stages import sbom

        places, runtime = settings(), built["runtime_digest"]
        if (known := known_packages(runtime, places)) is not None:
            return known
        look = f"{places.serving_network or places.home}/{task_identity(context)}"
        with files_of(Engine.connect(), built["digest"], network=places.serving_network, look=look) as inside:
            files = {}
            for path in (sbom.DPKG, sbom.OS_RELEASE, *sbom.package_folders(inside.environment)):
                files.update(inside.read(path, only=sbom.WANTED))
            found = sbom.installed(files, inside.environment, lock)
        keep_packages(runtime, found, places)
        return found

    def _scan(self, packages: tuple[Package, ...], context: Context, of_image: bool) -> Scan:
        from contender.adapters import vulnerabilities

        places, run = settings(), context["dag_run"]
        # Of the platform, and not of a run's own checkout: whoever writes a model does not say what may be passed over.
        listed = places.vulnerabilities_ignored
        ignored = ignored_in(listed.read_text(encoding="utf-8"), str(listed)) if listed.is_file() else ()
        # The run's own day, as Airflow has it: a list of what is passed over ends by the calendar.
        on = (getattr(context["ti"], "start_date", None) or run.run_after).date()
        policy = policy_of(places.vulnerabilities)
        found = vulnerabilities.scan(packages, places.osv, policy, ignored, on, of_image=of_image)
        tell = self.log.warning if found.not_scanned or found.counted else self.log.info
        tell("known vulnerabilities: %s", found)
        for one in found.counted[:20]:
            self.log.warning("%s, %s: %s", one.id, one.severity, one.package)
        return found
