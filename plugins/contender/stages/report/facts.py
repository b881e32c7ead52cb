"""What a report tells: the decision, what it rests on, where the models and rows come from, and what followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from contender.core.evidence import Estimate, Evidence, Finding, Leak, SliceFigures, Verdict, VerdictName
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.core.records import Record
from contender.core.results import Result, Snapshot


class Provenance(Result):
    """Where the challenger comes from. The digests of both models are in the evidence.

    Attributes:
        model, version: The challenger's name and version in the registry.
        title, owner, doc: What the model is for and who answers for it; `doc` is Markdown, or empty.
        interval, train, holdout: The run's interval and the two windows cut from it; `None` for the windows of rows
            that have no time.
        training_set: Snapshot of the rows it was trained and measured on.
        code_revision, lock_digest: Of the model's code and of the environment.
        mlflow_run, dag_run: The runs that fitted it and decided on it.
        parameters, seed: What the estimator was fitted with.
        sbom_digest, components, known: Of a release the bill of materials, how much it lists, and what was known of
            that; empty before there is a release.
        key: ID of the key that signed it.
    """

    model: str
    version: str
    title: str
    owner: str
    doc: str = ""
    interval: Interval
    train: Interval | None
    holdout: Interval | None
    training_set: Snapshot
    code_revision: str
    lock_digest: str
    mlflow_run: str
    dag_run: str
    parameters: dict[str, Any]
    seed: int
    sbom_digest: str = ""
    components: int = 0
    known: str = ""
    key: str = ""


class MetricRow(NamedTuple):
    """One metric of the evidence and what the policy asks of it.

    Attributes:
        metric: Its name.
        part: `decides`, `guardrail` or `told` (measured, asked nothing of).
        challenger, champion, improvement: Its figures; `None` where there are none.
        limit: The improvement's lower end must lie above it; `None` for a metric that is only told.
    """

    metric: str
    part: str
    challenger: Estimate | None
    champion: Estimate | None
    improvement: Estimate | None
    limit: float | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that page, figures and card are made of.

    Attributes:
        evidence, verdict, policy: What the gate saw, said, and was asked.
        provenance: Where the challenger comes from.
        followed: Records of the run in the decision log, oldest first.
    """

    evidence: Evidence
    verdict: Verdict
    policy: GatePolicy
    provenance: Provenance
    followed: tuple[Record, ...] = ()

    @property
    def override(self) -> Record | None:
        """A person's word against the gate's that still holds, or `None`.

        A rejection holds until somebody approves after all; a word that was confirmed remains the word it was.
        """
        said = [record for record in self._of_this_evidence() if record.kind in {"decision", "override"}]
        words = [record for record in said if record.kind == "override" and record.verdict == said[-1].verdict]
        return words[-1] if words else None

    @property
    def promotion(self) -> Record | None:
        """The record of the alias's move, or `None`."""
        moved = [record for record in self._of_this_evidence() if record.kind == "promotion"]
        return moved[-1] if moved else None

    @property
    def stands(self) -> VerdictName:
        """What holds after all: the override's verdict where there is one, otherwise the gate's."""
        return (self.override and self.override.verdict) or self.verdict.verdict

    @property
    def decisive(self) -> tuple[Finding, ...]:
        """The findings that made the verdict what it is: all of its own strictness."""
        return tuple(finding for finding in self.verdict.findings if finding.verdict == self.verdict.verdict)

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """Inputs that tell more of the label by themselves than the policy believes of an honest one."""
        return tuple(leak for leak in self.evidence.leaks if leak.power >= self.policy.max_single_feature_power)

    def worst_slices(self) -> list[SliceFigures]:
        """Slices that have figures, those first whose improvement may be the least."""
        measured = [(found.improvement, found) for found in self.evidence.slices if found.improvement is not None]
        lows = [(seen.value if seen.low is None else seen.low, found) for seen, found in measured]
        return [found for _, found in sorted(lows, key=lambda pair: pair[0])]

    def said(self, record: Record) -> str:
        """A record's reasons; the rules' own, which stand in the report already, by their number."""
        own = [reason for reason in record.reasons if reason not in self.verdict.reasons]
        rules = len(record.reasons) - len(own)
        return "; ".join([f"{rules} rules, as above"] * bool(rules) + own)

    def metrics(self) -> tuple[MetricRow, ...]:
        """The deciding metric, then guardrails, then what was measured besides."""
        policy, seen = self.policy, self.evidence
        limits: dict[str, float] = {
            policy.metric: policy.minimum_improvement if policy.margin is None else -policy.margin
        }
        limits |= {guardrail.metric: -guardrail.margin for guardrail in policy.guardrails}
        told = {*seen.challenger, *seen.champion, *seen.improvement} - limits.keys()
        return tuple(
            MetricRow(
                name, self._part(name), seen.challenger.get(name), seen.champion.get(name), seen.improvement.get(name),
                limits.get(name),
            )
            for name in (*limits, *sorted(told))
        )  # fmt: skip

    def _of_this_evidence(self) -> list[Record]:
        """A run that measured again has records of what is past besides."""
        return [record for record in self.followed if record.evidence_digest == self.verdict.evidence_digest]

    def _part(self, metric: str) -> str:
        if metric == self.policy.metric:
            return "decides"
        return "guardrail" if metric in self.policy.metrics() else "told"
