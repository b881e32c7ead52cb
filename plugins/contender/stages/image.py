"""Image: what goes into the serving image, and whether its answers are the trained model's."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contender.core.errors import GoldenRequestsFailed, ImageFailed, some
from contender.core.golden import Output, apart
from contender.core.naming import image_repository
from contender.core.results import ImageProof
from contender.core.settings import CHECKOUT

RUNTIME_REPOSITORY = "contender/serving-runtime"
PACKAGE = Path(__file__).resolve().parents[1]
RECIPE = CHECKOUT / "docker" / "serving"
# The modules outside contender/serving that the app imports; nothing else of the package is in the image.
SHARED = (
    "__init__.py", "core/__init__.py", "core/errors.py", "core/golden.py", "adapters/__init__.py",
    "adapters/online_rows.py", "adapters/online_sqlite.py", "adapters/online_redis.py", "adapters/predictions.py",
    "adapters/predictions_sqlite.py", "adapters/predictions_postgres.py",
)  # fmt: skip
BUNDLE_FILES = ("model.onnx", "signature.json", "golden.json", "about.json")
MORE_FILES = ("packed.onnx", "request.py")  # bundles of before there were packed models lack it; not all have requests


@dataclass(frozen=True)
class Build:
    """Everything the engine needs to build one image.

    Attributes:
        tag: Repository and tag, which follow from the content.
        context: The build context's files: content by path.
        arguments: Build arguments.
        labels: OCI labels.
    """

    tag: str
    context: dict[str, bytes]
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Golden:
    """Golden requests: inputs by column, the outputs that training computed, and the largest allowed difference."""

    instances: list[dict[str, Any]]
    outputs: list[Output]
    tolerance: float


def runtime(base: str = "", *, package: Path = PACKAGE, recipe: Path = RECIPE) -> Build:
    """The runtime image, the same for all models until the lock, the recipe or the app changes.

    Args:
        base: Base image; empty for the recipe's own.
        package: Folder of the package `contender`.
        recipe: Folder of the Dockerfile and the lock.
    """
    sources = [package / name for name in SHARED] + sorted((package / "serving").glob("*.py"))
    context = {f"contender/{path.relative_to(package).as_posix()}": path.read_bytes() for path in sources}
    context |= {name: (recipe / name).read_bytes() for name in ("Dockerfile", "requirements.txt")}
    arguments = {"BASE": base} if base else {}
    return Build(
        tag=f"{RUNTIME_REPOSITORY}:{_digest(context, arguments)[:16]}",
        context=context,
        arguments=arguments,
        labels={"org.opencontainers.image.title": "contender serving runtime"},
    )


def model(bundle: Path, version: str, runtime_tag: str, *, source: str = "", recipe: Path = RECIPE) -> Build:
    """The image of one model version: the runtime and the bundle, the same for the same model on the same runtime.

    Args:
        bundle: The bundle folder.
        version: Version in the registry.
        runtime_tag: The runtime image, which must be there.
        source: Address of the code, for the label; empty leaves the label out.
        recipe: Folder of `Dockerfile.model`.

    Raises:
        ImageFailed: The bundle lacks a file.
    """
    absent = [name for name in BUNDLE_FILES if not (bundle / name).is_file()]
    if absent:
        raise ImageFailed(
            "the bundle is not complete",
            where=str(bundle),
            expected=", ".join(BUNDLE_FILES),
            got=f"no {some(absent)}",
            next_step="run the train stage again",
        )
    about = json.loads((bundle / "about.json").read_bytes()) | {"version": version}
    del about["run_id"]  # another one each time that the same model is trained; the release names it
    files = [name for name in (*BUNDLE_FILES, *MORE_FILES) if (bundle / name).is_file()]
    context = {f"bundle/{name}": (bundle / name).read_bytes() for name in files}
    # The train stage wrote it before there was a version.
    context["bundle/about.json"] = json.dumps(about, indent=1, sort_keys=True).encode()
    context["Dockerfile"] = (recipe / "Dockerfile.model").read_bytes()
    arguments = {"RUNTIME": runtime_tag}
    labels = {
        "org.opencontainers.image.title": str(about["model"]),
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": str(about.get("code_revision", "")),
        "org.opencontainers.image.source": source,
        "contender.model": str(about["model"]),
        "contender.version": version,
        "contender.model-digest": str(about.get("model_digest", "")),
    }
    return Build(
        tag=f"{image_repository(about['model'])}:{version}-{_digest(context, arguments)[:12]}",
        context=context,
        arguments=arguments,
        labels={name: value for name, value in labels.items() if value},
    )


def golden(bundle: Path) -> Golden:
    """The golden requests of a bundle."""
    content = json.loads((bundle / "golden.json").read_bytes())
    requests = content["requests"]
    return Golden(
        instances=[request["inputs"] for request in requests],
        outputs=[request["output"] for request in requests],
        tolerance=content["tolerance"],
    )


def prove(
    answers: list[Output],
    expected: Golden,
    *,
    image: str,
    digest: str,
    model_digest: str,
    size_mb: float,
    latencies_ms: Sequence[Sequence[float]] = (),
    memory_mb: float | None = None,
) -> ImageProof:
    """Compare the served answers with those of the training process, and sum up what the running image took.

    Args:
        answers: What the running image answered to `expected.instances`, in their order.
        expected: The golden requests.
        image: Tag of the image that answered.
        digest: Its content-addressed ID.
        model_digest: SHA-256 of the model that is in it.
        size_mb: Its size in 10^6 bytes.
        latencies_ms: Rounds of times to answer a request of one row. The proof has the median of the rounds'
            percentiles: a single stall of the machine, which spoils one round, is not the image's.
        memory_mb: Memory of the container after it has answered, in 10^6 bytes; `None` where nobody measured it.

    Raises:
        GoldenRequestsFailed: There are none, an answer is missing, or one differs by more than the tolerance.
    """
    if not answers or len(answers) != len(expected.outputs):
        raise GoldenRequestsFailed(
            "not every golden request was answered",
            where=image,
            expected=f"{len(expected.outputs)} answers, at least 1",
            got=f"{len(answers)}",
            next_step="look at the container's log",
        )
    differences = [apart(answer, output) for answer, output in zip(answers, expected.outputs, strict=True)]
    within = [difference <= expected.tolerance for difference in differences]
    if not all(within):
        # A NaN is never within, and compares with nothing: it counts as the worst.
        worst = max(range(len(within)), key=lambda i: (differences[i] != differences[i], differences[i]))
        raise GoldenRequestsFailed(
            f"{within.count(False)} of {len(within)} golden requests were answered otherwise than in training",
            where=f"{image}, golden request {worst}: {expected.instances[worst]}",
            expected=f"{expected.outputs[worst]!r} within {expected.tolerance}",
            got=f"{answers[worst]!r}, {differences[worst]:.3g} away",
            next_step="compare the ONNX Runtime and numpy of both environments; the model is not promoted",
        )
    return ImageProof(
        image=image,
        digest=digest,
        model_digest=model_digest,
        answered=len(answers),
        largest_difference=max(differences),
        size_mb=size_mb,
        p50_latency_ms=_typical(latencies_ms, 50),
        p95_latency_ms=_typical(latencies_ms, 95),
        memory_mb=memory_mb,
    )


def _typical(rounds: Sequence[Sequence[float]], percentile: int) -> float | None:
    """Median over the rounds of a percentile within each (nearest rank); `None` without a round."""
    if not rounds:
        return None
    ranked = (sorted(times)[math.ceil(percentile / 100 * len(times)) - 1] for times in rounds)
    return round(statistics.median(ranked), 3)


def _digest(context: dict[str, bytes], arguments: dict[str, str]) -> str:
    """SHA-256 of the files and arguments, whatever their order."""
    whole = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode())
    for path in sorted(context):
        whole.update(f"{path}\0{hashlib.sha256(context[path]).hexdigest()}\n".encode())
    return whole.hexdigest()
