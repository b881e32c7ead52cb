"""A whole chain that promotes, on an engine behind the proxy: the image that its release names is there and serves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from contender.adapters.containers import Engine
from contender.core.settings import CHECKOUT
from contender.stages import image
from tests.integration.conftest import MODELS

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(600)]

# In a process of its own: the fixtures of this one hide the engine from the chain, and choose other backends.
CHAIN = """
import json, sys
from contender.bench.chain import Chain
from contender.core.interval import Interval
from contender.factory import model_dags
from flight_delay.dag import SPEC
chain = Chain(Interval.parse("2013-02"), trials=1, run_id="release")
train, _, deploy = model_dags(SPEC, doc=None)
print("verdict", chain.run(train))
print("served", json.dumps(chain.call(deploy, "deploy.serve")))
"""
DEPLOY = """
from contender.bench.chain import Chain
from contender.core.errors import ImageMissing
from contender.core.interval import Interval
from contender.factory import model_dags
from flight_delay.dag import SPEC
chain = Chain(Interval.parse("2013-02"), trials=1, run_id="deploy")
try:
    chain.call(model_dags(SPEC, doc=None)[2], "deploy.serve")
except ImageMissing as error:
    print(error)
"""
NAME = f"{MODELS}-flight_delay"
EXPORT = ["-m", "contender.adapters.tracking", "export", "flight_delay", "champion"]


@dataclass(frozen=True)
class Promoted:
    """A release: what its `release.json` says, the champion's bundle, what `deploy.serve` returned, and where."""

    manifest: dict[str, Any]
    bundle: Path
    served: dict[str, Any]
    home: Path
    env: dict[str, str]


