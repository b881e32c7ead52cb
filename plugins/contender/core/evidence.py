"""What the gate saw and said: small, frozen, JSON-able values from which a verdict and its report can be made again."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from contender.core.policy import FairnessMeasure, Task
from contender.core.results import ImageProof, Result

VerdictName = Literal["promote", "hold", "reject"]
Role = Literal["challenger", "champion"]


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


class SliceFigures(Result):
    """The deciding metric's improvement in one slice of the holdout.

    Attributes:
        column, value: The rows whose column has this value, as text.
        rows, clusters: Its size.
        improvement: With an interval that holds for all slices at once; `None` where there is not enough data.
        not_enough: Why there is no figure, or empty.
    """

    column: str
    value: str
    rows: int
    clusters: int
    improvement: Estimate | None = None
    not_enough: str = ""


class GroupFigures(Result):
    """A rate of the models' decisions by group.

    Attributes:
        column, measure, threshold: What was measured of whom.
        groups: The challenger's rate by group.
        challenger, champion: Largest difference between two groups' rates; `None` where fewer than two groups have
            enough rows.
        left_out: Groups with too few rows.
    """

    column: str
    measure: FairnessMeasure
    threshold: float
    groups: dict[str, FiniteFloat]
    challenger: FiniteFloat | None
    champion: FiniteFloat | None
    left_out: tuple[str, ...] = ()


class Leak(Result):
    """How much one input tells of the label by itself: `power` is 0.5 (nothing) to 1 (everything)."""

    column: str
    power: FiniteFloat


class Curve(Result):
    """Points of one line of the report's figures; `rows` where each point stands for some."""

    figure: Literal["roc", "precision_recall", "calibration", "scores", "residuals"]
    role: Role
    x: tuple[FiniteFloat, ...]
    y: tuple[FiniteFloat, ...]
    rows: tuple[int, ...] = ()


class Check(Result):
    """One self-test of the gate on this run's own data: what must happen, and what did."""

    name: str
    passed: bool
    expected: str
    got: str


class Evidence(Result):
    """Figures of both models on one holdout.

    Attributes:
        task: Kind of problem.
        metric: The metric that decides.
        reference: What the challenger is compared with: `version 3`, or the name of the baseline.
        challenger_digest, reference_digest: Digests of the two models; the baseline's name for a baseline.
        holdout_digest: Digest of the holdout's rows.
        policy_digest: Digest of the policy that it was gathered under, before it was known what it would say.
        rows, clusters: Size of the holdout.
        effective_clusters: How many clusters of one size these are as good as; `None` in evidence from before it was
            measured.
        challenger, champion: Estimates by metric; `champion` holds the reference's figures. A metric that has no
            value on this holdout (AUC where it has one class) is left out.
        improvement: For each metric the paired difference, positive where the challenger is better.
        look: The how manieth comparison on this holdout window it is, see `contender/stages/gate/looks.py`.
        alpha: One minus the confidence of the intervals, at this look.
        no_interval: Why the deciding metric's improvement has no interval, or empty.
        same_model: Whether both are the same model: byte for byte, or by answering every row alike.
        contaminated: Why the comparison is void, or empty.
        label_coverage: Share of the holdout's examples that have a label; `None` where it is not known.
        slices, fairness: Figures of the policy's slices and groups.
        calibration: Expected calibration error by role.
        shift: Population stability index between the two models' scores on the holdout; `None` against a baseline.
        agreement: Correlation of the two models' scores; `None` against a baseline, or where one of them answers
            every row alike.
        leaks: The challenger's strongest inputs, strongest first; a leak is one beyond the policy's limit.
        self_test: What the gate's self-tests found, see `contender/stages/gate/self_test.py`.
        curves: Points of the report's figures.
        image: The proven image; `None` where there is none, with the reason in `image_skipped`.
        no_engine: Whether there is none because no engine was there to build it.
    """

    task: Task = "binary"
    metric: str
    reference: str
    challenger_digest: str = ""
    reference_digest: str = ""
    holdout_digest: str
    policy_digest: str = ""
    rows: int
    clusters: int
    effective_clusters: FiniteFloat | None = None
    challenger: dict[str, Estimate]
    champion: dict[str, Estimate]
    improvement: dict[str, Estimate]
    look: int = 1
    alpha: FiniteFloat = 0.05
    no_interval: str = ""
    same_model: bool = False
    contaminated: str = ""
    label_coverage: FiniteFloat | None = None
    slices: tuple[SliceFigures, ...] = ()
    fairness: tuple[GroupFigures, ...] = ()
    calibration: dict[Role, FiniteFloat] = Field(default_factory=dict)
    shift: FiniteFloat | None = None
    agreement: FiniteFloat | None = None
    leaks: tuple[Leak, ...] = ()
    self_test: tuple[Check, ...] = ()
    curves: tuple[Curve, ...] = ()
    image: ImageProof | None = None
    image_skipped: str = ""
    no_engine: bool = False


class Finding(Result):
    """What one rule of the gate would decide by itself (`promote` lets pass), and why."""

    rule: str
    verdict: VerdictName
    reason: str


class Override(Result):
    """A person's word that is followed instead of the gate's: what, why, and whose it is."""

    verdict: VerdictName
    reason: str = Field(min_length=1)
    by: str = Field(min_length=1)

    def __str__(self) -> str:
        return f"override by {self.by}: {self.verdict}, {self.reason}"


class Verdict(Result):
    """What the gate decided: the strictest of its findings, one for each rule that was asked.

    Attributes:
        verdict: The gate's own word, whatever a person said.
        findings: One for each rule that was asked.
        evidence_digest: SHA-256 of the evidence that it was decided from.
        override: What a person had followed instead, or nothing.
    """

    verdict: VerdictName
    findings: tuple[Finding, ...]
    evidence_digest: str
    override: Override | None = None

    @property
    def followed(self) -> VerdictName:
        """What the run does: the person's word where there is one, otherwise the gate's."""
        return self.override.verdict if self.override else self.verdict

    @property
    def reasons(self) -> tuple[str, ...]:
        """One line for each rule."""
        return tuple(finding.reason for finding in self.findings)
