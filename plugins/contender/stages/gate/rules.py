"""The verdict as a pure function of evidence and policy.

Validity rules (`validity.py`) ask whether the comparison means anything; only if all of them let it pass do the
judgement rules look at its intervals (`judgement.py`) and at the policy's limits (`limits.py`). The strictest finding
is the verdict. A further rule is one function and one entry in its file's tuple.
"""

from __future__ import annotations

from collections.abc import Iterable

from contender.core.evidence import Evidence, Finding, Verdict
from contender.core.manifest import digest_of
from contender.core.policy import GatePolicy
from contender.stages.gate.judgement import INTERVALS
from contender.stages.gate.limits import LIMITS
from contender.stages.gate.ruling import Rule, strictest
from contender.stages.gate.validity import VALIDITY

JUDGEMENT: tuple[Rule, ...] = (*INTERVALS, *LIMITS)


def decide(evidence: Evidence, policy: GatePolicy) -> Verdict:
    """Say whether the challenger is promoted, held or rejected. Pure: the same evidence, the same verdict.

    Returns:
        `promote` only if every rule lets it pass; otherwise the strictest of the findings. Its findings hold one line
        for each rule that the policy asks for.
    """
    findings = _asked(VALIDITY, evidence, policy)
    if all(finding.verdict == "promote" for finding in findings):
        findings += _asked(JUDGEMENT, evidence, policy)
    return Verdict(
        verdict=strictest(finding.verdict for finding in findings),
        findings=tuple(findings),
        evidence_digest=digest_of(evidence.facts()),
    )


def _asked(rules: Iterable[Rule], evidence: Evidence, policy: GatePolicy) -> list[Finding]:
    rulings = ((rule.__name__, rule(evidence, policy)) for rule in rules)
    return [Finding(rule=name, verdict=said.verdict, reason=said.reason) for name, said in rulings if said is not None]
