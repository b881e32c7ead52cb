"""`verify` on a release that really was promoted: it holds, and a byte changed anywhere is found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contender.adapters.attestation import read
from contender.adapters.lake import Lake
from contender.adapters.revision import model_code_digest
from contender.adapters.signing import make_pair, opened, trusted
from contender.core.errors import ReleaseMissing
from contender.core.interval import Interval
from contender.core.manifest import Release
from contender.core.provenance import BUILD_TYPE
from contender.core.settings import CHECKOUT, settings
from contender.release.__main__ import main
from contender.release.find import held
from contender.release.verify import verify
from tests.conftest import applied
from tests.tiny_platform import HOLDOUT, MODEL, TRAIN, environment, prepare, rows, run

RAW = "seen"
PARTS = ["signature", "manifest", "sbom", "model", "image", f"table {RAW}", "training set", "features",
         "decision log", "lineage"]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which version 1 was promoted by the real operators, from a raw table besides the training set."""
    folder = tmp_path_factory.mktemp("verify")
    prepare(folder)
    with applied(environment(folder)):
        first = run("first", "abc")
        seen = Interval(start=TRAIN.start, end=HOLDOUT.end)
        lake, assembled = Lake(settings().lake), first.chain.returned["train.assemble"]
        snapshot = lake.write(RAW, rows(), time="due_at", interval=seen)
        assembled["tables"] = [snapshot.facts()]
        assembled["files"][RAW] = lake.files_digest(RAW, snapshot.version)
        first.measure()
        assert first.decide() == "gate.promote"
        first.release(materialised={"digest": model_code_digest(settings(), MODEL)})
        yield folder


def broken(asked: str = f"{MODEL}/1") -> list[str]:
    return [part.name for part in verify(held(asked, settings())) if not part.fine]


def the(home: Path, pattern: str) -> Path:
    (found,) = home.glob(pattern)
    return found


