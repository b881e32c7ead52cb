"""What a model version was trained on, kept where the gate can compare it with a holdout.

Beside a version's bundle, not in its image, lie `lineage.json` and two files of fingerprints of its training rows. The
registry holds the digest of `lineage.json`, and that holds the digests of the two files and of the model: what was
changed, cut or mixed up afterwards does not fit together and is `Untraced`, which the gate takes as contaminated. Who
changes files and registry alike is not found out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from contender.core.interval import Interval
from contender.core.manifest import canonical
from contender.core.results import Result, Snapshot

DOCUMENT, KEYS, PAIRS = "lineage.json", "keys.u64", "pairs.u64"
FINGERPRINT_BYTES = 8

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Lineage(Result):
    """`lineage.json`.

    Attributes:
        scheme: How the fingerprints were made, see `contender/stages/gate/fingerprints.py`.
        model_digest: SHA-256 of the stored model.
        train: The training window.
        training_set: Snapshot of the table that the rows were read from; it holds the holdout's rows as well.
        rows: Number of training rows.
        first_due, last_due: Times of the earliest and the latest of them, as found in the rows.
        cluster: Column whose values the second file's fingerprints are of.
        keys, pairs: SHA-256 of the two files of fingerprints.
        ancestors: Versions whose fitted state the training began with; none where it began anew.
    """

    scheme: Literal[1] = 1
    model_digest: Digest
    train: Interval
    training_set: Snapshot
    rows: int = Field(ge=1)
    first_due: AwareDatetime
    last_due: AwareDatetime
    cluster: str = Field(min_length=1)
    keys: Digest
    pairs: Digest
    ancestors: tuple[Annotated[str, Field(pattern="^[1-9][0-9]*$")], ...] = ()


@dataclass(frozen=True)
class Traced:
    """A version whose training rows are known.

    Attributes:
        version: Its number in the registry.
        lineage: What is known of it.
        keys: Fingerprints of the rows' keys: sorted, each once, little-endian 64-bit integers.
        pairs: Fingerprints of the rows' clusters and days, likewise.
    """

    version: str
    lineage: Lineage
    keys: bytes
    pairs: bytes

    def files(self) -> dict[str, bytes]:
        """The three files by name."""
        return {DOCUMENT: canonical(self.lineage.facts()), KEYS: self.keys, PAIRS: self.pairs}


@dataclass(frozen=True)
class Untraced:
    """A version of which it is not known what it was trained on, and why."""

    version: str
    why: str


Trace = Traced | Untraced


def trace(version: str, model_digest: str, document_digest: str, files: Mapping[str, bytes]) -> Trace:
    """Read a version's lineage and check that all of it belongs together.

    Args:
        version: Its number.
        model_digest: SHA-256 of its stored model, as the registry has it.
        document_digest: SHA-256 of its `lineage.json`, as the registry has it; empty where it has none.
        files: What lies beside its bundle, by name.

    Returns:
        `Untraced` where anything is absent, malformed or not what was written.
    """
    if not document_digest:
        return Untraced(version, "no lineage was kept with it")
    if missing := [name for name in (DOCUMENT, KEYS, PAIRS) if name not in files]:
        return Untraced(version, f"{' and '.join(missing)} of its lineage is missing")
    if sha256(files[DOCUMENT]) != document_digest:
        return Untraced(version, f"its {DOCUMENT} is not the one that was registered")
    try:
        lineage = Lineage.model_validate_json(files[DOCUMENT])
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        return Untraced(version, f"its {DOCUMENT} cannot be read: {field}: {problem['msg']}")
    found = Traced(version, lineage, files[KEYS], files[PAIRS])
    why = _contradiction(found, model_digest)
    return Untraced(version, why) if why else found


def sha256(content: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(content).hexdigest()


def _contradiction(found: Traced, model_digest: str) -> str:
    lineage = found.lineage
    if lineage.model_digest != model_digest:
        return f"its {DOCUMENT} is another model's"
    for name, content, digest in ((KEYS, found.keys, lineage.keys), (PAIRS, found.pairs, lineage.pairs)):
        count, rest = divmod(len(content), FINGERPRINT_BYTES)
        if sha256(content) != digest:
            return f"its {name} is not the one that was written: {len(content)} bytes of another digest"
        if rest or not 1 <= count <= lineage.rows:
            return f"its {name} does not hold fingerprints of {lineage.rows} rows: {len(content)} bytes"
    # What a training began with was there before it; this also rules out that lineages go in a circle.
    if younger := [ancestor for ancestor in lineage.ancestors if int(ancestor) >= int(found.version)]:
        return f"its {DOCUMENT} names ancestors that are no older than itself: version {', '.join(younger)}"
    return ""
