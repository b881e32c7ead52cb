"""`promote`: ask where asked to, then move the alias and write the manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, Context, Param

from contender.core import naming
from contender.core.errors import PromotionRefused
from contender.core.evidence import Evidence, Finding, Verdict
from contender.core.interval import Interval
from contender.core.manifest import Release, digest_of
from contender.core.results import ImageProof, Result, Snapshot
from contender.operators.base import ModelOperator, run_interval
from contender.operators.gate import record_decision

COLOUR = "#d1f2eb"
COMMENT = "comment"  # parameter of the request for approval
SPOKEN = {ApprovalOperator.APPROVE: "approved", ApprovalOperator.REJECT: "rejected"}


class Answer(Result):
    """What a person said when asked to approve a promotion.

    Attributes:
        answer: `Approve` or `Reject`.
        by: Who answered, by the name that Airflow knows.
        comment: Why, or empty.
    """

    answer: str
    by: str
    comment: str = ""

    def __str__(self) -> str:
        said = f"{SPOKEN[self.answer]} by {self.by}"
        return f"{said}: {self.comment}" if self.comment else said


# What a person who is asked gets to see: the figures of `gate.measure` and the reasons of `gate.decide`.
EVIDENCE = """\
{% set seen = ti.xcom_pull(task_ids='gate.measure') %}\
{% set said = ti.xcom_pull(task_ids='gate.decide', key='verdict') %}\
The gate says **{{ said.verdict }}**: {{ seen.rows }} rows in {{ seen.clusters }} clusters of the holdout.

