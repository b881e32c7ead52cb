from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from contender.core.interval import Interval
from contender.core.lineage import DOCUMENT, KEYS, PAIRS, Lineage, Traced, Untraced, sha256, trace
from contender.core.manifest import canonical
from contender.core.results import Snapshot

MODEL = "a" * 64
FINGERPRINTS = struct.pack("<3Q", 1, 2, 2**64 - 1)


def _traced(version: str = "3", **more: Any) -> Traced:
    facts: dict[str, Any] = {
        "model_digest": MODEL,
        "train": Interval.parse("2013-05"),
        "training_set": Snapshot(table="toy_training_set", version=4, digest="d" * 64, rows=9),
        "rows": 3,
        "first_due": datetime(2013, 5, 2, tzinfo=UTC),
        "last_due": datetime(2013, 5, 30, tzinfo=UTC),
        "cluster": "day",
        "keys": sha256(FINGERPRINTS),
        "pairs": sha256(FINGERPRINTS),
    }
    return Traced(version, Lineage(**(facts | more)), FINGERPRINTS, FINGERPRINTS)


def _read(kept: Traced, model: str = MODEL, **files: bytes) -> Any:
    """What is read of a version's files of which some were written anew, its document's digest with them."""
    there = kept.files() | {name.replace("_", "."): content for name, content in files.items()}
    return trace(kept.version, model, sha256(there[DOCUMENT]), there)


def test_trace_of_what_was_kept_is_what_was_kept() -> None:
    kept = _traced(ancestors=("1", "2"))
    assert _read(kept) == kept


def test_trace_without_a_registered_digest_is_untraced() -> None:
    assert trace("3", MODEL, "", _traced().files()) == Untraced("3", "no lineage was kept with it")


@pytest.mark.parametrize("name", [DOCUMENT, KEYS, PAIRS])
def test_trace_without_one_file_names_it(name: str) -> None:
    files = _traced().files()
    digest = sha256(files.pop(DOCUMENT) if name == DOCUMENT else files[DOCUMENT])
    files.pop(name, None)
    assert trace("3", MODEL, digest, files) == Untraced("3", f"{name} of its lineage is missing")


def test_trace_of_a_document_changed_after_it_was_registered_is_untraced() -> None:
    kept = _traced()
    changed = kept.files() | {DOCUMENT: kept.files()[DOCUMENT].replace(b"2013-05-30", b"2013-05-29")}
    found = trace("3", MODEL, sha256(kept.files()[DOCUMENT]), changed)
    assert found == Untraced("3", "its lineage.json is not the one that was registered")


def _document(**more: Any) -> bytes:
    return canonical(_traced().lineage.facts() | more)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"keys_u64": FINGERPRINTS[:-8]}, "its keys.u64 is not the one that was written: 16 bytes"),
        ({"pairs_u64": FINGERPRINTS[:-1] + b"\0"}, "its pairs.u64 is not the one that was written: 24 bytes"),
        ({"keys_u64": b"", "lineage_json": _document(keys=sha256(b""))}, "fingerprints of 3 rows: 0 bytes"),
        ({"keys_u64": b"1234567", "lineage_json": _document(keys=sha256(b"1234567"))}, "of 3 rows: 7 bytes"),
        ({"lineage_json": _document(rows=2)}, "its keys.u64 does not hold fingerprints of 2 rows"),
        ({"lineage_json": b"{"}, "its lineage.json cannot be read: : Invalid JSON"),
        ({"lineage_json": b"\xff"}, "its lineage.json cannot be read"),
        ({"lineage_json": b"[]"}, "its lineage.json cannot be read"),
        ({"lineage_json": _document(scheme=2)}, "its lineage.json cannot be read: scheme"),
        ({"lineage_json": _document(rows=0)}, "its lineage.json cannot be read: rows"),
        ({"lineage_json": _document(more="1")}, "its lineage.json cannot be read: more"),
        ({"lineage_json": _document(ancestors=["the first"])}, "its lineage.json cannot be read: ancestors.0"),
        ({"lineage_json": _document(ancestors=["3"])}, "no older than itself: version 3"),
        ({"lineage_json": _document(ancestors=["1", "12"])}, "no older than itself: version 12"),
    ],
    ids=["cut", "altered", "emptied", "no whole number", "fewer rows", "half a document", "no text", "a list",
         "another scheme", "no rows", "unknown field", "ancestor without number", "its own ancestor", "younger"],
)  # fmt: skip
def test_trace_of_what_does_not_belong_together_says_why(files: dict[str, bytes], why: str) -> None:
    found = _read(_traced(), **files)
    assert isinstance(found, Untraced)
    assert why in found.why


def test_trace_of_another_models_lineage_is_untraced() -> None:
    assert _read(_traced(), model="b" * 64) == Untraced("3", "its lineage.json is another model's")


def test_document_has_one_form() -> None:
    files = _traced().files()
    assert canonical(json.loads(files[DOCUMENT])) == files[DOCUMENT]
