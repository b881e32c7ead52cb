"""What a decision log holds: decisions, and the records that they become in their place of the chain."""

from __future__ import annotations

from datetime import UTC
from operator import not_
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from contender.core.evidence import VerdictName
from contender.core.interval import Interval
from contender.core.manifest import digest_of
from contender.core.results import Result

# What stands for the hash before the first record.
GENESIS = "0" * 64
# What a look compares.
COMPARED = ("challenger", "reference")

Text = Annotated[str, Field(min_length=1)]


class Decision(Result):
    """What is to be put on record.

    Attributes:
        model: Whose log it belongs to.
        kind: `look` (a comparison on a holdout is about to be measured), `decision` (the gate's verdict), `promotion`
            (the alias was moved), `override` (a person's word against the gate's; needs a reason and a verdict).
        subject: What it is about, e.g. the model version.
        actor: Who or what decided or acted.
        interval: The run's interval; `None` outside a run.
        verdict: What was decided; `None` where `kind` says it all.
        reasons: One line each.
        evidence_digest, policy_digest: SHA-256 of what the decision rests on; empty where it rests on none.
        inputs: Digests of what went in, by name: `challenger`, `reference`, `holdout`, `training_set`, `image`. A look
            needs the first two.
        holdout: The window that was measured on; a look needs it.
        run: The DAG run, or whatever else identifies one attempt.
        time: When it counts from; given by the caller, never read from a clock. Kept in UTC.

    `inputs` and `holdout` came later than the others: where they are empty they are left out of the canonical form,
    so that the hashes of logs without them stay what they were.
    """

    model: Text
    kind: Literal["look", "decision", "promotion", "override"]
    subject: Text
    actor: Text
    interval: Interval | None = None
    verdict: VerdictName | None = None
    reasons: tuple[str, ...] = ()
    evidence_digest: str = ""
    policy_digest: str = ""
    inputs: dict[str, Text] = Field(default_factory=dict, exclude_if=not_)
    holdout: Interval | None = Field(default=None, exclude_if=not_)
    run: Text
    time: AwareDatetime

    @field_validator("time")
    @classmethod
    def _utc(cls, value: AwareDatetime) -> AwareDatetime:
        return value.astimezone(UTC)

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.kind == "look" and (self.holdout is None or not set(COMPARED) <= self.inputs.keys()):
            raise ValueError(f"a record of kind 'look' needs a holdout and inputs {' and '.join(COMPARED)}")
        if self.kind in {"decision", "override"}:
            if self.verdict is None:
                raise ValueError(f"a record of kind {self.kind!r} needs a verdict")
            if not any(reason.strip() for reason in self.reasons):
                raise ValueError(f"a record of kind {self.kind!r} needs at least one reason")
        return self

    def says_the_same(self, other: Decision) -> bool:
        """Whether both put the same on record, their times aside."""
        return self._content() == other._content()

    def same_model(self) -> bool:
        """Whether what is compared is one model."""
        return len({self.inputs.get(name, name) for name in COMPARED}) == 1

    def overlaps(self, other: Decision) -> bool:
        """Whether both measured on windows that have a moment in common."""
        return self.holdout is not None and other.holdout is not None and self.holdout.overlaps(other.holdout)

    def _content(self) -> dict[str, Any]:
        return self.model_dump(include=Decision.model_fields.keys() - {"time"})


class Record(Decision):
    """A decision in its place in the log.

    Attributes:
        sequence: 1 for the first record of the log.
        previous: Hash of the record before; 64 zeros for the first.
        hash: SHA-256 of the canonical JSON of all other fields, hexadecimal.
    """

    sequence: int = Field(ge=1)
    previous: str
    hash: str

    @classmethod
    def after(cls, last: Record | None, decision: Decision) -> Record:
        """The record that a decision becomes behind the last one of the log."""
        fields: dict[str, Any] = {name: getattr(decision, name) for name in Decision.model_fields}
        fields |= {"sequence": last.sequence + 1 if last else 1, "previous": last.hash if last else GENESIS}
        unsealed = cls(**fields, hash="")
        return unsealed.model_copy(update={"hash": unsealed.computed_hash()})

    def computed_hash(self) -> str:
        """What `hash` must be."""
        return digest_of(self.model_dump(mode="json", exclude={"hash"}))

    def decision(self) -> Decision:
        """What was put on record, without its place."""
        return Decision(**{name: getattr(self, name) for name in Decision.model_fields})
