"""What stages return to each other: small, frozen, JSON-able values with references and figures, never frames."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from contender.core.interval import Interval

VerdictName = Literal["promote", "hold", "reject"]


class Result(BaseModel):
    """Base of all results."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def facts(self) -> dict[str, Any]:
        """The result as plain JSON types, for XCom, tags and manifests."""
        return self.model_dump(mode="json")


class Snapshot(Result):
    """One version of a table, or of a slice of it, and the digest of the rows read from it.

    Attributes:
        table: Name in the lake.
        version: Delta version.
        digest: Order-independent SHA-256 of the slice's content, hexadecimal.
        rows: Number of rows in the slice.
        interval: The slice's time; `None` for a whole table.
    """

    table: str
    version: int
    digest: str
    rows: int
    interval: Interval | None = None


class Estimate(Result):
    """A finite figure and its interval; both ends are `None` where no interval can be given."""

    value: FiniteFloat
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"an interval has two ends or none: low {self.low}, high {self.high}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def __str__(self) -> str:
        ends = "" if self.low is None or self.high is None else f" [{self.low:+.4f}, {self.high:+.4f}]"
        return f"{self.value:.4f}{ends}"


class Evidence(Result):
    """Figures of both models on one holdout.

    Attributes:
        metric: The metric that decides.
        reference: What the challenger is compared with: `champion` or the name of the baseline.
        holdout_digest: Digest of the holdout's rows.
        rows, clusters: Size of the holdout.
        challenger, champion: Estimates by metric; `champion` holds the reference's figures. A metric that has no
            value on this holdout (AUC where it has one class) is left out.
        improvement: For each metric the paired difference, positive where the challenger is better.
        no_interval: Why the deciding metric's improvement has no interval, or empty.
        same_model: Whether both are the same model, byte for byte.
        contaminated: Why the comparison is void, or empty.
    """

    metric: str
    reference: str
    holdout_digest: str
    rows: int
    clusters: int
    challenger: dict[str, Estimate]
    champion: dict[str, Estimate]
    improvement: dict[str, Estimate]
    no_interval: str = ""
    same_model: bool = False
    contaminated: str = ""


class Verdict(Result):
    """What the gate decided, and why, one line for each rule."""

    verdict: VerdictName
    reasons: tuple[str, ...]
    evidence_digest: str


class ImageProof(Result):
    """What is known of a built image.

    Attributes:
        image: Name and tag.
        digest: Content-addressed image ID.
        model_digest: SHA-256 of the model that is in it.
        answered: Golden requests answered within tolerance.
        largest_difference: Largest absolute difference to the outputs that training computed.
        size_mb: Size of the image in megabytes (10^6 bytes).
    """

    image: str
    digest: str
    model_digest: str
    answered: int
    largest_difference: float
    size_mb: float
