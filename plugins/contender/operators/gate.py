"""`gate`: measure challenger and champion on the same holdout, then decide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.providers.standard.operators.branch import BaseBranchOperator
from airflow.sdk import Context

from contender.core import decisions, naming
from contender.core.errors import some
from contender.core.evidence import Evidence, Verdict
from contender.core.interval import Interval
from contender.core.manifest import digest_of
from contender.core.settings import settings
from contender.operators.base import ModelOperator, run_interval, run_type
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
        from contender.adapters.lineage import lineages
        from contender.adapters.tracking import Tracking
        from contender.stages import train
        from contender.stages.gate.baselines import baseline_scores
        from contender.stages.gate.firewall import contamination
        from contender.stages.gate.holdout import Holdout
        from contender.stages.gate.measure import measure
        from contender.stages.gate.self_test import require_passed, self_test

        tracking, policy = Tracking(self.spec.name), self.spec.gate
        training, rows = read_training_set(self.spec.name, self.assembled)
        challenger, champion = tracking.version(self.fitted["version"]), tracking.aliased(naming.CHAMPION)
        new, old = tracking.stored(challenger), tracking.stored(champion) if champion else None
        lacking = sorted({column.name for column in old.columns} - set(rows.columns)) if old else []
        challenged = train.scores(new.content, train.inputs(rows, new.columns))
        if old is None or lacking:
            reference = baseline_scores(policy.baseline, self.fitted["label_share"], len(rows))
        else:
            reference = train.scores(old.content, train.inputs(rows, old.columns))
        known = {naming.CHALLENGER: challenger} | ({naming.CHAMPION: champion} if champion else {})
        contaminated = contamination(
            rows, Interval.parse(self.assembled["holdout"]), policy.cluster,
            {role: lineages(tracking, version) for role, version in known.items()},
        )  # fmt: skip
        if lacking:
            contaminated = f"the champion needs columns that the holdout lacks: {some(lacking)}; keep them in the spec"
        reference_name = f"version {champion.version}" if champion else policy.baseline
        holdout = Holdout(
            task=self.spec.task, labels=rows[self.spec.label], challenger=challenged, reference=reference,
            clusters=rows[policy.cluster], frame=rows, inputs=tuple(column.name for column in new.columns),
            training=training, label=self.spec.label,
        )  # fmt: skip
        checks = self_test(holdout, policy, reference=reference_name, seed=self.spec.seed)
        require_passed(checks, f"{self.spec.name} version {challenger.version}")
        evidence = measure(
            holdout, policy, reference=reference_name, holdout_digest=digest(rows), seed=self.spec.seed,
            label_coverage=label_coverage(self.assembled), contaminated=contaminated,
            challenger_digest=challenger.digest, reference_digest=champion.digest if champion else policy.baseline,
        ).model_copy(update={"self_test": checks})  # fmt: skip
        tracking.log_evidence(
            self.fitted["run_id"], challenger,
            {f"improvement_{name}": found.value for name, found in evidence.improvement.items()}, evidence.facts(),
        )  # fmt: skip
        for name, found in evidence.improvement.items():
            self.log.info("%s: challenger %s, %s %s, improvement %s", name, evidence.challenger[name],
                          evidence.reference, evidence.champion[name], found)  # fmt: skip
        return evidence.facts()


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
        from contender.stages.gate.rules import decide

        evidence, policy = Evidence.model_validate(self.evidence), self.spec.gate
        verdict = decide(evidence, policy)
        for reason in verdict.reasons:
            self.log.info("%s: %s", verdict.verdict, reason)
        record_decision(self.spec.name, context, "decision", self.fitted["version"], run_interval(context, self.spec),
                        verdict, digest_of(policy.model_dump(mode="json")))  # fmt: skip
        context["ti"].xcom_push(key=VERDICT, value=verdict.facts())
        return f"gate.{verdict.verdict}"


def label_coverage(assembled: dict[str, Any]) -> float:
    """Share of the examples that have a label."""
    labelled = assembled["train_rows"] + assembled["holdout_rows"]
    return float(labelled / (labelled + assembled["unlabelled"]))


def record_decision(
    model: str, context: Context, kind: Any, version: str, interval: Interval, verdict: Verdict, policy_digest: str,
    *, actor: str = "", time: datetime | None = None,
) -> None:  # fmt: skip
    """Put a decision or a promotion of this run on record; a task that runs again adds nothing.

    Without an actor it is the run's own kind; without a time, when this attempt of the task began.
    """
    run, began = context["dag_run"], getattr(context["ti"], "start_date", None)
    decisions.append(
        settings().decisions / f"{model}.jsonl",
        decisions.Decision(
            model=model, kind=kind, subject=f"version {version}", actor=actor or f"airflow:{run_type(context)}",
            interval=interval,
            verdict=verdict.verdict, reasons=verdict.reasons, evidence_digest=verdict.evidence_digest,
            policy_digest=policy_digest, run=run.run_id, time=time or began or run.run_after,
        ),
    )  # fmt: skip
