"""Simulated retrainings: repeatable, the same as the whole gate's, and telling days from rows."""

from __future__ import annotations

import numpy as np
import pytest

from contender.bench.gate_looks import any_look
from contender.bench.gate_replay import shuffled, shuffled_promotions
from contender.bench.gate_trials import (
    COMPARED,
    Series,
    covered,
    error_of,
    not_worse,
    promoted,
    require_agreement,
    run,
    run_chunk,
)
from contender.bench.gate_worlds import GOOD, WORSE, Cell, truth

CLUSTERED = Cell("mild", 2_000, clustered=True)
LOG_LOSS = ("log_loss",)


def test_run_chunk_same_seed_gives_the_same_intervals() -> None:
    series = Series(CLUSTERED, 12)
    first, second, other = run_chunk(series, 0), run_chunk(series, 0), run_chunk(series, 1)
    for name in COMPARED:
        np.testing.assert_array_equal(first[name], second[name])
        assert (first[name] != other[name]).any()


def test_run_on_processes_gives_the_chunks_in_their_order() -> None:
    series = [Series(Cell("mild", 100, clustered=True), trials, metrics=("brier",)) for trials in (260, 3)]
    long, short = run(series)
    assert (len(long["brier"]), len(short["brier"])) == (260, 3)
    np.testing.assert_array_equal(long["brier"][:3], short["brier"])
    np.testing.assert_array_equal(
        long["brier"][250:], run_chunk(Series(series[0].cell, 10, metrics=("brier",)), 1)["brier"]
    )


@pytest.mark.parametrize("world", ["mild", "heavy-tailed"])
def test_whole_gate_says_what_the_trials_say(world: str) -> None:
    assert require_agreement(Series(Cell(world, 300, clustered=True), 12, WORSE)) == 12


def test_resampled_rows_of_days_promote_equal_models_and_days_do_not() -> None:
    by_day, by_row = (
        run_chunk(Series(CLUSTERED, 150, by_row=by_row, metrics=LOG_LOSS), 0)["log_loss"] for by_row in (False, True)
    )
    np.testing.assert_allclose(by_day[:, 1], by_row[:, 1], atol=1e-12)
    assert promoted(by_day) <= 0.05 + 3 * error_of(0.05, 150)
    assert promoted(by_row) > promoted(by_day) + 0.03
    assert not_worse(by_day) > 0.3


def test_resampled_rows_of_days_cover_less_than_days_do() -> None:
    true = truth("mild", WORSE, rows=400_000)["log_loss"]
    by_day, by_row = (
        covered(run_chunk(Series(CLUSTERED, 150, WORSE, by_row=by_row, metrics=LOG_LOSS), 0)["log_loss"], true)
        for by_row in (False, True)
    )
    assert by_day > 0.87
    assert by_row < by_day - 0.1


def test_shares_of_trials_without_an_interval_are_neither_promoted_nor_counted() -> None:
    intervals = np.array([[0.1, 0.2, 0.3], [-0.1, 0.0, 0.1], [-0.3, -0.2, -0.1], [np.nan, 0.2, np.nan]])
    assert promoted(intervals) == 0.25
    assert not_worse(intervals) == 0.75
    assert covered(intervals, 0.05) == pytest.approx(1 / 3)


def test_any_look_with_alpha_spent_promotes_no_window_that_whole_looks_do_not() -> None:
    looks = [any_look(Cell("mild", 300, clustered=True), window) for window in range(12)]
    assert all(whole for spent, whole in looks if spent)


def test_shuffled_days_keep_each_rows_pair_of_scores_and_move_whole_days() -> None:
    holdout = CLUSTERED.simulate(np.random.default_rng(1), (GOOD, WORSE))
    mixed = shuffled(holdout, np.random.default_rng(2))
    kept = mixed.scores[0] == holdout.scores[0]
    assert set(np.bincount(holdout.days, kept) / np.bincount(holdout.days)) == {0.0, 1.0}
    np.testing.assert_array_equal(np.sort(mixed.scores, axis=0), np.sort(holdout.scores, axis=0))


def test_shuffled_promotions_of_unequal_models_are_as_rare_as_of_equal_ones() -> None:
    holdout = CLUSTERED.simulate(np.random.default_rng(1), (GOOD, WORSE))
    assert shuffled_promotions(holdout, np.random.default_rng(3), 100) <= 0.05 + 3 * error_of(0.05, 100)
