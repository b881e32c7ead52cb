"""What it takes to have the image of another model: as a layer on the runtime, and by a build of the same.

    python -m contender.bench.image_rebuild

The runtime is there before, as it is wherever a model was built. Each model has other bytes, as many as the reference
model's; each way is taken in turn. Needs a Docker engine.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from statistics import median

from contender.adapters.containers import Built, Engine
from contender.bench.record import record
from contender.stages import image

COMMAND = "python -m contender.bench.image_rebuild"
MODELS = 7
MODEL_BYTES = 700_000
AIM_S = 0.5


def main() -> None:
    """Measure and record `image_rebuild_model_only_s`."""
    engine = Engine.connect()
    runtime = engine.ensure(image.runtime())
    layered, built, sizes = [], [], []
    for number in range(MODELS):
        with tempfile.TemporaryDirectory() as folder:
            plan = image.model(bundle(Path(folder), number), f"bench-{number}", runtime.tag)
        begun = time.perf_counter()
        made = engine.put_on(runtime, plan)
        layered.append(time.perf_counter() - begun)
        sizes.append(made.size_mb - runtime.size_mb)
        begun = time.perf_counter()
        other: Built = engine.build(plan)
        built.append(time.perf_counter() - begun)
        for one in (made, other):
            engine.remove(one.digest)
    record(
        "image_rebuild_model_only_s", median(layered), "s", "lower", AIM_S, COMMAND,
        {
            "layer_s": round(median(layered), 3), "slowest_layer_s": round(max(layered), 3),
            "build_s": round(median(built), 3), "model_bytes": MODEL_BYTES, "added_mb": round(median(sizes), 2),
            "runtime_mb": runtime.size_mb, "models": MODELS,
        },
        note="Only the model's layer is new; beside it the same by a build of the engine's.",
    )  # fmt: skip


def bundle(folder: Path, number: int) -> Path:
    """A bundle whose model is made up, of the reference model's size: nothing runs it."""
    content = random.Random(number).randbytes(MODEL_BYTES)  # noqa: S311  no secret
    (folder / "model.onnx").write_bytes(content)
    about = {"model": "bench", "model_digest": str(number), "run_id": "", "code_revision": ""}
    for name, told in {"about": about, "signature": {}, "golden": {}}.items():
        (folder / f"{name}.json").write_text(json.dumps(told))
    return folder


if __name__ == "__main__":
    main()
