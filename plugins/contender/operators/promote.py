"""`promote`: ask where asked to, then move the alias and write the manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, Context

from contender.core import naming
from contender.core.errors import PromotionRefused
from contender.core.interval import Interval
from contender.core.manifest import Release, digest_of
from contender.core.results import Evidence, ImageProof, Snapshot, Verdict
from contender.core.settings import settings
from contender.operators.base import ModelOperator, run_interval
from contender.operators.gate import record_decision

COLOUR = "#d1f2eb"


class PromoteApprove(ApprovalOperator):
    """Wait for a person's word where the run's parameter `approval` asks for it; otherwise go on at once."""

    ui_color = COLOUR

    def execute(self, context: Context) -> Any:
        """Park until somebody answers, or return at once."""
        if context["params"].get("approval"):
            return super().execute(context)
        self.log.info("approval was not asked for: the parameter `approval` is off")
        return None


class PromoteRelease(ModelOperator):
    """Write the release manifest and move the alias `champion`.

    Args:
        assembled, materialised, fitted, evidence, verdict: What the stages before returned (templated).
        proof: What `ImageProve` returned, or nothing (templated).
        skipped: Why there is no image, or nothing (templated).
    """

    template_fields: Sequence[str] = (
        "assembled", "materialised", "fitted", "evidence", "verdict", "proof", "skipped",
    )  # fmt: skip
    ui_color = COLOUR

    def __init__(
        self, *, assembled: Any, materialised: Any, fitted: Any, evidence: Any, verdict: Any, proof: Any, skipped: Any,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(outlets=[Asset(naming.asset_name(kwargs["spec"].name))], **kwargs)
        self.assembled, self.materialised, self.fitted = assembled, materialised, fitted
        self.evidence, self.verdict, self.proof, self.skipped = evidence, verdict, proof, skipped

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote, unless the policy needs an image and there is none, or the champion changed since it was measured.

        Returns:
            `version`, `alias`, `manifest` (path), `manifest_digest`.
        """
        from contender.adapters.tracking import Tracking

        tracking = Tracking(self.spec.name)
        release = self._release(run_interval(context, self.spec))
        self._require_servable(release)
        self._require_same_champion(tracking, release)
        version = tracking.version(release.version)
        manifest = settings().releases / self.spec.name / release.version / "release.json"
        _write(manifest, release)
        tracking.log_manifest(version, release.facts())
        tracking.set_alias(naming.CHAMPION, release.version)
        record_decision(self.spec.name, context, "promotion", release.version, release.interval, release.verdict,
                        digest_of(self.spec.gate.model_dump(mode="json")))  # fmt: skip
        facts: dict[str, Any] = {"version": release.version, "alias": naming.CHAMPION, "manifest": str(manifest),
                 "manifest_digest": digest_of(release.facts())}  # fmt: skip
        context["outlet_events"][Asset(naming.asset_name(self.spec.name))].extra = facts
        self.log.info("%s is now version %s: %s", naming.CHAMPION, release.version, manifest)
        return facts

    def _release(self, interval: Interval) -> Release:
        from contender.adapters.revision import code_revision, lock_digest

        return Release(
            model=self.spec.name, version=self.fitted["version"], interval=interval,
            train=Interval.parse(self.assembled["train"]), holdout=Interval.parse(self.assembled["holdout"]),
            code_revision=code_revision(), lock_digest=lock_digest(),
            tables=tuple(Snapshot.model_validate(item) for item in self.assembled["tables"]),
            features_digest=self.materialised["digest"],
            training_set=Snapshot.model_validate(self.assembled["training_set"]),
            parameters=self.fitted["parameters"], seed=self.spec.seed, model_digest=self.fitted["model_digest"],
            run_id=self.fitted["run_id"], evidence=Evidence.model_validate(self.evidence),
            verdict=Verdict.model_validate(self.verdict),
            image=ImageProof.model_validate(self.proof) if self.proof else None,
            image_skipped="" if self.proof else str(self.skipped or "the image tasks did not run"),
        )  # fmt: skip

    def _require_servable(self, release: Release) -> None:
        if self.spec.gate.require_image and release.image is None:
            raise PromotionRefused(
                "there is no proven image",
                where=f"{self.spec.name} version {release.version}",
                expected="an image that answered the golden requests, as gate.require_image says",
                got=release.image_skipped,
                next_step="start a Docker engine and clear image.build",
            )

    def _require_same_champion(self, tracking: Any, release: Release) -> None:
        champion = tracking.aliased(naming.CHAMPION)
        now = f"version {champion.version}" if champion else self.spec.gate.baseline
        measured = release.evidence.reference
        if now != measured and not (champion and champion.version == release.version):
            raise PromotionRefused(
                "the champion changed since the challenger was measured against it",
                where=f"{self.spec.name} version {release.version}",
                expected=measured,
                got=now,
                next_step="clear gate.measure: the challenger is then measured against the new champion",
            )


def _write(path: Path, release: Release) -> None:
    """Write the manifest whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(release.facts(), indent=1, sort_keys=True) + "\n")
    os.replace(unfinished, path)
