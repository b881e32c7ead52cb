"""A challenger before the gate: its evidence, its decision and their records, for the gate's tasks and the release."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from contender.core import decisions, naming
from contender.core.errors import ChampionUnrecorded, EvidenceStale, some
from contender.core.evidence import Evidence, Verdict, VerdictName
from contender.core.interval import Interval
from contender.core.manifest import digest_of
from contender.core.panel import NAIVE
from contender.core.records import Decision
from contender.core.results import ImageProof
from contender.core.settings import settings
from contender.core.spec import ModelSpec
from contender.operators.base import run_interval, run_type
from contender.operators.train import read_training_set

if TYPE_CHECKING:
    import pandas as pd

    from contender.stages.gate.holdout import Holdout

log = logging.getLogger(__name__)


def comparison_seed(challenger: str, reference: str, holdout: str) -> int:
    """Seed of a comparison's resamples, from the three digests alone: nobody draws again until the draw is lucky."""
    return int(digest_of([challenger, reference, holdout])[:16], 16)


@dataclass(frozen=True)
class Evaluation:
    """One challenger of one run.

    Attributes:
        spec: The model.
        context: Of the task that evaluates it.
        assembled: What `TrainAssemble` returned.
        fitted: What `TrainFit` returned.
    """

    spec: ModelSpec
    context: Context
    assembled: dict[str, Any]
    fitted: dict[str, Any]

    @property
    def subject(self) -> str:
        """The challenger, as records and evidence name it."""
        return f"version {self.fitted['version']}"

    @property
    def log_path(self) -> Path:
        """The model's decision log."""
        return settings().decisions / f"{self.spec.name}.jsonl"

    @property
    def actor(self) -> str:
        """Who acts where no person does: the run, by its kind."""
        return f"airflow:{run_type(self.context)}"

    @property
    def policy_digest(self) -> str:
        """The policy as it is now."""
        return digest_of(self.spec.gate.model_dump(mode="json"))

    def reference(self, champion: Any) -> tuple[str, str]:
        """Name and digest of what a challenger is compared with: the champion, or the baseline where there is none."""
        baseline = self.spec.gate.baseline
        return (f"version {champion.version}", champion.digest) if champion else (baseline, baseline)

    def champion(self, records: decisions.Log) -> Any:
        """The version to beat, or nothing before a first promotion.

        Once a promotion is on record, a challenger is no first model because an alias is gone: the alias must be on a
        version that was promoted. Setting a former champion back by hand is allowed.

        Args:
            records: The decision log, held: a promotion moves the alias and is put on record in one transaction.

        Raises:
            ChampionUnrecorded: The alias is on no version whose promotion is on record.
        """
        from contender.adapters.tracking import Tracking

        found = Tracking(self.spec.name).aliased(naming.CHAMPION)
        name = f"version {found.version}" if found else "no version"
        newest = self.newest_promotion(records.records)
        if newest is None:
            if found:
                log.warning("%s bears the alias and no promotion is on record: it is taken for the champion", name)
            return found
        if name not in {record.subject for record in records.records if record.kind == "promotion"}:
            number = newest.subject.removeprefix("version ")
            raise ChampionUnrecorded(
                f"{name} whose promotion is on record bears the alias {naming.CHAMPION!r}"
                if found is None else f"{name} bears the alias {naming.CHAMPION!r} and was never promoted",
                where=f"{self.spec.name}, {self.log_path.name}",
                expected=f"{newest.subject}, promoted in run {newest.run}",
                got=name,
                next_step="clear promote.release of the run whose promotion was killed; where none was, set the alias "
                f"back: MlflowClient().set_registered_model_alias('{self.spec.name}', '{naming.CHAMPION}', '{number}')",
            )  # fmt: skip
        return found

    def measure(self) -> Evidence:
        """Compare both models on the holdout rows as they are stored, after a look at them was put on record.

        Raises:
            ChampionUnrecorded: See `champion`.
            SelfTestFailed: The gate got a case wrong whose outcome is known.
        """
        from contender.adapters.lake import digest
        from contender.adapters.tracking import Tracking
        from contender.stages.gate.measure import measure
        from contender.stages.gate.self_test import require_passed, self_test

        tracking, policy = Tracking(self.spec.name), self.spec.gate
        challenger = tracking.version(self.fitted["version"])
        with decisions.transaction(self.log_path) as records:
            champion = self.champion(records)
        training, rows = read_training_set(self.spec.name, self.assembled)
        (reference, reference_digest), holdout_digest = self.reference(champion), digest(rows)
        look = self._look(challenger.digest, reference_digest, holdout_digest)
        holdout, contaminated = self._holdout(tracking, challenger, champion, training, rows)
        seed = comparison_seed(challenger.digest, reference_digest, holdout_digest)
        checks = self_test(holdout, policy, reference=reference, seed=seed)
        require_passed(checks, f"{self.spec.name} {self.subject}")
        evidence = measure(
            holdout, policy, reference=reference, holdout_digest=holdout_digest, seed=seed, look=look,
            label_coverage=self.label_coverage, contaminated=contaminated, challenger_digest=challenger.digest,
            reference_digest=reference_digest,
        ).model_copy(update={"self_test": checks, "policy_digest": self.policy_digest})  # fmt: skip
        for name, found in evidence.improvement.items():
            log.info("%s: challenger %s, %s %s, improvement %s", name, evidence.challenger[name],
                     evidence.reference, evidence.champion[name], found)  # fmt: skip
        return evidence

    def log_evidence(self, evidence: Evidence) -> None:
        """Keep the evidence that was decided on in the MLflow run, and its figures as metrics."""
        from contender.adapters.tracking import Tracking

        figures = {name: found.value for name, found in evidence.challenger.items()}
        figures |= {f"improvement_{name}": found.value for name, found in evidence.improvement.items()}
        tracking = Tracking(self.spec.name)
        challenger = tracking.version(self.fitted["version"])
        tracking.log_evidence(self.fitted["run_id"], challenger, figures, evidence.facts())

    def _look(self, challenger: str, reference: str, holdout: str) -> int:
        """Put the comparison on record before anything of it is known; its number on this holdout window."""
        inputs = {"challenger": challenger, "reference": reference, "holdout": holdout}
        number = decisions.look(self.log_path, self._record("look", inputs=inputs))
        log.info("look %d at the holdout %s", number, self.assembled["holdout"])
        return number

    @property
    def label_coverage(self) -> float:
        """Share of the holdout's examples that have a label."""
        labelled, unlabelled = self.assembled["holdout_rows"], self.assembled["holdout_unlabelled"]
        return float(labelled / max(labelled + unlabelled, 1))

    def _holdout(
        self, tracking: Any, challenger: Any, champion: Any, training: pd.DataFrame, rows: pd.DataFrame
    ) -> tuple[Holdout, str]:
        """The holdout with both models' scores, and why the comparison is void, or nothing."""
        from contender.adapters.lineage import lineages
        from contender.stages import train
        from contender.stages.defaults import panel
        from contender.stages.gate.baselines import baseline_scores
        from contender.stages.gate.firewall import contamination
        from contender.stages.gate.holdout import Holdout

        new, old = tracking.stored(challenger), tracking.stored(champion) if champion else None
        lacking = sorted({column.name for column in old.columns} - set(rows.columns)) if old else []
        if old is None or lacking:
            baseline = self.spec.gate.baseline
            known = rows[NAIVE] if baseline == NAIVE else self.fitted["label_share"]
            reference = baseline_scores(baseline, known, len(rows))
        else:
            reference = train.scores(old.content, train.inputs(rows, old.columns))
        versions = {naming.CHALLENGER: challenger} | ({naming.CHAMPION: champion} if champion else {})
        contaminated = contamination(
            rows, Interval.parse(self.assembled["holdout"]), self.spec.gate.cluster,
            {role: lineages(tracking, version) for role, version in versions.items()},
        )  # fmt: skip
        if lacking:
            needs = f"the champion needs columns that the holdout lacks: {some(lacking)}; keep them in the spec"
            contaminated = "; ".join(filter(None, (contaminated, needs)))
        holdout = Holdout(
            task=self.spec.task, labels=rows[self.spec.label], reference=reference,
            challenger=train.scores(new.content, train.inputs(rows, new.columns)),
            clusters=rows[self.spec.gate.cluster], frame=rows, inputs=tuple(column.name for column in new.columns),
            training=training, label=self.spec.label,
            scale=panel.scale(training, rows, self.spec) if self.spec.task == "forecast" else None,
        )  # fmt: skip
        return holdout, contaminated

    def with_image(self, evidence: Evidence, proof: Any, built: Any, skipped: Any) -> Evidence:
        """Add what is known of the image.

        Args:
            evidence: Of this challenger.
            proof: What `ImageProve` returned, or nothing. One of another model, or of another image than the one built,
                is left out: a task that is skipped when it is run again leaves its old result behind.
            built: What `ImageBuild` returned, or nothing.
            skipped: What `ImageBuild` left where it found no engine, or nothing.
        """
        image = ImageProof.model_validate(proof) if proof else None
        mine = (self.fitted["model_digest"], built["digest"] if built else "")
        if image is not None and (image.model_digest, image.digest) != mine:
            image = None
        why = "" if image else str(skipped or "the image tasks did not run")
        no_engine = image is None and bool(skipped)
        return evidence.model_copy(update={"image": image, "image_skipped": why, "no_engine": no_engine})

    def require_current(self, evidence: Evidence) -> None:
        """Refuse evidence that is not of this challenger, this holdout, this policy and the champion as it is now.

        Under another policy the same figures are another chance to pass: measuring again puts that look on record.

        A champion that this very run made is no other: the run's image is then built and released again.

        Raises:
            ChampionUnrecorded: See `champion`.
            EvidenceStale: It is of something else.
        """
        from contender.adapters.lake import digest

        with decisions.transaction(self.log_path) as records:
            name, found = self.reference(self.champion(records))
            newest = self.newest_promotion(records.records)
        _, rows = read_training_set(self.spec.name, self.assembled)
        expected = {
            "challenger": self.fitted["model_digest"], "holdout": digest(rows), "champion": f"{name}, {found}",
            "policy": self.policy_digest,
        }  # fmt: skip
        got = {
            "challenger": evidence.challenger_digest, "holdout": evidence.holdout_digest,
            "champion": f"{evidence.reference}, {evidence.reference_digest}", "policy": evidence.policy_digest,
        }  # fmt: skip
        promoted_here = newest is not None and (newest.run, newest.subject) == (self.context["run_id"], self.subject)
        if name == self.subject and promoted_here:
            expected["champion"] = got["champion"]
        if other := [part for part in expected if expected[part] != got[part]]:
            raise EvidenceStale(
                f"the evidence is of another {' and '.join(other)}",
                where=f"{self.spec.name} {self.subject}",
                expected="; ".join(f"{part} {expected[part]}" for part in other),
                got="; ".join(f"{part} {got[part]}" for part in other),
                next_step="clear gate.measure: the challenger is then measured as things are now; nothing was decided",
            )

    @staticmethod
    def newest_promotion(records: tuple[decisions.Record, ...]) -> decisions.Record | None:
        """The record of the last move of the alias."""
        return next((record for record in reversed(records) if record.kind == "promotion"), None)

    def decide(self, evidence: Evidence) -> Verdict:
        """Decide from the evidence alone, and put the decision on record.

        Where the gate's newest decision of this run says the same, it stands, whatever people said to it since.
        """
        from contender.stages.gate.rules import decide

        verdict = decide(evidence, self.spec.gate)
        for reason in verdict.reasons:
            log.info("%s: %s", verdict.verdict, reason)
        said = self.decision("decision", verdict, evidence)
        with decisions.transaction(self.log_path) as records:
            about = (said.kind, said.run, said.subject, said.actor)
            own = [
                record for record in records.records
                if (record.kind, record.run, record.subject, record.actor) == about
            ]  # fmt: skip
            if not own or not own[-1].decision().says_the_same(said):
                records.append(said)
        return verdict

    def decision(
        self, kind: Any, verdict: Verdict, evidence: Evidence | None = None, *, followed: VerdictName | None = None,
        reasons: tuple[str, ...] = (), actor: str = "", time: datetime | None = None,
    ) -> Decision:  # fmt: skip
        """What is to be put on record of this run; a task that runs again adds nothing.

        Args:
            kind: See `contender.core.decisions.Decision`.
            verdict: The gate's.
            evidence: What it rests on.
            followed: The verdict to record instead of the gate's.
            reasons: The reasons to record instead of the gate's.
            actor: Who decided; the run's own kind where it is empty.
            time: When it counts from; when this attempt of the task began where it is not given.
        """
        inputs = {}
        if evidence is not None:
            inputs = {
                "challenger": evidence.challenger_digest, "reference": evidence.reference_digest,
                "holdout": evidence.holdout_digest, "training_set": self.assembled["training_set"]["digest"],
                "image": evidence.image.digest if evidence.image else "",
            }  # fmt: skip
        return self._record(
            kind, actor=actor, time=time, verdict=followed or verdict.verdict, reasons=reasons or verdict.reasons,
            evidence_digest=verdict.evidence_digest, inputs={name: found for name, found in inputs.items() if found},
        )  # fmt: skip

    def _record(self, kind: Any, *, actor: str = "", time: datetime | None = None, **further: Any) -> Decision:
        run, began = self.context["dag_run"], getattr(self.context["ti"], "start_date", None)
        return Decision(
            model=self.spec.name, kind=kind, subject=self.subject, actor=actor or self.actor,
            interval=run_interval(self.context, self.spec), holdout=Interval.parse(self.assembled["holdout"]),
            policy_digest=self.policy_digest, run=run.run_id,
            time=time or began or run.run_after, **further,
        )  # fmt: skip
