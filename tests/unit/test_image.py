from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contender.core.errors import GoldenRequestsFailed, ImageFailed
from contender.core.settings import CHECKOUT
from contender.stages import image
from contender.stages.image import Golden

GOLDEN = Golden(instances=[{"hour": 1.0}, {"hour": 2.0}, {"hour": 3.0}], outputs=[0.1, 0.2, 0.3], tolerance=1e-5)
PROVED = {"model_digest": "m", "image": "contender/x:1", "digest": "sha256:0", "size_mb": 1.0}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in ("model.onnx", "signature.json", "golden.json", "request.py", "notes.txt"):
        (folder / name).write_text("{}")
    about = {"model": "flight_delay", "model_digest": "aa", "run_id": "bb", "code_revision": "cc"}
    (folder / "about.json").write_text(json.dumps(about))
    return folder


def pins(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text(), flags=re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_serving_lock_versions_are_those_of_the_main_lock() -> None:
    main, serving = pins(CHECKOUT / "requirements.txt"), pins(CHECKOUT / "docker/serving/requirements.txt")
    assert {name: versions for name, versions in serving.items() if not versions <= main[name]} == {}
    direct = {
        line for line in (CHECKOUT / "docker/serving/requirements.in").read_text().splitlines() if line[:1] != "#"
    }
    assert direct <= serving.keys()
    assert not {"pandas", "mlflow", "apache-airflow", "feast", "pydantic", "scikit-learn"} & serving.keys()


def test_serving_lock_every_package_has_a_hash() -> None:
    lock = (CHECKOUT / "docker/serving/requirements.txt").read_text()
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", lock.strip()) if not entry.startswith("#"))


def test_runtime_same_files_give_the_same_tag() -> None:
    assert image.runtime() == image.runtime()


def test_runtime_other_base_source_or_lock_gives_another_tag(tmp_path: Path) -> None:
    package, recipe = tmp_path / "contender", tmp_path / "recipe"
    shutil.copytree(image.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(image.RECIPE, recipe)
    tags = {image.runtime(package=package, recipe=recipe).tag, image.runtime().tag}
    assert len(tags) == 1  # where the files lie does not matter
    tags.add(image.runtime("other:base", package=package, recipe=recipe).tag)
    (package / "serving" / "app.py").write_text("changed")
    tags.add(image.runtime(package=package, recipe=recipe).tag)
    (recipe / "requirements.txt").write_text("changed")
    tags.add(image.runtime(package=package, recipe=recipe).tag)
    assert len(tags) == 4


def test_runtime_context_alone_imports_the_app_and_nothing_heavy(tmp_path: Path) -> None:
    for path, content in image.runtime().context.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    heavy = ["pandas", "mlflow", "airflow", "feast", "pydantic", "sklearn", "pyarrow", "deltalake", "duckdb"]
    code = (
        "import sys, contender.serving.app; import contender; "
        f"assert contender.__file__.startswith({str(tmp_path)!r}), contender.__file__; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_model_context_is_the_bundle_with_the_version(bundle: Path) -> None:
    plan = image.model(bundle, "7", "contender/serving-runtime:1", source="https://example.org/code")
    assert re.fullmatch(r"contender/flight-delay:7-[0-9a-f]{12}", plan.tag)
    assert plan.arguments == {"RUNTIME": "contender/serving-runtime:1"}
    files = {"model.onnx", "signature.json", "golden.json", "about.json", "request.py"}
    assert plan.context.keys() == {"Dockerfile"} | {f"bundle/{name}" for name in files}
    about = json.loads(plan.context["bundle/about.json"])
    assert about == {"model": "flight_delay", "model_digest": "aa", "code_revision": "cc", "version": "7"}
    assert plan.labels == {
        "org.opencontainers.image.title": "flight_delay",
        "org.opencontainers.image.version": "7",
        "org.opencontainers.image.revision": "cc",
        "org.opencontainers.image.source": "https://example.org/code",
        "contender.model": "flight_delay",
        "contender.version": "7",
        "contender.model-digest": "aa",
    }


def test_model_incomplete_bundle_is_refused_by_name(bundle: Path) -> None:
    (bundle / "golden.json").unlink()
    with pytest.raises(ImageFailed, match=r"got: no golden\.json"):
        image.model(bundle, "7", "contender/serving-runtime:1")


def test_golden_reads_what_the_bundle_holds(bundle: Path) -> None:
    content = {"tolerance": 1e-5, "requests": [{"inputs": {"hour": None}, "output": 0.5}]}
    (bundle / "golden.json").write_text(json.dumps(content))
    assert image.golden(bundle) == Golden(instances=[{"hour": None}], outputs=[0.5], tolerance=1e-5)


def test_prove_answers_within_tolerance_give_the_proof() -> None:
    proof = image.prove([0.1, 0.200004, 0.3], GOLDEN, **PROVED)
    assert proof.answered == 3
    assert proof.largest_difference == pytest.approx(4e-6)
    assert proof.image == "contender/x:1"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        pytest.param([0.1, 0.25, 0.31], r"2 of 3 .*golden request 1: .*'hour': 2\.0.*0\.2 within 1e-05", id="off"),
        pytest.param([0.1, 0.9, math.nan], r"golden request 2: .*got: nan", id="not a number"),
        pytest.param([0.1, 0.2], "expected: 3 answers, at least 1; got: 2", id="one missing"),
        pytest.param([], "at least 1; got: 0", id="none"),
    ],
)
def test_prove_other_answers_fail(answers: list[float], message: str) -> None:
    with pytest.raises(GoldenRequestsFailed, match=message):
        image.prove(answers, GOLDEN, **PROVED)


def test_prove_latency_is_the_median_of_the_rounds_percentiles() -> None:
    quiet, stalled = [float(ms) for ms in range(1, 101)], [1000.0] * 100
    proof = image.prove([0.1, 0.2, 0.3], GOLDEN, **PROVED, latencies_ms=[quiet, stalled, quiet], memory_mb=46.1)
    assert (proof.p50_latency_ms, proof.p95_latency_ms, proof.memory_mb) == (50.0, 95.0, 46.1)


def test_prove_unmeasured_image_has_no_figures() -> None:
    proof = image.prove([0.1, 0.2, 0.3], GOLDEN, **PROVED)
    assert (proof.p50_latency_ms, proof.p95_latency_ms, proof.memory_mb) == (None, None, None)


def test_prove_no_golden_requests_fails() -> None:
    with pytest.raises(GoldenRequestsFailed):
        image.prove([], Golden(instances=[], outputs=[], tolerance=1.0), **PROVED)