@contextmanager
def changed(path: Path, place: int) -> Iterator[None]:
    """One bit of one byte of a file, while the block runs."""
    before = path.read_bytes()
    content = bytearray(before)
    content[place] ^= 1
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def test_release_that_nobody_touched_holds_in_every_part(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", f"{MODEL}/1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = {line[2:34].strip(): line[35:] for line in lines[1:-1]}
    assert list(said) == PARTS
    assert said.pop("image") == "skipped: it was released without an image: no engine"
    assert all(text.startswith("holds: ") for text in said.values())
    assert lines[-1] == "All that could be checked holds; skipped: image"


@pytest.mark.parametrize("asked", [MODEL, "{home}/releases/tiny/1", "{home}/releases/tiny/1/release.json"])
def test_release_is_found_by_its_champion_and_by_its_path(home: Path, asked: str) -> None:
    assert held(asked.format(home=home), settings()).release.version == "1"


@pytest.mark.parametrize("asked", ["tiny/7", "none", "none/1", "{home}/releases"])
def test_release_that_is_not_there_is_told_with_those_that_are(home: Path, asked: str) -> None:
    with pytest.raises(ReleaseMissing, match="say RELEASE=<one of these>: tiny/1") as raised:
        held(asked.format(home=home), settings())
    assert main(["verify", asked.format(home=home)]) == 1
    assert "tiny" in str(raised.value)


# The part, where its file lies, and what else cannot hold then.
FILES = {
    "the signature": ("signature", "releases/tiny/1/provenance.dsse.json", {"manifest"}),
    "the bill of materials": ("sbom", "releases/tiny/1/sbom.cdx.json", set()),
    "MLflow's bill of materials": ("sbom", "mlflow/artifacts/*/artifacts/sbom.cdx.json", set()),
    "MLflow's manifest": ("manifest", "mlflow/artifacts/*/artifacts/release.json", set()),
    "the model": ("model", "mlflow/artifacts/*/artifacts/bundle/*/model.onnx", set()),
    "the registry's model": ("model", "mlflow/artifacts/models/*/artifacts/model.onnx", set()),
    "the model's signature": ("model", "mlflow/artifacts/*/artifacts/bundle/*/signature.json", set()),
    "a raw table": (f"table {RAW}", f"lake/{RAW}/*.parquet", set()),
    "the training set": ("training set", "lake/tiny_training_set/*.parquet", set()),
    "the code": ("features", "models/tiny/model.py", set()),
    "the decision log": ("decision log", "decisions/tiny.jsonl", set()),
    "the lineage": ("lineage", "mlflow/artifacts/*/artifacts/lineage/*/keys.u64", set()),
}


@pytest.mark.parametrize(("part", "pattern", "with_it"), FILES.values(), ids=FILES)
def test_byte_changed_is_found_and_its_part_named(home: Path, part: str, pattern: str, with_it: set[str]) -> None:
    path = the(home, pattern)
    for place in (0, path.stat().st_size // 2, -1):
        with changed(path, place):
            assert set(broken()) == {part} | with_it, place
    assert broken() == []


def test_byte_changed_in_the_manifest_is_found_wherever_it_is(home: Path) -> None:
    path = the(home, "releases/tiny/1/release.json")
    for place in range(0, path.stat().st_size, path.stat().st_size // 5):
        with changed(path, place):
            assert "manifest" in broken(), place


@pytest.mark.parametrize("name", ["release.json", "sbom.cdx.json", "provenance.dsse.json"])
def test_file_that_is_gone_is_found(home: Path, name: str) -> None:
    path, part = home / "releases" / MODEL / "1" / name, {"r": "manifest", "s": "sbom", "p": "signature"}[name[0]]
    before = path.read_bytes()
    path.unlink()
    try:
        assert part in broken()
    finally:
        path.write_bytes(before)


def test_broken_part_is_told_on_stderr_with_a_code(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with changed(the(home, f"lake/{RAW}/*.parquet"), 0):
        assert main(["verify", MODEL]) == 1
    said = capsys.readouterr()
    assert f"table {RAW}" in said.err
    assert f"table {RAW}".ljust(32) + " BROKEN: its files are not what they were" in said.out


def test_release_signed_by_a_key_that_is_not_trusted_does_not_hold(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pair(tmp_path)
    monkeypatch.setenv("CONTENDER_TRUSTED_KEYS", str(tmp_path))
    assert broken() == ["signature", "manifest"]


def test_release_whose_tracking_store_is_away_cannot_be_checked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/nowhere/mlflow.db")
    found = {part.name: part.state for part in verify(held(f"{MODEL}/1", settings())) if not part.fine}
    assert found == dict.fromkeys(["manifest", "sbom", "model", "lineage"], "cannot be checked")


def test_statement_names_what_was_released_and_what_it_was_made_of(home: Path) -> None:
    folder = home / "releases" / MODEL / "1"
    release = Release.model_validate_json((folder / "release.json").read_bytes())
    statement = read(opened((folder / "provenance.dsse.json").read_bytes(), trusted(settings())).payload)
    assert {one["name"] for one in statement["subject"]} == {"model.onnx", "release.json", "sbom.cdx.json"}
    built = statement["predicate"]["buildDefinition"]
    assert built["buildType"] == BUILD_TYPE
    assert (built["externalParameters"]["dag"], built["externalParameters"]["run"]) == ("chain", "first")
    assert built["internalParameters"] == {"parameters": release.parameters, "seed": 1}
    named = {one["name"]: one.get("digest", {}) for one in built["resolvedDependencies"]}
    assert named["requirements.txt"] == {"sha256": release.lock_digest}
    assert named[f"table {RAW}"]["rowsSha256"] == release.tables[0].digest
    assert named["table tiny_training_set"]["filesSha256"] == release.files["tiny_training_set"]
    assert {"code", "features", "docker/serving/requirements.txt"} <= named.keys()


def test_manifest_names_all_of_a_release(home: Path) -> None:
    said = json.loads((home / "releases" / MODEL / "1" / "release.json").read_bytes())
    assert said["run_parameters"] == {"trials": 1}
    pinned = (CHECKOUT / "docker" / "serving" / "requirements.txt").read_text(encoding="utf-8").count("==")
    assert said["inventory"]["components"] == pinned + 1  # and the model
    assert said["vulnerabilities"]["not_scanned"] == "CONTENDER_OSV is none"
    assert set(said["bundle"]) == {"model.onnx", "packed.onnx", "signature.json", "golden.json", "about.json"}
    assert said["tables"][0]["time"] == "due_at"


def test_release_in_another_one_s_place_is_not_that_one(home: Path) -> None:
    one, other = (home / "releases" / MODEL / version for version in ("1", "9"))
    shutil.copytree(one, other)
    try:
        assert "manifest" in broken(f"{MODEL}/9")
    finally:
        shutil.rmtree(other)
