"""`gate`: measure challenger and champion on the same holdout, then decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.branch import BaseBranchOperator
from airflow.sdk import Context, Param

from contender.core import decisions
from contender.core.errors import OverrideRefused
from contender.core.evidence import Evidence, Override
from contender.operators.base import ModelOperator
from contender.operators.evaluation import Evaluation
from contender.operators.report import ReportLink, write_report

COLOUR = "#fadbd8"
VERDICT, EVIDENCE = "verdict", "evidence"  # XCom keys
# A word of the gate's, a colon, and a reason of at least ten characters in one line.
OVERRIDE_PATTERN = r"^(promote|hold|reject):\s*\S.{8,}\S\s*$"


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
        self.assembled, self.fitted = assembled, fitted

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the evidence; it is logged to the challenger's MLflow run as well."""
        return Evaluation(self.spec, context, self.assembled, self.fitted).measure().facts()


class GateDecide(BaseBranchOperator, ModelOperator):
    """Decide from the evidence alone, record the decision, and follow it, or the override that the run was given.

    Args:
        assembled: What `TrainAssemble` returned (templated).
        fitted: What `TrainFit` returned (templated).
        evidence: What `GateMeasure` returned (templated).
        proof: What `ImageProve` returned, or nothing (templated).
        built: What `ImageBuild` returned, or nothing (templated).
        skipped: Why there is no image, or nothing (templated).
    """

    template_fields: Sequence[str] = ("assembled", "fitted", "evidence", "proof", "built", "skipped")
    operator_extra_links = (ReportLink(),)
    ui_color = COLOUR

    def __init__(
        self, *, assembled: Any, fitted: Any, evidence: Any, proof: Any = None, built: Any = None, skipped: Any = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.assembled, self.fitted, self.evidence = assembled, fitted, evidence
        self.proof, self.built, self.skipped = proof, built, skipped

    def choose_branch(self, context: Context) -> str:
        """The task of the verdict that is followed: `gate.promote`, `gate.hold` or `gate.reject`."""
        run = Evaluation(self.spec, context, self.assembled, self.fitted)
        evidence = run.with_image(Evidence.model_validate(self.evidence), self.proof, self.built, self.skipped)
        run.require_current(evidence)
        verdict = run.decide(evidence)
        if override := given_override(context):
            require_may_override(override, evidence, self.spec.gate.require_image)
            require_given_on(override, verdict.evidence_digest, run)
            verdict = verdict.model_copy(update={"override": override})
            decisions.append(run.log_path, run.decision(
                "override", verdict, evidence, followed=override.verdict, reasons=(override.reason,), actor=override.by
            ))  # fmt: skip
            self.log.warning("%s; the gate itself says %s", override, verdict.verdict)
        context["ti"].xcom_push(key=EVIDENCE, value=evidence.facts())
        context["ti"].xcom_push(key=VERDICT, value=verdict.facts())
        run.log_evidence(evidence)
        write_report(self, run, evidence, verdict)
        return f"gate.{verdict.followed}"


def override_param() -> Param:
    """The run's parameter by which a person's word goes before the gate's."""
    return Param(
        None, type=["null", "string"], pattern=OVERRIDE_PATTERN, title="Override the gate",
        description="Follow this instead of the gate's verdict: `promote: <reason>`, `hold: …` or `reject: …`. The "
        "reason, of at least 10 characters, goes on record with your name and is shown wherever the decision is.",
    )  # fmt: skip


def given_override(context: Context) -> Override | None:
    """The override that the run was triggered with, or nothing.

    Raises:
        OverrideRefused: Nobody's name is known: the run was not triggered by a person.
    """
    said = context["params"].get("override")
    if not said:
        return None
    verdict, _, reason = str(said).partition(":")
    by = getattr(context["dag_run"], "triggering_user_name", None)
    if not by:
        raise OverrideRefused(
            "an override needs a name",
            where="parameter override",
            expected="a run that a person triggered",
            got=said,
            next_step="trigger the run in the UI or by the REST API, logged in",
        )
    return Override.model_validate({"verdict": verdict, "reason": reason.strip(), "by": by})


def require_given_on(override: Override, evidence_digest: str, run: Evaluation) -> None:
    """Refuse to follow a person's word on other evidence than the one that it was first followed on.

    Raises:
        OverrideRefused: The run's override is on record of this challenger with other evidence.
    """
    said = ("override", override.by, override.verdict, (override.reason,))
    for record in decisions.verify(run.log_path):
        about = (record.run, record.subject) == (run.context["run_id"], run.subject)
        given = (record.kind, record.actor, record.verdict, record.reasons) == said
        if about and given and record.evidence_digest != evidence_digest:
            raise OverrideRefused(
                "the override was given on other evidence",
                where="parameter override",
                expected=f"evidence {record.evidence_digest[:12]}, as in record {record.sequence} of the decision log",
                got=f"evidence {evidence_digest[:12]}",
                next_step="trigger a run with the override anew; the gate's own decision is on record",
            )


def require_may_override(override: Override, evidence: Evidence, require_image: bool) -> None:
    """Refuse to promote what nobody's word can make fit.

    A failed self-test and evidence of something else do not come this far.

    Raises:
        OverrideRefused: It would promote the champion itself, or a model without the image that the policy needs.
    """
    problem = ""
    if evidence.same_model:
        problem = f"challenger and {evidence.reference} are the same model"
    elif require_image and evidence.image is None:
        problem = f"the policy needs a proven image: {evidence.image_skipped}"
    if override.verdict == "promote" and problem:
        raise OverrideRefused(
            "this cannot be overridden",
            where="parameter override",
            expected="a challenger that may be promoted at all",
            got=problem,
            next_step="trigger the run without the override; the gate's own decision is on record",
        )
