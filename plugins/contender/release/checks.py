"""The parts of a release, and how each is checked: it says what holds, or raises what does not."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from contender.adapters import attestation, registry, release_files, signing
from contender.adapters import lineage as lineages
from contender.adapters.containers import Engine
from contender.adapters.image_files import files_of
from contender.adapters.lake import Lake, digest
from contender.adapters.tracking import Tracking
from contender.core import decisions
from contender.core.errors import EngineUnavailable, ImageMissing, ReleaseBroken, ReleaseTooOld, some
from contender.core.inventory import SBOM
from contender.core.lineage import Traced, sha256
from contender.core.manifest import MANIFEST, Release, digest_of
from contender.core.provenance import MODEL_FILE, PROVENANCE, statement
from contender.core.results import ImageProof, Snapshot
from contender.release.find import Held
from contender.stages import image as images
from contender.stages import train

BACKUP = "restore it from a backup, or release the version again by its run"


class NothingToCheck(Exception):
    """A part that the release does not have, or that only an engine could tell of and none answers; the reason."""


def signature(held: Held) -> str:
    """A trusted key signed a statement of provenance."""
    if not held.envelope:
        _require_signed_then(held)
        raise _broken("there is no signature", str(held.folder / PROVENANCE), "a signed statement", "no file")
    signed = signing.opened(held.envelope, signing.trusted(held.places))
    attestation.read(signed.payload)
    return f"by key {signed.key[:16]}"


def manifest(held: Held) -> str:
    """The manifest is the signed one and agrees with itself, with the statement and with MLflow's copy."""
    if not held.envelope:
        _require_signed_then(held)
    said = attestation.read(signing.opened(held.envelope, signing.trusted(held.places)).payload)
    signed = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
    _require_same(f"{MANIFEST} is not the signed one", signed.get(MANIFEST), sha256(held.manifest), held.folder)
    release = held.release
    if held.named:
        told = f"{release.model}/{release.version}"
        _require_same(f"{MANIFEST} is another release's", held.named, told, held.folder)
    evidence = digest_of(release.evidence.facts())
    _require_same("the evidence is not what was decided on", release.verdict.evidence_digest, evidence, held.folder)
    own = statement(release, held.manifest, held.sbom)
    if release.inventory is not None:
        expected = release.inventory.sbom_digest
        _require_same(f"the statement is of another {SBOM}", expected, signed.get(SBOM), held.folder)
    if held.sbom and signed.get(SBOM) == sha256(held.sbom):
        _require_same("the statement says otherwise", digest_of(own), digest_of(said), held.folder)
    tracking = Tracking(release.model)
    for name, content in ((MANIFEST, held.manifest), (PROVENANCE, held.envelope)):
        kept = release_files.kept(tracking, tracking.version(release.version), name)
        _require_same(f"MLflow's {name} is another one", sha256(content), sha256(kept), f"run {release.run_id}")
    return f"{MANIFEST} is the signed one"


def sbom(held: Held) -> str:
    """The bill of materials is the manifest's, here and in MLflow."""
    release = held.release
    if release.inventory is None:
        if not held.envelope:
            _require_signed_then(held)
        raise _broken("the manifest names no bill of materials", str(held.folder), "one", "none")
    expected = release.inventory.sbom_digest
    _require_same(f"{SBOM} is not the manifest's", expected, sha256(held.sbom), held.folder)
    tracking = Tracking(release.model)
    kept = release_files.kept(tracking, tracking.version(release.version), SBOM)
    _require_same(f"MLflow's {SBOM} is another one", expected, sha256(kept), f"run {release.run_id}")
    return f"{release.inventory.components} components; {release.vulnerabilities}"


def model(held: Held) -> str:
    """Every file of the bundle in MLflow is the manifest's, the model first, and so is the registry's own copy."""
    release = held.release
    with tempfile.TemporaryDirectory() as folder:
        tracking = Tracking(release.model)
        version = tracking.version(release.version)
        _require_same("the registry has another model", release.model_digest, version.digest, "MLflow")
        bundle = tracking.bundle(version, Path(folder))
        found = {path.name: sha256(path.read_bytes()) for path in bundle.iterdir()}
    _require_files("files of the bundle are not what was released", f"run {release.run_id}", release,
                   release.bundle, found)  # fmt: skip
    copy = release_files.registered(tracking, version)
    _require_files("the registry's own copy of the model is not what was released", f"version {release.version}",
                   release, release.registered, copy)  # fmt: skip
    return f"{release.model_digest[:16]}, {len(found)} files; {len(copy)} of the registry's copy"


def image(held: Held) -> str:
    """The engine has the image, and what the model's layer put into it is this bundle."""
    release = held.release
    proof = release.image
    if proof is None:
        raise NothingToCheck(f"it was released without an image: {release.image_skipped}")
    try:
        engine = Engine.connect()
    except EngineUnavailable as none:  # one that goes away later on is another matter
        raise NothingToCheck(str(none)) from none
    places = held.places
    _require_image(engine, release, proof)
    with tempfile.TemporaryDirectory() as folder:
        tracking = Tracking(release.model)
        bundle = tracking.bundle(tracking.version(release.version), Path(folder))
        runtime = release.inventory.runtime_image if release.inventory else ""
        plan = images.model(bundle, release.version, runtime)
    expected = {f"/{path}": sha256(content) for path, content in plan.context.items() if path.startswith("bundle/")}
    look = f"verify/{places.serving_network or places.home}/{release.model}/{release.version}"
    with files_of(engine, proof.digest, network=places.serving_network, look=look) as inside:
        found = {path: sha256(content) for path, content in inside.read("/bundle").items()}
    wrong = sorted(path for path in {*found, *expected} if found.get(path) != expected.get(path))
    if wrong:
        raise _broken("the image holds another model", proof.digest, "the files of the bundle", some(wrong))
    return f"{proof.digest[:19]} holds that model"


