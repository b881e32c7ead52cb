"""`release.json`: all that is needed to check a release and to make it again."""

from __future__ import annotations

import hashlib
import json
from operator import not_
from typing import Any, Literal

from pydantic import Field

from contender.core.evidence import Evidence, Verdict
from contender.core.interval import Interval
from contender.core.inventory import Inventory
from contender.core.results import ImageProof, Result, Snapshot
from contender.core.vulnerabilities import Scan

MANIFEST = "release.json"


def canonical(value: Any) -> bytes:
    """The one JSON form that digests are taken of: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


class Answer(Result):
    """What a person said when asked.

    Attributes:
        answer: `Approve` or `Reject`, as Airflow's form has it.
        by: Who answered, by the name that Airflow knows.
        comment: Why, or empty.
    """

    answer: Literal["Approve", "Reject"]
    by: str = Field(min_length=1)
    comment: str = ""

    def __str__(self) -> str:
        said = f"{'approved' if self.answer == 'Approve' else 'rejected'} by {self.by}"
        return f"{said}: {self.comment}" if self.comment else said


class Release(Result):
    """The manifest of one model version.

    Attributes:
        model, version: The registry's name and version.
        interval, train, holdout: The run's interval and the two windows cut from it.
        code_revision: Git revision that the model's code was taken from: the commit of the run's bundle, or that of
            the checkout, with `-dirty` where files differed from it. `lock_digest` and `image` speak of the platform.
        lock_digest: SHA-256 of `requirements.txt`.
        tables: Snapshots of the raw and feature tables that the training set was made of.
        features_digest: SHA-256 of the Feast definitions.
        training_set: Snapshot of the training set and the holdout.
        parameters, seed: What the estimator was fitted with.
        model_digest: SHA-256 of the stored model file.
        run_id: The MLflow run.
        evidence, verdict: What the gate saw and said; the verdict holds the override where there was one.
        approval: Who approved it, where a person was asked.
        image: The proven image; `None` where no engine was there, with the reason in `image_skipped`.
        pushed: Where the image was pushed to, by the digest of the registry's manifest:
            `host/repository@sha256:…`; empty where it was not.
        decision_hash: Hash of the record of the decision log that the release rests on, so that a log that was cut off
            or written anew is found.
        dag, dag_run, run_parameters: Which run released it, and what it was given.
        owners: The models whose tables or views this one takes; their code is in `features_digest` too.
        files: SHA-256 of the files of each table's version, the training set's among them.
        bundle: SHA-256 of each file that the image was built from and the app reads, as MLflow keeps it.
        inventory: The bill of materials, the runtime image and the serving lock.
        vulnerabilities: What was known of the packages.
        registered: SHA-256 of each file of the copy of the model that the registry gives to its clients.
        lineage_digest: SHA-256 of the version's `lineage.json`: what it was trained on, row by row.
        called_with: What the model's `estimator` was called with; `parameters` follow from it. `None` where it was not
            kept, for the defaults are called with nothing.

    What stands from `decision_hash` on is left out of the JSON where it is empty: manifests from before it was kept
    lack it, and their digests stay what they were.
    """

    model: str
    version: str
    interval: Interval
    train: Interval
    holdout: Interval
    code_revision: str
    lock_digest: str
    tables: tuple[Snapshot, ...]
    features_digest: str
    training_set: Snapshot
    parameters: dict[str, Any]
    seed: int
    model_digest: str
    run_id: str
    evidence: Evidence
    verdict: Verdict
    approval: Answer | None = None
    image: ImageProof | None
    image_skipped: str = ""
    pushed: str = Field(default="", exclude_if=not_)
    decision_hash: str = Field(default="", exclude_if=not_)
    dag: str = Field(default="", exclude_if=not_)
    dag_run: str = Field(default="", exclude_if=not_)
    run_parameters: dict[str, Any] = Field(default_factory=dict, exclude_if=not_)
    owners: tuple[str, ...] = Field(default=(), exclude_if=not_)
    files: dict[str, str] = Field(default_factory=dict, exclude_if=not_)
    bundle: dict[str, str] = Field(default_factory=dict, exclude_if=not_)
    inventory: Inventory | None = Field(default=None, exclude_if=not_)
    vulnerabilities: Scan | None = Field(default=None, exclude_if=not_)
    registered: dict[str, str] = Field(default_factory=dict, exclude_if=not_)
    lineage_digest: str = Field(default="", exclude_if=not_)
    called_with: dict[str, Any] | None = Field(default=None, exclude_if=lambda value: value is None)

    def text(self) -> bytes:
        """`release.json`: the same bytes for the same release."""
        return json.dumps(self.facts(), indent=1, sort_keys=True).encode() + b"\n"
