"""`image`: build the serving image and have it answer the golden requests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from contender.core.errors import EngineUnavailable
from contender.core.settings import settings
from contender.operators.base import ModelOperator, task_identity

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
            `image`, `digest`, `size_mb`.
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
        return {"image": built.tag, "digest": built.digest, "size_mb": built.size_mb}


class ImageProve(ModelOperator):
    """Start the image, compare its answers to the golden requests with the training process's, and measure it.

    Args:
        fitted: What `TrainFit` returned (templated).
        built: What `ImageBuild` returned (templated).
    """

    template_fields: Sequence[str] = ("fitted", "built")
    ui_color = COLOUR

    def __init__(self, *, fitted: Any, built: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fitted = fitted
        self.built = built

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
