"""The size of a model's serving image beside the one that `mlflow models build-docker` makes of it.

    python -m contender.bench.image_size

Both stand on the same base, and what they add to it is compared. MLflow's Dockerfile is the one that
`mlflow models generate-dockerfile` writes for the model, with our base in the place of its own. Needs a Docker engine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from contender.adapters.containers import Built, Engine, reach
from contender.bench.image_rebuild import bundle
from contender.bench.record import record
from contender.core.errors import ImageFailed
from contender.core.settings import settings
from contender.stages import image

NAME, COMMAND, AIM = "image_size_vs_mlflow_ratio", "python -m contender.bench.image_size", 0.25
BASE = "python:3.11-slim-bookworm"
TAG = "contender/bench-mlflow:size"
# What MLflow adds by apt: nginx. Where Debian's mirror cannot be reached the image is measured without it.
BY_APT = re.compile(r"(?ms)^# Fail fast on a stalled package mirror$.*?(?=^WORKDIR)")
# The indexes' addresses are the machine's; Docker knows the proxies' arguments by itself.
INDEXES = "ARG PIP_INDEX_URL\nARG PIP_EXTRA_INDEX_URL\n"


@dataclass(frozen=True)
class Sizes:
    """An image's size in 10^6 bytes, whole and without its base, and what is not in it that ought to be."""

    whole_mb: float
    over_base_mb: float
    without: str = ""


def main() -> None:
    """Measure and record `image_size_vs_mlflow_ratio`."""
    found = sizes()
    ours, theirs = found["contender"], found["mlflow"]
    rows = [{"image": name, "whole MB": size.whole_mb, "over base MB": size.over_base_mb,
             "without": size.without or "-"} for name, size in found.items()]  # fmt: skip
    record(
        NAME, ours.over_base_mb / theirs.over_base_mb, "ratio", "lower", AIM, COMMAND, rows,
        note=f"Over the base {settings().serving_base or BASE}. MLflow's is the image of `generate-dockerfile` with "
        "that base in the place of python:3.11.7-slim, and a scikit-learn model that requires scikit-learn and pandas.",
    )  # fmt: skip


def sizes() -> dict[str, Sizes]:
    """Both images, by `contender` and `mlflow`.

    Raises:
        EngineUnavailable: No engine answers.
        ImageFailed: An image cannot be built.
    """
    engine = Engine.connect()
    base = settings().serving_base or BASE
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        runtime = engine.ensure(image.runtime(settings().serving_base), reach=reach(os.environ))
        below = engine.find(base)
        if below is None:
            raise ImageFailed("the base image is not there after a build on it", where=base, next_step="docker pull it")
        (Path(folder) / "bundle").mkdir()
        model = image.model(bundle(Path(folder) / "bundle", 0), "bench-size", runtime.tag)
        ours = engine.ensure_on(runtime, model)
        theirs, without = _mlflow(engine, Path(folder), base)
    for built in (ours, theirs):
        engine.remove(built.digest)
    return {
        "contender": Sizes(ours.size_mb, round(ours.size_mb - below.size_mb, 1)),
        "mlflow": Sizes(theirs.size_mb, round(theirs.size_mb - below.size_mb, 1), without),
    }


def _mlflow(engine: Engine, folder: Path, base: str) -> tuple[Built, str]:
    """MLflow's image, and what it had to be built without."""
    context = mlflow_context(folder)
    generated = context["Dockerfile"].decode()

    def build(*, nginx: bool) -> Built:
        dockerfile = on_base(generated, base, nginx=nginx).encode()
        return engine.build(
            image.Build(tag=TAG, context={**context, "Dockerfile": dockerfile}), reach=reach(os.environ)
        )

    try:
        return build(nginx=True), ""
    except ImageFailed as error:
        print(f"once more without nginx, since the build with it failed: {error.got[-300:]}", file=sys.stderr)
    return build(nginx=False), "nginx"


def mlflow_context(folder: Path) -> dict[str, bytes]:
    """The build context that MLflow writes for a scikit-learn model: content by path."""
    import mlflow
    from sklearn.dummy import DummyClassifier

    packages = [f"{package}=={version(package)}" for package in ("scikit-learn", "pandas", "cloudpickle")]
    model, context = folder / "model", folder / "context"
    mlflow.sklearn.save_model(DummyClassifier().fit([[0], [1]], [0, 1]), str(model), pip_requirements=packages)
    call = [str(Path(sys.executable).with_name("mlflow")), "models", "generate-dockerfile", "-m", str(model), "-d",
            str(context)]  # fmt: skip
    subprocess.run(call, check=True, capture_output=True, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})
    return {path.relative_to(context).as_posix(): path.read_bytes() for path in context.rglob("*") if path.is_file()}


def on_base(dockerfile: str, base: str, *, nginx: bool) -> str:
    """MLflow's Dockerfile on another base, and without the packages of Debian's where they cannot be had."""
    changed = re.sub(r"(?m)^FROM .*$", f"FROM {base}\n{INDEXES}", dockerfile, count=1)
    return changed if nginx else BY_APT.sub("", changed)


if __name__ == "__main__":
    main()
