from __future__ import annotations

from typing import Any

import pytest

from contender.core.errors import SelfTestFailed
from contender.core.evidence import Evidence
from contender.stages.gate.measure import measure
from contender.stages.gate.self_test import require_passed, self_test
from tests.unit.gate.simulated import POLICY, holdout


def test_self_test_of_the_gate_as_it_is_passes() -> None:
    checks = self_test(holdout(), POLICY, reference="version 1", seed=7)
    assert [check.passed for check in checks] == [True] * len(checks)
    require_passed(checks, "flights version 2")


def test_self_test_of_a_champion_figure_from_elsewhere_fails_closed() -> None:
    """The champion's figure is the one of its own promotion, not of these rows."""
    stale = measure(holdout(seed=9), POLICY, reference="version 1", holdout_digest="old", seed=7)

    def with_stale(*given: Any, **more: Any) -> Evidence:
        return measure(*given, **more).model_copy(update={"improvement": stale.improvement})

    checks = self_test(holdout(), POLICY, reference="version 1", seed=7, measure=with_stale)
    with pytest.raises(SelfTestFailed, match="champion against itself: not promoted, no difference in any metric"):
        require_passed(checks, "flights version 2")


def test_self_test_without_an_interval_says_that_it_could_not_run() -> None:
    checks = self_test(holdout(days=3), POLICY, reference="version 1", seed=7)
    require_passed(checks, "flights version 2")
    assert all(check.got.startswith("could not run: the holdout has 3 clusters of day") for check in checks)


def test_require_passed_without_a_check_fails_closed() -> None:
    with pytest.raises(SelfTestFailed, match="got: none"):
        require_passed((), "flights version 2")
