"""What a rule of the gate is and says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from contender.core.evidence import Estimate, Evidence, VerdictName
from contender.core.policy import GatePolicy


class Ruling(NamedTuple):
    """What one rule would decide by itself, and one line of reason with the numbers."""

    verdict: VerdictName
    reason: str


# From the mildest to the strictest.
STRICTNESS: tuple[VerdictName, ...] = ("promote", "hold", "reject")

# A small pure function; `None` where the policy does not ask for it.
Rule = Callable[[Evidence, GatePolicy], Ruling | None]


def passes(reason: str) -> Ruling:
    """The rule has no objection."""
    return Ruling("promote", reason)


def holds(reason: str) -> Ruling:
    """The champion stays; the challenger may come back with more data or after a person's look."""
    return Ruling("hold", reason)


def rejects(reason: str) -> Ruling:
    """The challenger has shown that it must not replace the champion."""
    return Ruling("reject", reason)


def strictest(verdicts: Iterable[VerdictName]) -> VerdictName:
    """Of several verdicts; `promote` where there are none."""
    return max(verdicts, key=STRICTNESS.index, default="promote")


def against(metric: str, evidence: Evidence) -> str:
    """Both figures of a metric, and the difference with its interval, in words that fit its sign."""
    return (
        f"{metric} of {evidence.challenger[metric].value:.4f} against {evidence.champion[metric].value:.4f} of "
        f"{evidence.reference}, {worded(evidence.improvement[metric])} at {100 * (1 - evidence.alpha):.6g}%"
    )


def worded(improvement: Estimate | None) -> str:
    """`better by 0.0200 [+0.0100, +0.0300]`; the interval's signs are those of an improvement."""
    if improvement is None:
        return "without a figure"
    value = improvement.value
    amount = f"{'better' if value > 0 else 'worse'} by {abs(value):.4f}" if value else "no difference"
    if improvement.low is None or improvement.high is None:
        return f"{amount}, without an interval"
    return f"{amount} [{improvement.low:+.4f}, {improvement.high:+.4f}]"