@pytest.fixture(scope="module")
def promoted(
    client: docker.DockerClient, proxy: str, network: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Promoted]:
    home = tmp_path_factory.mktemp("release")
    foreign = ("AIRFLOW", "MLFLOW", "CONTENDER", "FEAST")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env |= {
        "CONTENDER_HOME": str(home),
        "CONTENDER_OSV": "none",
        "CONTENDER_SERVING_NETWORK": network,
        "DOCKER_HOST": f"tcp://{proxy}",
        "AIRFLOW_HOME": str(home / "airflow"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    said = dict(line.partition(" ")[::2] for line in run(["-c", CHAIN], env, home).splitlines())
    assert said["verdict"] == "promote"
    run([*EXPORT, str(home / "bundle")], env, home)
    (release,) = (home / "releases" / "flight_delay").glob("*/release.json")
    manifest = json.loads(release.read_text(encoding="utf-8"))
    yield Promoted(manifest, home / "bundle", json.loads(said["served"]), home, env)
    client.containers.get(NAME).remove(force=True)
    client.images.remove(manifest["image"]["digest"], force=True)  # with the tag that says whose release it is


def run(arguments: list[str], env: dict[str, str], home: Path) -> str:
    done = subprocess.run([sys.executable, *arguments], env=env, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"[-3000:]
    return done.stdout


def test_release_names_an_image_that_the_engine_has_and_that_is_of_this_version(
    client: docker.DockerClient, promoted: Promoted
) -> None:
    proof = promoted.manifest["image"]
    assert promoted.manifest["image_skipped"] == ""
    found = client.images.get(proof["digest"])
    assert found.id == proof["digest"]
    assert proof["image"] in found.tags
    assert found.labels["contender.version"] == promoted.manifest["version"]


def test_release_image_runs_as_non_root_and_answers_the_golden_requests(engine: Engine, promoted: Promoted) -> None:
    proof, golden = promoted.manifest["image"], image.golden(promoted.bundle)
    with engine.run(proof["digest"], environment={"CONTENDER_ONLINE_STORE": "none"}) as served:
        user = served.container.exec_run(["id", "-u"]).output.strip()
        answers = served.predict_raw(golden.instances)
    assert user == b"10001"
    assert len(answers) == proof["answered"] > 0
    assert max(abs(one - other) for one, other in zip(answers, golden.outputs, strict=True)) <= golden.tolerance


def test_release_is_deployed_under_the_model_s_name(
    client: docker.DockerClient, network: str, promoted: Promoted
) -> None:
    version, proof = promoted.manifest["version"], promoted.manifest["image"]
    assert promoted.served == {
        "version": version, "image": proof["image"], "digest": proof["digest"], "name": NAME,
        "path": "/models/flight_delay/",
    }  # fmt: skip
    container = client.containers.get(NAME)
    assert (container.status, container.attrs["Image"]) == ("running", proof["digest"])
    assert list(container.attrs["NetworkSettings"]["Networks"]) == [network]


def test_release_is_made_again_by_a_clean_checkout_that_has_its_manifest_alone(
    promoted: Promoted, tmp_path: Path
) -> None:
    clean, manifest = tmp_path / "clean", tmp_path / "release.json"
    for part in ("dags", "plugins", "feature_repo", "expectations"):
        shutil.copytree(CHECKOUT / part, clean / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "requirements.txt", clean)
    manifest.write_text(json.dumps(promoted.manifest))
    foreign = ("AIRFLOW", "MLFLOW", "CONTENDER", "FEAST", "OMP")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env["PYTHONPATH"] = os.pathsep.join(str(clean / part) for part in (".", "plugins", "dags"))
    said = run(["-m", "contender.release.reproduce", str(manifest)], env, clean).splitlines()
    assert said[0].endswith("from its source, read anew")
    assert [line for line in said if " differs " in line and not line.startswith("code revision")] == []
    assert sum(line.startswith("features ") and " same " in line for line in said) == 9  # the digest and eight views
    assert said[-1].startswith("The model is the same, byte for byte")
    assert not (clean / ".contender").exists()


def test_release_whose_image_is_gone_says_how_to_build_it_again_and_leaves_what_serves(
    client: docker.DockerClient, promoted: Promoted
) -> None:
    serving = client.containers.get(NAME).id
    version = promoted.manifest["version"]
    release = promoted.home / "releases" / "flight_delay" / version / "release.json"
    before = release.read_text(encoding="utf-8")
    release.write_text(before.replace(promoted.manifest["image"]["digest"], "sha256:" + "0" * 64), encoding="utf-8")
    try:
        said = run(["-c", DEPLOY], promoted.env, promoted.home)
    finally:
        release.write_text(before, encoding="utf-8")
    assert "the engine does not have the champion's image any more" in said
    assert "clear image.build and what follows it in the run of flight_delay_train for 2013-02-01/2013-03-01" in said
    assert client.containers.get(NAME).id == serving


def verified(promoted: Promoted) -> dict[str, str]:
    """What `verify` says of each part, and the exit code in the end."""
    command = [sys.executable, "-m", "contender.release", "verify", "flight_delay"]
    done = subprocess.run(command, env=promoted.env, cwd=promoted.home, capture_output=True, text=True, check=False)
    said = {line[2:34].strip(): line[35:] for line in done.stdout.splitlines()[1:] if line.startswith("  ")}
    return said | {"code": str(done.returncode)}


def test_release_holds_with_its_image_and_one_that_names_another_image_does_not(promoted: Promoted) -> None:
    said = verified(promoted)
    assert said.pop("code") == "0", said
    assert said["image"] == f"holds: {promoted.manifest['image']['digest'][:19]} holds that model"
    assert {text.partition(":")[0] for text in said.values()} == {"holds"}
    folder = promoted.home / "releases" / "flight_delay" / promoted.manifest["version"]
    before = (folder / "release.json").read_text(encoding="utf-8")
    runtime = promoted.manifest["inventory"]["runtime_digest"]
    changed = before.replace(promoted.manifest["image"]["digest"], runtime)
    (folder / "release.json").write_text(changed, encoding="utf-8")
    try:
        said = verified(promoted)
    finally:
        (folder / "release.json").write_text(before, encoding="utf-8")
    assert said["code"] == "1"
    # The proxy lets nobody look into an image that is no model's.
    assert said["image"].startswith("BROKEN: "), said


def test_release_lists_the_packages_that_are_in_its_image(promoted: Promoted) -> None:
    folder = promoted.home / "releases" / "flight_delay" / promoted.manifest["version"]
    listed = json.loads((folder / "sbom.cdx.json").read_bytes())
    assert listed["metadata"]["component"]["purl"].endswith(promoted.manifest["image"]["digest"])
    kinds = [one.get("purl", "pkg:none/").split("/")[0] for one in listed["components"]]
    assert min(kinds.count("pkg:deb"), kinds.count("pkg:pypi")) > 10
    names = {one["name"] for one in listed["components"]}
    assert {"onnxruntime", "numpy", "libc6", "flight_delay"} <= names
    (kept,) = (promoted.home / "sboms").glob("runtime-*.json")
    assert promoted.manifest["inventory"]["runtime_digest"].removeprefix("sha256:") in kept.name
