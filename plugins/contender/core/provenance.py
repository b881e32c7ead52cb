"""Where a release comes from, as an in-toto statement with SLSA's provenance (https://slsa.dev/spec/v1.0/provenance)."""

from __future__ import annotations

from typing import Any

from contender.core.inventory import SBOM
from contender.core.lineage import sha256
from contender.core.manifest import MANIFEST, Release
from contender.core.results import Snapshot

PROVENANCE = "provenance.dsse.json"
MODEL_FILE = "model.onnx"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# docs/releases.md says what their fields mean.
BUILD_TYPE, BUILDER = "urn:contender:train:v1", "urn:contender:platform"
GIT_REVISION = 40


def subjects(release: Release, manifest: bytes, sbom: bytes) -> dict[str, str]:
    """What a release is made of: SHA-256 by name."""
    named = {MANIFEST: sha256(manifest), SBOM: sha256(sbom), MODEL_FILE: release.model_digest}
    return named | ({release.image.image: _hex(release.image.digest)} if release.image else {})


def statement(release: Release, manifest: bytes, sbom: bytes) -> dict[str, Any]:
    """The statement about a release; it has no time of its own, so that a release has one.

    Args:
        release: What the manifest says.
        manifest, sbom: The files' bytes, as they lie there: what they say could be written in other ways too.
    """
    run = f"{release.dag}/{release.dag_run}"
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}}
                    for name, digest in sorted(subjects(release, manifest, sbom).items())],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "model": release.model, "dag": release.dag, "run": release.dag_run,
                    "interval": str(release.interval), "parameters": release.run_parameters,
                },
                "internalParameters": _parameters(release),
                "resolvedDependencies": [*_code(release), *_data(release), *_runtime(release)],
            },
            "runDetails": {
                "builder": {"id": BUILDER},
                "metadata": {"invocationId": run},
                "byproducts": [
                    {"name": "evidence", "digest": {"sha256": release.verdict.evidence_digest}},
                    {"name": "decision", "digest": {"sha256": release.decision_hash}},
                    *([{"name": "lineage", "digest": {"sha256": release.lineage_digest}}]
                      if release.lineage_digest else []),
                ],
            },
        },
    }  # fmt: skip


def _parameters(release: Release) -> dict[str, Any]:
    given = {} if release.called_with is None else {"calledWith": release.called_with}
    return {"parameters": release.parameters, "seed": release.seed, **given}


def _code(release: Release) -> list[dict[str, Any]]:
    """A revision that is none of Git's, or not whole, is no digest."""
    revision = release.code_revision
    known = {"digest": {"gitCommit": revision}} if len(revision) == GIT_REVISION else {}
    return [
        {"name": "code", "uri": f"git+revision:{revision}", **known},
        {"name": "features", "digest": {"sha256": release.features_digest}},
        {"name": "requirements.txt", "digest": {"sha256": release.lock_digest}},
    ]


def _data(release: Release) -> list[dict[str, Any]]:
    """Of a table two digests: of its rows, the same wherever they lie, and of the files of its version."""
    return [_table(snapshot, release.files.get(snapshot.table, ""))
            for snapshot in (*release.tables, release.training_set)]  # fmt: skip


def _table(snapshot: Snapshot, files: str) -> dict[str, Any]:
    digests = {"rowsSha256": snapshot.digest, "filesSha256": files}
    return {
        "name": f"table {snapshot.table}",
        "uri": f"delta:{snapshot.table}?version={snapshot.version}",
        "digest": {name: digest for name, digest in digests.items() if digest},
        "annotations": {"rows": snapshot.rows, "interval": str(snapshot.interval or "")},
    }


def _runtime(release: Release) -> list[dict[str, Any]]:
    found = release.inventory
    if found is None:
        return []
    lock = [{"name": "docker/serving/requirements.txt", "digest": {"sha256": found.serving_lock_digest}}]
    if not found.runtime_digest:
        return lock
    return [*lock, {"name": found.runtime_image, "digest": {"sha256": _hex(found.runtime_digest)}}]


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