def table(held: Held, snapshot: Snapshot) -> str:
    """The version is still there, with its files to the byte and its rows."""
    lake, named = Lake(held.places.lake), held.release.files
    where = f"{snapshot.table} version {snapshot.version}"
    if not named:
        raise _too_old(held, "the digests of the tables' files")
    files = lake.files_digest(snapshot.table, snapshot.version)
    _require_same("its files are not what they were", named.get(snapshot.table), files, where)
    _require_same("its rows are not what they were", snapshot.digest, lake.again(snapshot).digest, where)
    return f"version {snapshot.version}, {snapshot.rows:,} rows"


def training_set(held: Held) -> str:
    """The training set is what the model was fitted on, and its holdout the one of the evidence."""
    release = held.release
    said = table(held, release.training_set)
    rows = Lake(held.places.lake).read(
        release.training_set.table, time=train.INTERVAL_START, interval=release.training_set.interval,
        version=release.training_set.version,
    )  # fmt: skip
    _, holdout = train.restore(rows)
    expected = release.evidence.holdout_digest
    _require_same("the holdout is not what was measured on", expected, digest(holdout), release.training_set.table)
    return f"{said}; holdout {len(holdout):,} rows"


def decision_log(held: Held) -> str:
    """The log's chain holds, and the record that the release rests on is a decision about this evidence."""
    release = held.release
    records = decisions.verify(held.places.decisions / f"{release.model}.jsonl")
    if not release.decision_hash:
        raise _too_old(held, "the hash of the record that a release rests on")
    basis = next((record for record in records if record.hash == release.decision_hash), None)
    if basis is None:
        raise _broken("the record that it rests on is missing", f"{release.model}.jsonl", release.decision_hash, "none")
    about = (basis.subject, basis.evidence_digest)
    expected = (f"version {release.version}", release.verdict.evidence_digest)
    _require_same("the record that it rests on is about something else", str(expected), str(about), basis.hash)
    return f"{len(records)} records; it rests on record {basis.sequence}"


def lineage(held: Held) -> str:
    """It is known what the version was trained on, as the manifest names it, and that is the release's window."""
    release = held.release
    tracking = Tracking(release.model)
    version = tracking.version(release.version)
    if release.lineage_digest:
        there = version.tags.get(lineages.TAG)
        _require_same("it is not the lineage that was released", release.lineage_digest, there, "MLflow")
    for one in lineages.lineages(tracking, version):
        if not isinstance(one, Traced):
            raise _broken("it is not known what it was trained on", f"version {one.version}", "its lineage", one.why)
        if one.version == release.version:
            _require_same("it was trained on another window", str(release.train), str(one.lineage.train), "its lineage")
    return f"trained on {release.train}"


def _require_image(engine: Engine, release: Release, proof: ImageProof) -> None:
    """The engine has the release's image, and what it has by the name in the registry is no other one.

    Raises:
        ReleaseBroken: It has another one by that name.
        ImageMissing: It has it no more, which says nothing against the release.
    """
    there = registry.holding(engine.client, release.pushed) if release.pushed else ""
    if there:
        _require_same("what was pushed is another image", proof.digest, there, release.pushed)
    if engine.find(proof.digest) is None:
        again = f"docker pull {release.pushed}" if release.pushed else (
            f"clear image.build in the run {release.dag_run or 'of its interval'}, which builds the same image again"
        )  # fmt: skip
        raise ImageMissing(
            "the engine does not have the image any more", where=proof.image, expected=proof.digest,
            got="no such image, as after a removal of old ones", next_step=f"{again}; then verify again",
        )  # fmt: skip


def _require_files(what: str, where: str, release: Release, named: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Files have the digests of the manifest; one from before these were kept names the model's alone."""
    expected = named or {MODEL_FILE: release.model_digest}
    wrong = sorted(name for name in {*(found if named else ()), *expected} if found.get(name) != expected.get(name))
    if wrong:
        raise _broken(what, f"MLflow, {where}", "the digests of the manifest", some(wrong))


def _require_signed_then(held: Held) -> None:
    """Tell a release from before releases were signed by what came with signatures, and stands in every manifest since.

    Raises:
        ReleaseTooOld: It is one, or one that was made to look so: either way nobody vouches for it.
    """
    if held.release.inventory is None:
        raise _too_old(held, "a bill of materials and a signature")


def _too_old(held: Held, what: str) -> ReleaseTooOld:
    return ReleaseTooOld(
        f"the release is from before the platform kept {what}", where=str(held.folder),
        expected=f"{what} with each release that is made now", got="none in the manifest, nor beside it",
        next_step="nothing is lost and it serves as before, but nothing vouches for this part of it: train its "
        "interval again for a release that can be verified; if it was made later than that, it was tampered with",
    )  # fmt: skip


def _require_same(what: str, expected: object, got: object, where: object) -> None:
    if expected != got:
        raise _broken(what, str(where), expected or "what the manifest names", got or "nothing")


def _broken(what: str, where: str, expected: object, got: object) -> ReleaseBroken:
    return ReleaseBroken(what, where=where, expected=expected, got=got, next_step=BACKUP)
