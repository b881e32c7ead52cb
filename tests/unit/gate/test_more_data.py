from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contender.core.evidence import Estimate
from contender.stages.gate.more_data import PRACTICAL, more_data
from contender.stages.gate.rules import decide
from tests.unit.gate.simulated import POLICY, evidence, reason

NEVER, NO_PRACTICAL = "no amount of data would show it at the present effect", "no practical amount of data"


def _clusters(said: str) -> int:
    return int(said.removeprefix("a fresh holdout of about ").split()[0].replace(",", ""))


def test_more_data_follows_the_square_of_the_width() -> None:
    """Half a width of 0.02 around 0.01: 4 times the 12 clusters for an even chance, 8.2 times for one of 80 %."""
    seen = evidence(-0.01, 0.03)
    assert more_data(seen.improvement["log_loss"], 0.0, seen, "day") == (
        "a fresh holdout of about 99 clusters of day (8,173 rows) would show the present effect with a chance of 80%"
    )


def test_more_data_shows_the_effect_in_four_of_five_holdouts_of_that_size() -> None:
    seen = evidence(-0.01, 0.03)
    size = _clusters(more_data(seen.improvement["log_loss"], 0.0, seen, "day"))
    narrower = (12 / size) ** 0.5
    values = np.random.default_rng(1).normal(0.01, 0.02 / 1.96 * narrower, 100_000)
    assert np.mean(values - 0.02 * narrower > 0) == pytest.approx(0.8, abs=0.01)


@given(value=st.floats(0.001, 0.1), width=st.floats(0.001, 0.5), threshold=st.floats(-0.2, 0.2))
def test_more_data_names_a_size_only_where_one_is_within_reach(value: float, width: float, threshold: float) -> None:
    seen = evidence(value - width, value + width)
    said = more_data(Estimate(value=value, low=value - width, high=value + width), threshold, seen, "day")
    if value <= threshold:
        assert said == NEVER
    elif not said.startswith(NO_PRACTICAL):
        assert value - width * (12 / _clusters(said)) ** 0.5 > threshold
        assert _clusters(said) <= PRACTICAL * 12


def test_more_data_of_an_effect_near_nothing_says_that_none_is_practical() -> None:
    seen = evidence(-0.02, 0.0201)
    assert more_data(seen.improvement["log_loss"], 0.0, seen, "day").startswith(NO_PRACTICAL)


def test_more_data_of_one_cluster_is_in_the_singular() -> None:
    seen = evidence(0.09, 0.11, clusters=1)
    assert "about 1 cluster of day (" in more_data(seen.improvement["log_loss"], 0.0, seen, "day")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.01, 0.03, "a fresh holdout of about 99 clusters of day"), (-0.03, 0.01, NEVER)],
    ids=["better", "worse"],
)
def test_decide_that_holds_says_how_much_data_would_show_it(low: float, high: float, said: str) -> None:
    decided = decide(evidence(low, high), POLICY)
    assert decided.verdict == "hold"
    assert said in reason(decided, "improved")
