"""The report of a decision, written when it falls and again when a person answered or the champion was replaced."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from contender.core import decisions
from contender.core.evidence import Evidence, Verdict
from contender.core.interval import Interval
from contender.core.manifest import Release, digest_of
from contender.core.results import Snapshot
from contender.core.windows import Shares
from contender.operators.base import ModelOperator, PushedLink, address, run_interval
from contender.operators.evaluation import Evaluation


class ReportLink(PushedLink):
    """The report of the task's decision."""

    name = "Decision report"


def write_report(
    task: ModelOperator, run: Evaluation, evidence: Evidence, verdict: Verdict, *, released: Release | None = None
) -> str:
    """Write the report of this run's decision as of now: the page, its artefacts in MLflow, the version's card.

    A run and its evidence have one page; what is on record of the run by now stands in it. The page is written and
    linked first: it is there even where MLflow is not. A version that is the champion already keeps its card.

    Args:
        task: The task that decided or acted.
        run: The challenger and the run.
        evidence, verdict: What the gate saw and said, without what people said since.
        released: What came of it, where it was released.

    Returns:
        The page's address.

    Raises:
        DecisionLogBroken: What followed cannot be told from a log that does not hold.
        TrackingUnreachable: MLflow does not answer.
    """
    from contender.adapters.tracking import Tracking
    from contender.stages.report.card import card, description
    from contender.stages.report.facts import Report
    from contender.stages.report.figures import figures
    from contender.stages.report.page import page

    records = decisions.verify(run.log_path) if run.log_path.exists() else ()
    about = _provenance(task, run, released)
    report = Report(
        evidence=evidence, verdict=verdict, policy=run.spec.gate, provenance=about,
        followed=tuple(record for record in records if record.run == about.dag_run),
    )  # fmt: skip
    drawings = figures(report)
    text = page(report, drawings)
    identity = digest_of([about.dag_run, verdict.evidence_digest])[:12]
    name = f"{about.interval.start:%Y-%m-%d}_version-{about.version}_{identity}.html"
    _write(task.settings.reports / about.model / name, text)
    where = address(f"/contender/reports/{about.model}/{name}")
    run.context["ti"].xcom_push(key=ReportLink().xcom_key, value=where)
    words = card(report, where)
    tracking = Tracking(about.model)
    pictures = {f"figures/{drawing.name}.svg": drawing.svg for drawing in drawings}
    tracking.log_report(about.mlflow_run, {"report.html": text, "model_card.md": words, **pictures})
    if not evidence.same_model:
        tracking.describe(about.version, description(words), hashlib.sha256(text.encode()).hexdigest())
    task.log.info("decision report: %s", where)
    return where


def _provenance(task: ModelOperator, run: Evaluation, released: Release | None) -> Any:
    from contender.adapters.revision import lock_digest
    from contender.stages.report.facts import Provenance

    spec, assembled, fitted = run.spec, run.assembled, run.fitted
    timed = not isinstance(spec.windows, Shares)
    return Provenance(
        model=spec.name, version=str(fitted["version"]), title=spec.title, owner=spec.owner,
        doc=str(task.dag.doc_md or "").strip(), interval=run_interval(run.context, spec),
        train=Interval.parse(assembled["train"]) if timed else None,
        holdout=Interval.parse(assembled["holdout"]) if timed else None,
        training_set=Snapshot.model_validate(assembled["training_set"]),
        code_revision=task.code_revision(run.context), lock_digest=lock_digest(), mlflow_run=fitted["run_id"],
        dag_run=run.context["run_id"], parameters=fitted["parameters"], seed=spec.seed, **_signed(task, released),
    )  # fmt: skip


def _signed(task: ModelOperator, released: Release | None) -> dict[str, Any]:
    from contender.adapters.signing import signer

    if released is None or released.inventory is None:
        return {}
    return {
        "sbom_digest": released.inventory.sbom_digest, "components": released.inventory.components,
        "known": str(released.vulnerabilities), "key": signer(task.settings).public_key.keyid,
    }  # fmt: skip


def _write(path: Path, text: str) -> None:
    """Write the page whole or not at all: it may be open in a browser."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
