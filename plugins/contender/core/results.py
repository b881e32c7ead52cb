"""What stages return to each other: small, frozen, JSON-able values with references and figures, never frames."""

from __future__ import annotations

from operator import not_
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from contender.core.interval import Interval


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
        time: The column that the interval is of, by which the slice can be read again; empty for a whole table, and in
            snapshots from before it was kept.
    """

    table: str
    version: int
    digest: str
    rows: int
    interval: Interval | None = None
    time: str = Field(default="", exclude_if=not_)


class ImageProof(Result):
    """What is known of a built image.

    Attributes:
        image: Name and tag.
        digest: Content-addressed image ID.
        model_digest: SHA-256 of the model that is in it.
        answered: Golden requests answered within tolerance.
        largest_difference: Largest absolute difference to the outputs that training computed.
        size_mb: Size of the image in megabytes (10^6 bytes).
        p50_latency_ms, p95_latency_ms: Time to answer a request of one row, asked one after another over HTTP; `None`
            where it was not measured.
        memory_mb: Memory of the container after it has answered, in 10^6 bytes; `None` where it was not measured.
    """

    image: str
    digest: str
    model_digest: str
    answered: int
    largest_difference: FiniteFloat
    size_mb: FiniteFloat
    p50_latency_ms: FiniteFloat | None = None
    p95_latency_ms: FiniteFloat | None = None
    memory_mb: FiniteFloat | None = None
