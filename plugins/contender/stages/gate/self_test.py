"""The gate tests itself on the run's own rows, before it decides.

A gate that lets a challenger pass which it must not is worse than none, because it is believed. So each run hands its
own measuring and deciding, as they are, cases whose outcome is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from contender.core.errors import SelfTestFailed, some
from contender.core.evidence import Check, Evidence, Verdict
from contender.core.policy import GatePolicy
from contender.stages.gate import measure as measuring
from contender.stages.gate import rules
from contender.stages.gate.holdout import Holdout

Measure = Callable[..., Evidence]
Decide = Callable[[Evidence, GatePolicy], Verdict]


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
        One check for each case; where the holdout carries no interval, and so can only be held, each says so and
        has passed.
    """

    def outcome(case: Holdout) -> tuple[Evidence, Verdict]:
        evidence = measure(case, policy, reference=reference, holdout_digest="self-test", seed=seed)
        return evidence, decide(evidence, policy)

    return (_against_itself(holdout, outcome),)


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


def _against_itself(holdout: Holdout, outcome: Callable[[Holdout], tuple[Evidence, Verdict]]) -> Check:
    evidence, verdict = outcome(replace(holdout, challenger=holdout.reference))
    apart = sorted(name for name, found in evidence.improvement.items() if found.value != 0)
    got = f"{verdict.verdict}, " + (f"an improvement in {some(apart)}" if apart else "every improvement 0")
    return Check(
        name="champion against itself",
        passed=verdict.verdict != "promote" and not apart,
        expected="not promoted, every improvement 0",
        got=f"could not run: {evidence.no_interval}" if evidence.no_interval else got,
    )
