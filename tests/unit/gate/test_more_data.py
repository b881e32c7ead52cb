from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contender.core.evidence import Estimate
from contender.stages.gate.more_data import more_data
from contender.stages.gate.rules import decide
from tests.unit.gate.simulated import POLICY, evidence, reason


def test_more_data_follows_the_square_of_the_width() -> None:
    """Half a width of 0.02 around 0.01 must shrink below 0.01: more than four times the 12 clusters."""
    seen = evidence(-0.01, 0.03)
    said = more_data(seen.improvement["log_loss"], 0.0, seen, "day")
    assert said == "about 37 more clusters of day (3,084 rows) would show it at the present effect"


@given(value=st.floats(0.001, 0.1), width=st.floats(0.001, 0.5), threshold=st.floats(-0.2, 0.2))
def test_more_data_brings_the_lower_end_over_the_threshold_and_one_cluster_less_does_not(
    value: float, width: float, threshold: float
) -> None:
    seen = evidence(value - width, value + width)
    found = Estimate(value=value, low=value - width, high=value + width)
    said = more_data(found, threshold, seen, "day")
    if value <= threshold:
        assert said == "no amount of data would show it at the present effect"
        return
    more = int(said.split()[1].replace(",", ""))
    assert value - width * (12 / (12 + more)) ** 0.5 > threshold - 1e-9
    if more > 1:
        assert value - width * (12 / (12 + more - 1)) ** 0.5 <= threshold + 1e-9


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.01, 0.03, "about 37 more clusters of day"), (-0.03, 0.01, "no amount of data would show it")],
    ids=["better", "worse"],
)
def test_decide_that_holds_says_how_much_more_data_would_show_it(low: float, high: float, said: str) -> None:
    decided = decide(evidence(low, high), POLICY)
    assert decided.verdict == "hold"
    assert said in reason(decided, "improved")
