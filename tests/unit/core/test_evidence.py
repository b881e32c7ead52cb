from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from pydantic import ValidationError

from contender.core.evidence import Evidence
from contender.core.results import ImageProof

EVIDENCE: dict[str, Any] = {
    "metric": "log_loss", "reference": "version 1", "holdout_digest": "d", "rows": 0, "clusters": 0, "challenger": {},
    "champion": {}, "improvement": {},
}  # fmt: skip
PROOF: dict[str, Any] = {
    "image": "i", "digest": "sha256:1", "model_digest": "m", "answered": 20, "largest_difference": 0.0, "size_mb": 1.0
}  # fmt: skip


@pytest.mark.parametrize("value", [nan, inf])
@pytest.mark.parametrize(
    ("kind", "facts", "field"),
    [
        *((Evidence, EVIDENCE, field) for field in ("alpha", "label_coverage", "effective_clusters", "shift")),
        *((ImageProof, PROOF, field) for field in ("largest_difference", "size_mb", "p95_latency_ms", "memory_mb")),
    ],
)
def test_evidence_with_a_figure_that_is_not_finite_is_refused(
    kind: Any, facts: dict[str, Any], field: str, value: float
) -> None:
    """No limit is above NaN, and none below it."""
    kind(**facts)
    with pytest.raises(ValidationError, match="finite_number"):
        kind(**(facts | {field: value}))
