"""`promote`: ask where asked to, then move the alias and write the manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, Context, Param
from airflow.sdk.exceptions import AirflowSkipException

from contender.core import decisions, naming
from contender.core.errors import PromotionRefused, TrackingUnreachable
from contender.core.evidence import Evidence, Verdict
from contender.core.interval import Interval
from contender.core.lineage import sha256
from contender.core.manifest import MANIFEST, Answer, Release, digest_of
from contender.core.results import Snapshot
from contender.core.spec import ModelSpec
from contender.operators import supply_chain
from contender.operators.base import ModelOperator, run_interval
from contender.operators.evaluation import Evaluation
from contender.operators.registry import push_proven
from contender.operators.report import ReportLink, write_report

COLOUR = "#d1f2eb"
OF_THE_IMAGE = ("image", "image_skipped", "no_engine")  # fields of the evidence
COMMENT = "comment"  # parameter of the request for approval
RUN_PARAMETERS = ("trials", "force_rebuild", "approval", "override")  # of the DAG; the interval stands by itself


class PromoteApprove(ApprovalOperator, ModelOperator):
    """Wait for a person's word where the policy or the run's parameter `approval` asks for it.

    The answer is put on record, with who gave it. To a verdict of `promote`, an approval is a decision, and a rejection
    an override, after which `promote.release` is skipped. To another verdict, which is shown where the policy has each
    confirmed, the answer changes nothing but the record.

    Args:
        assembled: What `TrainAssemble` returned (templated).
        fitted: What `TrainFit` returned (templated).
        evidence, verdict: What `GateDecide` left (templated).
        subject, body: What the person is asked (templated).
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "assembled", "fitted", "evidence", "verdict")
    operator_extra_links = (ReportLink(),)
    ui_color = COLOUR

    def __init__(self, *, assembled: Any, fitted: Any, evidence: Any, verdict: Any, **kwargs: Any) -> None:
        # The DAG's own parameters, which Airflow adds to each task's, are no part of the request's form.
        kwargs["params"] = {COMMENT: _comment()}
        super().__init__(**kwargs)
        self.assembled, self.fitted, self.evidence, self.verdict = assembled, fitted, evidence, verdict

    def execute(self, context: Context) -> Any:
        """Park until somebody answers, or return at once."""
        if _asked(self.spec, context):
            return super().execute(context)
        self.log.info("approval was not asked for, neither by the policy nor by the parameter `approval`")
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Put the answer on record, then act on it.

        Returns:
            `answer`, `by` and `comment`; nothing where there is nothing to release.
        """
        if "error" in event:
            return super().execute_complete(context, event)
        self.validate_chosen_options(event["chosen_options"])
        given = Answer(
            answer=event["chosen_options"][0],
            by=event["responded_by_user"]["name"],
            comment=str((event["params_input"] or {}).get(COMMENT) or "").strip(),
        )
        verdict = Verdict.model_validate(self.verdict)
        run = Evaluation(self.spec, context, self.assembled, self.fitted)
        self._record(run, verdict, given, event["responded_at"])
        self._write_report(run, verdict)
        super().execute_complete(context, event)
        if verdict.followed != "promote":
            self.skip(context["ti"], self.get_direct_relatives(upstream=False))
        return given.facts()

    def _record(self, run: Evaluation, verdict: Verdict, given: Answer, when: datetime) -> None:
        vetoed = verdict.followed == "promote" and given.answer == self.REJECT
        decisions.append(run.log_path, run.decision(
            "override" if vetoed else "decision", verdict, followed="reject" if vetoed else verdict.followed,
            reasons=(str(given),), actor=given.by, time=when,
        ))  # fmt: skip
        self.log.info("%s", given)

    def _write_report(self, run: Evaluation, verdict: Verdict) -> None:
        """With the answer in it; a try of this task more would ask the person again, so that MLflow may be away."""
        try:
            write_report(self, run, Evidence.model_validate(self.evidence), verdict)
        except TrackingUnreachable as error:
            self.log.warning("the report in MLflow lacks the answer: %s", error)


class PromotePush(ModelOperator):
    """Push the proven image to the registry, so that the release can name it by digest; say so where there is none.

    It does not skip itself: what comes after a skipped task is skipped too, and the release must not be.

    Args:
        evidence: What `GateDecide` left (templated).
    """

    template_fields: Sequence[str] = ("evidence",)
    ui_color = COLOUR

    def __init__(self, *, evidence: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.evidence = evidence

    def execute(self, context: Context) -> dict[str, str]:
        """Claim the image for this platform's release, then push it.

        Returns:
            `pushed` (`host/repository@sha256:…`) and `digest` (ID of the image that lies there), or `not_pushed` (why).
        """
        done = push_proven(Evidence.model_validate(self.evidence).image, self.spec.name, self.settings.owner)
        for what, which in done.items():
            self.log.info("%s: %s", what.replace("_", " "), which)
        return done


class PromoteRelease(ModelOperator):
    """Write and sign the release, and move the alias `champion`, if the champion is still the one measured against.

    Args:
        assembled, materialised, fitted: What the stages before returned (templated).
        inventory: What `ImageInventory` returned (templated).
        evidence, verdict: What `GateDecide` left (templated).
        approval: What `PromoteApprove` returned, or nothing (templated).
        pushed: What `PromotePush` returned (templated).
    """

    template_fields: Sequence[str] = (
        "assembled", "materialised", "fitted", "inventory", "evidence", "verdict", "approval", "pushed",
    )  # fmt: skip
    operator_extra_links = (ReportLink(),)
    ui_color = COLOUR

    def __init__(
        self, *, assembled: Any, materialised: Any, fitted: Any, inventory: Any, evidence: Any, verdict: Any,
        approval: Any = None, pushed: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(outlets=[Asset(naming.asset_name(kwargs["spec"].name))], **kwargs)
        self.assembled, self.materialised, self.fitted, self.inventory = assembled, materialised, fitted, inventory
        self.evidence, self.verdict, self.approval, self.pushed = evidence, verdict, approval, pushed

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote; where another run promoted meanwhile, measure and decide against that champion first.

        Returns:
            `version`, `alias`, `manifest` (path), `manifest_digest` (SHA-256 of that file).

        Raises:
            ChampionUnrecorded: See `Evaluation.champion`.
            PromotionRefused: There is no image and the policy needs one, it is not in the registry where one is set,
                more is known against its packages than the policy lets pass, nobody approved this evidence where a
                person was to be asked, or the champion changed after a person had said yes to what is known of the
                one before.
            SigningKeyUnusable: There is no key to sign with.
            AirflowSkipException: Against the new champion the gate does not say `promote`.
        """
        run = Evaluation(self.spec, context, self.assembled, self.fitted)
        evidence, verdict = Evidence.model_validate(self.evidence), Verdict.model_validate(self.verdict)
        release = self._release(run, evidence, verdict)
        while (done := self._promote(run, release)) is None:
            self._require_nobody_said_yes(release)
            evidence = run.measure().model_copy(update={name: getattr(evidence, name) for name in OF_THE_IMAGE})
            verdict = run.decide(evidence)
            run.log_evidence(evidence)
            write_report(self, run, evidence, verdict)
            if verdict.verdict != "promote":
                why = "; ".join(finding.reason for finding in verdict.findings if finding.verdict == verdict.verdict)
                raise AirflowSkipException(
                    f"{evidence.reference} was promoted meanwhile; against it the gate says {verdict.verdict}: {why}"
                )
            release = self._release(run, evidence, verdict)
        promoted: dict[str, Any] = {
            "version": done.version, "alias": naming.CHAMPION, "manifest": str(self._manifest(done.version)),
            "manifest_digest": sha256(self._manifest(done.version).read_bytes()),
        }  # fmt: skip
        context["outlet_events"][Asset(naming.asset_name(self.spec.name))].extra = promoted
        self.log.info("%s is now version %s: %s", naming.CHAMPION, done.version, promoted["manifest"])
        write_report(self, run, done.evidence, done.verdict, released=done)
        return promoted

    def _promote(self, run: Evaluation, release: Release) -> Release | None:
        """Compare and swap under the decision log's lock.

        Killed at any instruction and run again, it comes to one move of the alias and one record: an attempt that was
        killed after it moved the alias is finished from the manifest that it wrote, whatever was known before it.

        Returns:
            The release as it is on record; nothing where the champion is another one by now than was measured.
        """
        from contender.adapters import release_files
        from contender.adapters.tracking import Tracking

        self._require_servable(release)
        tracking = Tracking(self.spec.name)
        manifest = self._manifest(release.version)
        with decisions.transaction(run.log_path) as log:
            begun, basis = self._begun(run, log, manifest), log.basis(run.context["run_id"], run.subject)
            if begun is not None and basis is not None and begun.decision_hash == basis.hash:
                release = begun
            else:
                self._require_approved(run, log, release)
                measured = (release.evidence.reference, release.evidence.reference_digest)
                if begun is None and run.reference(run.champion(log)) != measured:
                    return None
                release = release.model_copy(update={"decision_hash": self._basis(run, log, release).hash})
            files = supply_chain.files_of(release, self.settings)
            supply_chain.write(manifest.parent, files)
            release_files.keep(tracking, tracking.version(release.version), files)
            if begun is None:
                self._record_found(run, log, release)
                tracking.set_alias(naming.CHAMPION, release.version)
            log.append(run.decision("promotion", release.verdict, release.evidence, reasons=_reasons(release)))
        return release

    def _manifest(self, version: str) -> Path:
        return self.settings.releases / self.spec.name / version / MANIFEST

    def _begun(self, run: Evaluation, log: decisions.Log, manifest: Path) -> Release | None:
        """What an attempt of this run released that moved the alias here: its manifest names a decision of this run.

        An alias that somebody else put here, by hand or in another run, is not this run's doing.
        """
        from contender.adapters.tracking import Tracking

        champion, newest = Tracking(self.spec.name).aliased(naming.CHAMPION), run.newest_promotion(log.records)
        by_another = newest is not None and newest.subject == run.subject and newest.run != run.context["run_id"]
        if champion is None or champion.version != self.fitted["version"] or by_another or not manifest.exists():
            return None
        written = json.loads(manifest.read_bytes())
        about = (written.get("decision_hash"), run.context["run_id"], run.subject)
        mine = any((record.hash, record.run, record.subject) == about for record in log.records)
        return Release.model_validate(written) if mine else None

    def _release(self, run: Evaluation, evidence: Evidence, verdict: Verdict) -> Release:
        from contender.adapters import lineage, release_files
        from contender.adapters.revision import lock_digest
        from contender.adapters.tracking import Tracking

        tracking, params = Tracking(self.spec.name), run.context["params"]
        version, training_set = tracking.version(self.fitted["version"]), self.assembled["training_set"]
        tables = tuple(Snapshot.model_validate(item) for item in self.assembled["tables"])
        inventory, scan = supply_chain.inventoried(self.inventory, self.settings)
        return Release(
            model=self.spec.name, version=self.fitted["version"], interval=run_interval(run.context, self.spec),
            train=Interval.parse(self.assembled["train"]), holdout=Interval.parse(self.assembled["holdout"]),
            code_revision=self.code_revision(run.context), lock_digest=lock_digest(),
            tables=tables, features_digest=self.materialised["digest"],
            training_set=Snapshot.model_validate(training_set),
            parameters=self.fitted["parameters"], seed=self.spec.seed, model_digest=self.fitted["model_digest"],
            run_id=version.run_id, evidence=evidence, verdict=verdict,
            approval=Answer.model_validate(self.approval) if isinstance(self.approval, dict) else None,
            image=evidence.image, image_skipped=evidence.image_skipped,
            dag=run.context["ti"].dag_id, dag_run=run.context["run_id"],
            run_parameters={name: params[name] for name in RUN_PARAMETERS if name in params},
            owners=tuple(sorted(self.spec.owners())), bundle=supply_chain.digests_of_bundle(tracking, version),
            files=self.assembled.get("files", {}), inventory=inventory, vulnerabilities=scan,
            pushed=self._pushed(evidence), registered=release_files.registered(tracking, version),
            lineage_digest=version.tags.get(lineage.TAG, ""), called_with=self.fitted.get("called_with"),
        )  # fmt: skip

    def _pushed(self, evidence: Evidence) -> str:
        """Where the image lies in the registry; nothing where another one was pushed, built before this one."""
        pushed = self.pushed if isinstance(self.pushed, dict) else {}
        mine = evidence.image is not None and pushed.get("digest") == evidence.image.digest
        return str(pushed["pushed"]) if mine else ""

    def _record_found(self, run: Evaluation, log: decisions.Log, release: Release) -> None:
        """Put on record that the champion to be replaced is not the one promoted last: somebody set the alias back.

        Without it the log would not tell that the alias moves once more, where the run that promoted last promotes the
        same version again.
        """
        newest = run.newest_promotion(log.records)
        if newest is not None and newest.subject != release.evidence.reference:
            why = f"found as champion: the alias was moved past the platform, from {newest.subject}"
            moved = run.decision("promotion", release.verdict, actor="unknown", reasons=(why,))
            rests_on_nothing = {"verdict": None, "evidence_digest": "", "policy_digest": "", "holdout": None}
            log.append(moved.model_copy(update={"subject": release.evidence.reference, **rests_on_nothing}))

    def _basis(self, run: Evaluation, log: decisions.Log, release: Release) -> decisions.Record:
        """The record that this promotion follows: without one that says `promote` of this evidence there is none."""
        basis = log.basis(run.context["run_id"], run.subject)
        digest = digest_of(release.evidence.facts())
        if basis is not None and basis.policy_digest != run.policy_digest:
            raise PromotionRefused(
                "the policy changed after the decision",
                where=f"{run.log_path.name}: {run.subject}, run {run.context['run_id']}",
                expected=f"a decision under policy {run.policy_digest[:12]}",
                got=f"one under policy {basis.policy_digest[:12]}",
                next_step="clear gate.measure: the challenger is measured and decided on under the policy as it is",
            )
        if basis is None or (basis.verdict, basis.evidence_digest) != ("promote", digest):
            raise PromotionRefused(
                "no decision on record says promote",
                where=f"{run.log_path.name}: {run.subject}, run {run.context['run_id']}",
                expected=f"promote on evidence {digest[:12]}",
                got=f"{basis.verdict} on evidence {basis.evidence_digest[:12]}" if basis else "none",
                next_step="clear gate.decide",
            )
        return basis

    def _require_approved(self, run: Evaluation, log: decisions.Log, release: Release) -> None:
        """Refuse what no person approved where one was to be asked: the record counts, not how a task came out."""
        digest = digest_of(release.evidence.facts())
        if _asked(self.spec, run.context) and not any(
            (record.kind, record.verdict, record.evidence_digest) == ("decision", "promote", digest)
            and (record.run, record.subject) == (run.context["run_id"], run.subject)
            and record.actor != run.actor
            for record in log.records
        ):
            raise PromotionRefused(
                "nobody approved this evidence",
                where=f"{run.log_path.name}: {run.subject}, run {run.context['run_id']}",
                expected=f"a person's approval on record of evidence {digest[:12]}",
                got="none",
                next_step="clear promote.approve and answer it",
            )

    def _require_servable(self, release: Release) -> None:
        supply_chain.require_releasable(release)
        if self.spec.gate.require_image and release.image is None:
            raise PromotionRefused(
                "there is no proven image",
                where=f"{self.spec.name} version {release.version}",
                expected="an image that answered the golden requests, as gate.require_image says",
                got=release.image_skipped,
                next_step="start a Docker engine and clear image.build",
            )
        if self.settings.registry and release.image is not None and not release.pushed:
            raise PromotionRefused(
                "the image is not in the registry",
                where=f"{self.spec.name} version {release.version}",
                expected=f"what promote.push returns of {release.image.digest}, as CONTENDER_REGISTRY is set",
                got=self.pushed,
                next_step="clear promote.push",
            )

    def _require_nobody_said_yes(self, release: Release) -> None:
        said = release.approval or release.verdict.override
        if said is not None:
            raise PromotionRefused(
                "the champion changed after a person had said yes",
                where=f"{self.spec.name} version {release.version}",
                expected=f"{release.evidence.reference}, as when it was {said}",
                got="another champion",
                next_step="clear gate.measure: the challenger is measured against the new champion, and the person "
                "sees that evidence",
            )


def _asked(spec: ModelSpec, context: Context) -> bool:
    """Whether the policy or the run's parameter wants a person's word."""
    return spec.gate.approval != "none" or bool(context["params"].get("approval"))


def _reasons(release: Release) -> tuple[str, ...]:
    """The gate's reasons and, where a person had a say, what was said."""
    said = (release.verdict.override, release.approval)
    return (*release.verdict.reasons, *(str(word) for word in said if word is not None))


def _comment() -> Param:
    """A field that may stay empty: a plain string would have to be filled in before *Approve* can be pressed."""
    described = "Goes on record with the answer."
    return Param(None, type=["null", "string"], source="task", title="Comment", description=described)
