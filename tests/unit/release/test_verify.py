"""`verify` on a release that really was promoted: it holds, and a byte changed anywhere is found and named."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from deltalake.exceptions import DeltaError

from contender.adapters.attestation import read
from contender.adapters.lake import Lake
from contender.adapters.revision import model_code_digest
from contender.adapters.signing import make_pair, opened, trusted
from contender.core.errors import EngineUnavailable
from contender.core.interval import Interval
from contender.core.lineage import sha256
from contender.core.manifest import Release
from contender.core.provenance import BUILD_TYPE, statement
from contender.core.settings import CHECKOUT, settings
from contender.release import checks
from contender.release.__main__ import main
from contender.release.find import Held, held
from contender.release.verify import Part, _checked, verify
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


# The part, where its file lies, and what else cannot hold then.
FILES = {
    "the signature": ("signature", "releases/tiny/1/provenance.dsse.json", {"manifest"}),
    "the bill of materials": ("sbom", "releases/tiny/1/sbom.cdx.json", set()),
    "MLflow's bill of materials": ("sbom", "mlflow/artifacts/*/artifacts/sbom.cdx.json", set()),
    "MLflow's manifest": ("manifest", "mlflow/artifacts/*/artifacts/release.json", set()),
    "the model": ("model", "mlflow/artifacts/*/artifacts/bundle/*/model.onnx", set()),
    "the registry's model": ("model", "mlflow/artifacts/models/*/artifacts/model.onnx", set()),
    "how the registry's model is loaded": ("model", "mlflow/artifacts/models/*/artifacts/MLmodel", set()),
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


def test_release_whose_tracking_store_is_away_cannot_be_checked(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/nowhere/mlflow.db")
    found = {part.name: part.state for part in verify(held(f"{MODEL}/1", settings())) if not part.fine}
    assert found == dict.fromkeys(["manifest", "sbom", "model", "lineage"], "cannot be checked")
    assert main(["verify", f"{MODEL}/1"]) == 1
    assert "It is not known whether all of it holds: manifest, sbom, model, lineage." in capsys.readouterr().err


def as_if(home: Path, *without: str, **changed: Any) -> Held:
    """The release as held with another manifest, which nobody signed: for the parts that come after the signature."""
    found = held(f"{MODEL}/1", settings())
    facts = {name: value for name, value in json.loads(found.manifest).items() if name not in without} | changed
    return dataclasses.replace(found, manifest=json.dumps(facts).encode())


def told(found: Held) -> dict[str, Part]:
    return {part.name: part for part in verify(found)}


NEWER = ("decision_hash", "dag", "dag_run", "run_parameters", "owners", "files", "bundle", "inventory",
         "vulnerabilities", "registered", "lineage_digest", "called_with")  # fmt: skip


def test_release_from_before_signing_is_told_what_it_is_and_not_to_restore_a_backup(home: Path) -> None:
    found = told(dataclasses.replace(as_if(home, *NEWER), envelope=b"", sbom=b""))
    unknown = ["signature", "manifest", "sbom", f"table {RAW}", "training set", "decision log"]
    assert [name for name, part in found.items() if part.state != "holds"] == sorted(
        [*unknown, "image"], key=PARTS.index
    )
    for name in unknown:
        assert found[name].state == "cannot be checked"
        assert "the release is from before the platform kept" in found[name].says
        assert "backup" not in found[name].says


def test_lineage_that_is_not_the_released_one_is_found(home: Path) -> None:
    part = told(as_if(home, lineage_digest="0" * 64))["lineage"]
    assert (part.state, part.says.split(";")[0]) == ("BROKEN", "it is not the lineage that was released")


def test_statement_is_of_the_manifest_s_bytes_and_not_of_what_they_say(home: Path) -> None:
    found = held(f"{MODEL}/1", settings())
    other = json.dumps(json.loads(found.manifest)).encode()
    digests = [{one["name"]: one["digest"]["sha256"] for one in statement(found.release, content, b"")["subject"]}
               for content in (found.manifest, other)]  # fmt: skip
    assert [one["release.json"] for one in digests] == [sha256(found.manifest), sha256(other)]


@pytest.mark.parametrize(
    ("error", "state"),
    [(tarfile.ReadError("cut"), "BROKEN"), (DeltaError("cut"), "BROKEN"), (KeyError("Env"), "BROKEN"),
     (FileNotFoundError("gone"), "BROKEN"), (PermissionError("not yours"), "cannot be checked"),
     (EngineUnavailable("it went away"), "cannot be checked")],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_part_that_a_library_trips_over_is_named_with_what_it_says(error: Exception, state: str) -> None:
    def trips() -> str:
        raise error

    part = _checked("model", trips)
    assert (part.name, part.state, part.fine) == ("model", state, False)
    assert str(error.args[0]) in part.says


def test_bundle_without_its_model_is_a_finding_and_no_traceback(home: Path) -> None:
    path = the(home, "mlflow/artifacts/*/artifacts/bundle/*/model.onnx")
    content = path.read_bytes()
    path.unlink()
    try:
        assert broken() == ["model"]
    finally:
        path.write_bytes(content)


class FewCalls(BaseHTTPRequestHandler):
    """An engine that answers a ping and lists images; whatever else it is asked, it has not, or it goes away."""

    images: ClassVar[list[dict[str, Any]]] = []
    goes_away = False

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        known = {"/version": {"ApiVersion": "1.41"}, "/v1.41/_ping": "OK", "/v1.41/images/json": self.images}
        if self.goes_away and path not in known:
            self.connection.close()
            return
        body = json.dumps(known.get(path, {"message": "no such image"})).encode()
        self.send_response(200 if path in known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FewCalls]]:
    handler = type("Engine", (FewCalls,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield handler
        server.shutdown()


IMAGE, OTHER = ("sha256:" + digit * 64 for digit in "12")
PUSHED = f"docker.io/team/contender/tiny@sha256:{'3' * 64}"
PROOF = {"image": "contender/tiny:1-a", "digest": IMAGE, "model_digest": "d", "answered": 1,
         "largest_difference": 0.0, "size_mb": 1.0}  # fmt: skip


@pytest.mark.parametrize(
    ("pushed", "there", "goes_away", "state", "said"),
    [
        (PUSHED, {}, False, "cannot be checked", f"next: docker pull {PUSHED}; then verify again"),
        ("", {}, False, "cannot be checked", "next: clear image.build in the run first"),
        (PUSHED, {"Id": OTHER, "RepoDigests": [PUSHED.removeprefix("docker.io/")]}, False, "BROKEN",
         "what was pushed is another image"),
        (PUSHED, {"Id": OTHER, "RepoDigests": [f"other/{PUSHED}"]}, False, "cannot be checked", "docker pull"),
        ("", {}, True, "cannot be checked", "the Docker engine went away while looking for"),
    ],
    ids=["pruned", "pruned and not pushed", "another by its name", "another by another name", "gone"],
)  # fmt: skip
def test_image_that_cannot_be_looked_into_is_told_from_another_image(
    home: Path, engine: type[FewCalls], pushed: str, there: dict[str, Any], goes_away: bool, state: str, said: str,
) -> None:  # fmt: skip
    engine.images, engine.goes_away = [there] if there else [], goes_away
    part = _checked("image", lambda: checks.image(as_if(home, image=PROOF, pushed=pushed)))
    assert part.state == state
    assert said in part.says


def test_statement_names_what_was_released_and_what_it_was_made_of(home: Path) -> None:
    folder = home / "releases" / MODEL / "1"
    release = Release.model_validate_json((folder / "release.json").read_bytes())
    signed = read(opened((folder / "provenance.dsse.json").read_bytes(), trusted(settings())).payload)
    assert {one["name"] for one in signed["subject"]} == {"model.onnx", "release.json", "sbom.cdx.json"}
    built = signed["predicate"]["buildDefinition"]
    assert built["buildType"] == BUILD_TYPE
    assert (built["externalParameters"]["dag"], built["externalParameters"]["run"]) == ("chain", "first")
    assert built["internalParameters"] == {"parameters": release.parameters, "seed": 1, "calledWith": {}}
    by = {one["name"]: one["digest"]["sha256"] for one in signed["predicate"]["runDetails"]["byproducts"]}
    assert by["lineage"] == release.lineage_digest
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
    assert said["called_with"] == {}
    assert {"MLmodel", "model.onnx"} < set(said["registered"])
    assert said["lineage_digest"] == sha256(
        the(home, "mlflow/artifacts/*/artifacts/lineage/*/lineage.json").read_bytes()
    )


def test_release_in_another_one_s_place_is_not_that_one(home: Path) -> None:
    one, other = (home / "releases" / MODEL / version for version in ("1", "9"))
    shutil.copytree(one, other)
    try:
        assert "manifest" in broken(f"{MODEL}/9")
    finally:
        shutil.rmtree(other)