| metric | challenger | {{ seen.reference }} | improvement | interval |
|---|---|---|---|---|
{% for metric, better in seen.improvement.items() -%}
| {{ metric }} | {{ '%.4f' % seen.challenger[metric].value }} | {{ '%.4f' % seen.champion[metric].value }} \
| {{ '%+.4f' % better.value }} \
| {% if better.low is none %}none{% else %}{{ '%+.4f' % better.low }} to {{ '%+.4f' % better.high }}{% endif %} |
{% endfor %}
{% for finding in said.findings -%}
- {{ finding.reason }}
{% endfor %}
"""


class PromoteApprove(ApprovalOperator, ModelOperator):
    """Wait for a person's word where the run's parameter `approval` asks for it; otherwise go on at once.

    The answer is put on record, with who gave it: an approval as a decision, a rejection as what it is to the gate's
    verdict, an override. After a rejection `promote.release` is skipped.

    Args:
        fitted: What `TrainFit` returned (templated).
        verdict: What `GateDecide` left (templated).
        subject, body: What the person is asked (templated).
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "fitted", "verdict")
    ui_color = COLOUR

    def __init__(self, *, fitted: Any, verdict: Any, **kwargs: Any) -> None:
        # The DAG's own parameters, which Airflow adds to each task's, are no part of the request's form.
        kwargs["params"] = {COMMENT: _comment()}
        super().__init__(**kwargs)
        self.fitted = fitted
        self.verdict = verdict

    def execute(self, context: Context) -> Any:
        """Park until somebody answers, or return at once."""
        if context["params"].get("approval"):
            return super().execute(context)
        self.log.info("approval was not asked for: the parameter `approval` is off")
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Put the answer on record, then act on it.

        Returns:
            `answer`, `by` and `comment`; nothing where the answer is a rejection.
        """
        if "error" in event:
            return super().execute_complete(context, event)
        self.validate_chosen_options(event["chosen_options"])
        given = Answer(
            answer=event["chosen_options"][0],
            by=event["responded_by_user"]["name"],
            comment=str((event["params_input"] or {}).get(COMMENT) or "").strip(),
        )
        self._record(context, given, event["responded_at"])
        super().execute_complete(context, event)
        return given.facts()

    def _record(self, context: Context, given: Answer, when: datetime) -> None:
        gate = Verdict.model_validate(self.verdict)
        approved = given.answer == self.APPROVE
        finding = Finding(rule="approved", verdict="promote" if approved else "reject", reason=str(given))
        verdict = Verdict(verdict=finding.verdict, findings=(finding,), evidence_digest=gate.evidence_digest)
        record_decision(
            self.spec.name, context, "decision" if approved else "override", self.fitted["version"],
            run_interval(context, self.spec), verdict, digest_of(self.spec.gate.model_dump(mode="json")),
            actor=given.by, time=when,
        )  # fmt: skip
        self.log.info("%s", given)


class PromoteRelease(ModelOperator):
    """Write the release manifest and move the alias `champion`.

    Args:
        assembled, materialised, fitted, evidence, verdict: What the stages before returned (templated).
        proof: What `ImageProve` returned, or nothing (templated).
        approval: What `PromoteApprove` returned, or nothing (templated).
        skipped: Why there is no image, or nothing (templated).
    """

    template_fields: Sequence[str] = (
        "assembled", "materialised", "fitted", "evidence", "verdict", "proof", "skipped", "approval",
    )  # fmt: skip
    ui_color = COLOUR

    def __init__(
        self, *, assembled: Any, materialised: Any, fitted: Any, evidence: Any, verdict: Any, proof: Any, skipped: Any,
        approval: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(outlets=[Asset(naming.asset_name(kwargs["spec"].name))], **kwargs)
        self.assembled, self.materialised, self.fitted = assembled, materialised, fitted
        self.evidence, self.verdict, self.proof, self.skipped = evidence, verdict, proof, skipped
        self.approval = approval

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote, unless the policy needs an image and there is none, or the champion changed since it was measured.

        Returns:
            `version`, `alias`, `manifest` (path), `manifest_digest`.
        """
        from contender.adapters.tracking import Tracking

        tracking = Tracking(self.spec.name)
        self._require_same_champion(tracking)
        version = tracking.version(self.fitted["version"])
        release = self._release(context, version.run_id)
        self._require_servable(release)
        manifest = self.settings.releases / self.spec.name / release.version / "release.json"
        _write(manifest, release)
        tracking.log_manifest(version, release.facts())
        tracking.set_alias(naming.CHAMPION, release.version)
        record_decision(self.spec.name, context, "promotion", release.version, release.interval,
                        self._approved(release.verdict), digest_of(self.spec.gate.model_dump(mode="json")))  # fmt: skip
        facts: dict[str, Any] = {"version": release.version, "alias": naming.CHAMPION, "manifest": str(manifest),
                 "manifest_digest": digest_of(release.facts())}  # fmt: skip
        context["outlet_events"][Asset(naming.asset_name(self.spec.name))].extra = facts
        self.log.info("%s is now version %s: %s", naming.CHAMPION, release.version, manifest)
        return facts

    def _release(self, context: Context, run_id: str) -> Release:
        from contender.adapters.revision import lock_digest

        proof = ImageProof.model_validate(self.proof) if self.proof else None
        if proof is not None and proof.model_digest != self.fitted["model_digest"]:
            proof = None  # of an earlier attempt of this run: a skipped task leaves its old result behind
        return Release(
            model=self.spec.name, version=self.fitted["version"], interval=run_interval(context, self.spec),
            train=Interval.parse(self.assembled["train"]), holdout=Interval.parse(self.assembled["holdout"]),
            code_revision=self.code_revision(context), lock_digest=lock_digest(),
            tables=tuple(Snapshot.model_validate(item) for item in self.assembled["tables"]),
            features_digest=self.materialised["digest"],
            training_set=Snapshot.model_validate(self.assembled["training_set"]),
            parameters=self.fitted["parameters"], seed=self.spec.seed, model_digest=self.fitted["model_digest"],
            run_id=run_id, evidence=Evidence.model_validate(self.evidence),
            verdict=Verdict.model_validate(self.verdict),
            image=proof, image_skipped="" if proof else str(self.skipped or "the image tasks did not run"),
        )  # fmt: skip

    def _approved(self, verdict: Verdict) -> Verdict:
        """The gate's verdict and, where a person was asked, who approved."""
        if not isinstance(self.approval, dict):
            return verdict
        approved = Finding(rule="approved", verdict="promote", reason=str(Answer.model_validate(self.approval)))
        return verdict.model_copy(update={"findings": (*verdict.findings, approved)})

    def _require_servable(self, release: Release) -> None:
        if self.spec.gate.require_image and release.image is None:
            raise PromotionRefused(
                "there is no proven image",
                where=f"{self.spec.name} version {release.version}",
                expected="an image that answered the golden requests, as gate.require_image says",
                got=release.image_skipped,
                next_step="start a Docker engine and clear image.build",
            )

    def _require_same_champion(self, tracking: Any) -> None:
        champion = tracking.aliased(naming.CHAMPION)
        now = f"version {champion.version}" if champion else self.spec.gate.baseline
        measured, version = str(self.evidence["reference"]), self.fitted["version"]
        if now != measured and not (champion and champion.version == version):
            raise PromotionRefused(
                "the champion changed since the challenger was measured against it",
                where=f"{self.spec.name} version {version}",
                expected=measured,
                got=now,
                next_step="clear gate.measure: the challenger is then measured against the new champion",
            )


def _comment() -> Param:
    """A field that may stay empty: a plain string would have to be filled in before *Approve* can be pressed."""
    described = "Goes on record with the answer."
    return Param(None, type=["null", "string"], source="task", title="Comment", description=described)


def _write(path: Path, release: Release) -> None:
    """Write the manifest whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(release.facts(), indent=1, sort_keys=True) + "\n")
    os.replace(unfinished, path)
