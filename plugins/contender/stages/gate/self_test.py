"""The gate tests itself on the run's own rows, before it decides.

A gate that lets a challenger pass which it must not is worse than none, because it is believed. So each run hands its
own measuring and deciding, as they are, cases whose outcome is known. They are measured by the policy's deciding metric
alone: what a case is to show does not hang on guardrails, slices or limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from contender.core.errors import SelfTestFailed, some
from contender.core.evidence import Check, Estimate, Evidence, Verdict
from contender.core.policy import Budgets, GatePolicy
from contender.stages.gate import measure as measuring
from contender.stages.gate import rules
from contender.stages.gate.holdout import Holdout, checked
from contender.stages.gate.metrics import METRICS, Metric

Measure = Callable[..., Evidence]
Decide = Callable[[Evidence, GatePolicy], Verdict]

LEAK, NOTHING_TOLD = "the_label_itself", "always_zero"
CONFIDENCE = 0.98  # that the leaking challenger puts into the label it has seen
NOTHING = Estimate(value=0.0, low=0.0, high=0.0)


def self_test(
    holdout: Holdout,
    policy: GatePolicy,
    *,
    reference: str,
    seed: int,
    measure: Measure = measuring.measure,
    decide: Decide = rules.decide,
) -> tuple[Check, ...]:
    """Hand the gate cases whose outcome is known.

    Args:
        holdout, policy, reference, seed: As for `measure`.
        measure, decide: The gate under test.

    Returns:
        One check for each case. Where the holdout carries no interval, the gate can only hold: then each says that it
        could not run, and has passed unless it was promoted even so.
    """
    gate = Gate(_reduced(policy), reference, seed, measure, decide)
    rows = _plain(holdout)
    return tuple(case(rows, gate) for case in (_against_itself, _permuted, _leaking))


def require_passed(checks: tuple[Check, ...], where: str) -> None:
    """Fail closed where the gate got a case wrong.

    Raises:
        SelfTestFailed: A check has not passed, or there is none.
    """
    failed = [check for check in checks if not check.passed]
    if failed or not checks:
        raise SelfTestFailed(
            "the gate failed its self-test, so nothing was decided",
            where=where,
            expected=some(f"{check.name}: {check.expected}" for check in failed) or "a self-test",
            got=some(check.got for check in failed) or "none",
            next_step="mend the gate, the scores or the policy; the champion stays",
        )


@dataclass(frozen=True)
class Gate:
    """The gate under test, as `self_test` gets it."""

    policy: GatePolicy
    reference: str
    seed: int
    measure: Measure
    decide: Decide

    def asked(self, case: Holdout) -> tuple[Evidence, Verdict]:
        """What it finds and says of a case."""
        facts: dict[str, Any] = {"reference": self.reference, "holdout_digest": "self-test", "seed": self.seed}
        evidence = self.measure(case, self.policy, **facts, label_coverage=1.0, in_full=False)
        # Scores handed to other rows are to be rejected by their figures, not held for being unrelated.
        evidence = evidence.model_copy(update={"agreement": None})
        return evidence, self.decide(evidence, self.policy)

    def better(self, scores: Any, than: Any, rows: Holdout) -> bool:
        """Whether the first scores are better, by the metric of all rows at once, without resamples or rules."""
        metric, ours, theirs = self._metric(rows), self._figure(scores, rows), self._figure(than, rows)
        if metric.signed:
            return abs(ours) < abs(theirs)
        return ours > theirs if metric.higher_is_better else ours < theirs

    def is_true(self, evidence: Evidence, rows: Holdout) -> bool:
        """Whether both figures are those of the scores on these rows, by the same metric without clusters."""
        pairs = (evidence.challenger, rows.challenger), (evidence.champion, rows.reference)
        found = [(figures.get(self.policy.metric), self._figure(scores, rows)) for figures, scores in pairs]
        return all(
            seen is not None and math.isclose(seen.value, true, rel_tol=1e-6, abs_tol=1e-9) for seen, true in found
        )

    def _figure(self, scores: Any, rows: Holdout) -> float:
        return self._metric(rows).value(rows.labels, scores, rows.scale)

    def _metric(self, rows: Holdout) -> Metric:
        return METRICS[rows.task][self.policy.metric]


def _against_itself(rows: Holdout, gate: Gate) -> Check:
    """The champion in both roles. Were it not found to be the same model, its figures must not promote it either.

    (With a margin they may: a model is not inferior to itself. Then only its being the same stands against it.)
    """
    evidence, verdict = gate.asked(replace(rows, challenger=rows.reference))
    unnoticed = gate.decide(evidence.model_copy(update={"same_model": False}), gate.policy)
    apart = sorted(name for name, found in evidence.improvement.items() if found != NOTHING)
    promoted = verdict.verdict == "promote" or (gate.policy.margin is None and unnoticed.verdict == "promote")
    absent = gate.policy.metric not in evidence.improvement
    differs = some(apart) if apart else "nothing" if not absent else f"{gate.policy.metric}, which is missing"
    return _check(
        "champion against itself", evidence, promoted=promoted, right=not apart and not absent,
        expected="not promoted, no difference in any metric",
        got=f"{'promote' if promoted else verdict.verdict}, a difference in {differs}",
    )  # fmt: skip


def _permuted(rows: Holdout, gate: Gate) -> Check:
    """The challenger's scores, handed to other rows: it knows nothing of them, and its figure must say so.

    A champion that itself knows hardly anything cannot be told from it, and one that the world has left behind may even
    be worse. Then the labels themselves take the champion's place; rows that cannot tell a guess from these can only be
    held.
    """
    order = np.random.default_rng(gate.seed).permutation(len(rows.labels))
    guessing = replace(rows, challenger=rows.challenger[order])
    evidence, verdict = gate.asked(guessing)
    promoted = verdict.verdict == "promote" and not gate.better(guessing.challenger, rows.reference, rows)
    told, true = f"{verdict.verdict} against {gate.reference}", gate.is_true(evidence, guessing)
    if verdict.verdict != "reject":
        beside = replace(guessing, reference=_knowing(rows, 1.0))
        evidence, verdict = gate.asked(beside)
        promoted, true = promoted or verdict.verdict == "promote", true and gate.is_true(evidence, beside)
        told = f"{told}, {verdict.verdict} against the labels themselves"
    return _check(
        "challenger with permuted labels", evidence, promoted=promoted, right=true and verdict.verdict != "promote",
        expected="reject", got=told if true else f"{told}, by figures that are not of these rows",
    )  # fmt: skip


def _leaking(rows: Holdout, gate: Gate) -> Check:
    """A challenger that was given the label as an input, and uses it."""
    told = replace(
        rows, challenger=_knowing(rows, CONFIDENCE), frame=pd.DataFrame({LEAK: rows.labels}), inputs=(LEAK,),
    )  # fmt: skip
    evidence, verdict = gate.asked(told)
    flagged = [finding for finding in verdict.findings if finding.rule == "leak_free" and LEAK in finding.reason]
    named = bool(flagged) and flagged[0].verdict == "reject"
    return _check(
        "challenger with a leaked feature", evidence, promoted=verdict.verdict == "promote",
        right=verdict.verdict == "reject" and named, expected="reject, the leak named",
        got=f"{verdict.verdict}, the leak {'named' if named else 'not found'}",
    )  # fmt: skip


def _check(name: str, evidence: Evidence, *, promoted: bool, right: bool, expected: str, got: str) -> Check:
    if evidence.no_interval and not promoted:
        return Check(name=name, passed=True, expected=expected, got=f"could not run: {evidence.no_interval}")
    return Check(name=name, passed=right and not promoted, expected=expected, got=got)


def _reduced(policy: GatePolicy) -> GatePolicy:
    return policy.model_copy(
        update={
            "guardrails": (), "slices": (), "fairness": (), "max_calibration_error": None,
            "max_prediction_shift": None, "budgets": Budgets(), "require_image": False,
        }
    )  # fmt: skip


def _plain(holdout: Holdout) -> Holdout:
    """The same rows as arrays, with one input that tells nothing."""
    rows = checked(holdout)
    told = pd.DataFrame({NOTHING_TOLD: np.zeros(len(rows.labels))})
    return replace(
        holdout, labels=rows.labels, challenger=rows.challenger, reference=rows.reference, clusters=rows.codes,
        scale=rows.scale, frame=told, inputs=(NOTHING_TOLD,), training=None,
    )  # fmt: skip


def _knowing(rows: Holdout, confidence: float) -> Any:
    """Scores of a model that knows the labels."""
    if rows.task == "binary":
        return np.where(rows.labels, confidence, 1.0 - confidence)
    if rows.task == "multiclass":
        classes = rows.challenger.shape[1]
        hits = rows.labels[:, None] == np.arange(classes)
        return np.where(hits, confidence, (1.0 - confidence) / max(classes - 1, 1))
    return rows.labels
