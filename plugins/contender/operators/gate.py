"""`gate`: measure challenger and champion on the same holdout, then decide."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.branch import BaseBranchOperator
from airflow.sdk import Context

from contender.core import decisions, naming
from contender.core.interval import Interval
from contender.core.manifest import digest_of
from contender.core.results import Evidence, Verdict
from contender.core.settings import settings
from contender.operators.base import ModelOperator, run_interval
from contender.operators.train import read_training_set

COLOUR = "#fadbd8"
VERDICT = "verdict"  # XCom key


class GateMeasure(ModelOperator):
    """Score both models on the holdout rows and take the interval of their paired difference.

    Args:
        assembled: What `TrainAssemble` returned (templated).
        fitted: What `TrainFit` returned (templated).
    """

    template_fields: Sequence[str] = ("assembled", "fitted")
    ui_color = COLOUR

    def __init__(self, *, assembled: Any, fitted: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.assembled = assembled
        self.fitted = fitted

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the evidence; it is logged to the challenger's MLflow run as well."""
        from contender.adapters.lake import digest
        from contender.adapters.tracking import Tracking
        from contender.stages import gate, train

        tracking, policy = Tracking(self.spec.name), self.spec.gate
        _, rows = read_training_set(self.spec.name, self.assembled)
        challenger, champion = tracking.version(self.fitted["version"]), tracking.aliased(naming.CHAMPION)
        model, until = self._model(tracking, challenger)
        challenged = train.scores(model, train.inputs(rows, self.spec))
        reference, reference_until = gate.baseline_scores(policy.baseline, self.fitted["label_share"], len(rows)), until
        if champion is not None:
            model, reference_until = self._model(tracking, champion)
            reference = train.scores(model, train.inputs(rows, self.spec))
        evidence = gate.measure(
            labels=rows[self.spec.label], challenger=challenged, reference=reference, clusters=rows[policy.cluster],
            policy=policy, reference_name=f"version {champion.version}" if champion else policy.baseline,
            holdout_digest=digest(rows), seed=self.spec.seed,
            same_model=champion is not None and champion.digest == challenger.digest,
            contaminated=gate.contamination(until, reference_until, Interval.parse(self.assembled["holdout"]).start),
        )  # fmt: skip
        tracking.log_evidence(
            challenger, {f"improvement_{name}": found.value for name, found in evidence.improvement.items()},
            evidence.facts(),
        )  # fmt: skip
        for name, found in evidence.improvement.items():
            self.log.info("%s: challenger %s, %s %s, improvement %s", name, evidence.challenger[name],
                          evidence.reference, evidence.champion[name], found)  # fmt: skip
        return evidence.facts()

    def _model(self, tracking: Any, version: Any) -> tuple[bytes, Any]:
        """A version's stored form, and the end of what it was trained on, as its bundle says."""
        with tempfile.TemporaryDirectory() as folder:
            bundle = tracking.bundle(version, Path(folder))
            about = json.loads((bundle / "about.json").read_bytes())
            return (bundle / "model.onnx").read_bytes(), Interval.parse(about["train"]).end


class GateDecide(BaseBranchOperator, ModelOperator):
    """Decide from the evidence alone, record the decision, and follow its branch.

    Args:
        evidence: What `GateMeasure` returned (templated).
        fitted: What `TrainFit` returned (templated).
    """

    template_fields: Sequence[str] = ("evidence", "fitted")
    ui_color = COLOUR

    def __init__(self, *, evidence: Any, fitted: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.evidence = evidence
        self.fitted = fitted

    def choose_branch(self, context: Context) -> str:
        """The task of the verdict: `gate.promote`, `gate.hold` or `gate.reject`."""
        from contender.stages import gate

        evidence, policy = Evidence.model_validate(self.evidence), self.spec.gate
        verdict = gate.decide(evidence, policy)
        for reason in verdict.reasons:
            self.log.info("%s: %s", verdict.verdict, reason)
        record_decision(self.spec.name, context, "decision", self.fitted["version"], run_interval(context, self.spec),
                        verdict, digest_of(policy.model_dump(mode="json")))  # fmt: skip
        context["ti"].xcom_push(key=VERDICT, value=verdict.facts())
        return f"gate.{verdict.verdict}"


def record_decision(
    model: str, context: Context, kind: Any, version: str, interval: Interval, verdict: Verdict, policy_digest: str
) -> None:
    """Put a decision or a promotion of this run on record; a task that runs again adds nothing."""
    run = context["dag_run"]
    decisions.append(
        settings().decisions / f"{model}.jsonl",
        decisions.Decision(
            model=model, kind=kind, subject=f"version {version}", actor=f"airflow:{run.run_type}", interval=interval,
            verdict=verdict.verdict, reasons=verdict.reasons, evidence_digest=verdict.evidence_digest,
            policy_digest=policy_digest, run=run.run_id, time=run.run_after,
        ),
    )  # fmt: skip
