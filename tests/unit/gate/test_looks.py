from __future__ import annotations

from fractions import Fraction

import pytest

from contender.core.policy import GatePolicy
from contender.stages.gate.looks import FEWEST_BEYOND, alpha_at, used_up


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.2, 0.49])
def test_alpha_at_any_number_of_looks_spends_at_most_alpha(alpha: float) -> None:
    # Exactly, in fractions: one side of each interval promotes, and what is left is what the next looks can spend.
    spent, whole = Fraction(0), Fraction(alpha)
    for look in range(1, 1001):
        spent += Fraction(alpha_at(alpha, look)) / 2
        assert spent + Fraction(alpha_at(alpha, look)) / 2 == whole
        assert spent < whole


def test_alpha_at_the_first_look_is_whole_and_falls_from_there() -> None:
    spends = [alpha_at(0.05, look) for look in range(1, 20)]
    assert spends[0] == 0.05
    assert spends == sorted(set(spends), reverse=True)


@pytest.mark.parametrize("look", [0, -1])
def test_alpha_at_no_look_refuses(look: int) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        alpha_at(0.05, look)


def test_used_up_at_the_defaults_leaves_four_looks() -> None:
    policy = GatePolicy()
    said = [used_up(policy.alpha, look, policy.resamples) for look in range(1, 7)]
    assert said[:4] == [""] * 4
    assert all(text.startswith(f"this holdout is used up: look {look}") for look, text in enumerate(said[4:], start=5))
    assert "only 6 lie beyond" in said[4]


def test_used_up_once_stays_used_up() -> None:
    said = [bool(used_up(0.05, look, 100_000)) for look in range(1, 2000)]
    assert said == sorted(said)
    assert said[0] is False
    assert said[-1] is True


def test_used_up_counts_the_resamples_beyond() -> None:
    assert used_up(0.05, 1, FEWEST_BEYOND * 20) == ""
    assert "only 9 lie beyond" in used_up(0.05, 1, FEWEST_BEYOND * 20 - 1)
