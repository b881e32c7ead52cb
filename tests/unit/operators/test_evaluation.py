from __future__ import annotations

from typing import Any, cast

import pytest

from contender.operators.evaluation import Evaluation
from flight_delay.dag import SPEC
from tests.unit.gate.simulated import evidence

PROOF = {
    "image": "i", "digest": "sha256:1", "model_digest": "m", "answered": 20, "largest_difference": 0.0, "size_mb": 1.0
}  # fmt: skip
BUILT = {"digest": "sha256:1"}


@pytest.mark.parametrize(
    ("proof", "built", "skipped", "no_engine", "why"),
    [
        (PROOF, BUILT, None, False, ""),
        (None, None, "no engine", True, "no engine"),
        (None, None, None, False, "the image tasks did not run"),
        (PROOF | {"model_digest": "other"}, BUILT, None, False, "the image tasks did not run"),
        (PROOF, {"digest": "sha256:2"}, None, False, "the image tasks did not run"),
    ],
    ids=["proven", "no engine", "not run", "proof of another model", "proof of another image"],
)
def test_evidence_without_an_image_is_without_an_engine_only_where_the_build_said_so(
    proof: Any, built: Any, skipped: str | None, no_engine: bool, why: str
) -> None:
    run = Evaluation(SPEC, cast("Any", {}), {}, {"model_digest": "m"})
    found = run.with_image(evidence(0.1, 0.2), proof, built, skipped)
    assert (found.no_engine, found.image_skipped) == (no_engine, why)
