"""The worlds in which the gate is simulated: their equal models are equal, and their truth is the holdouts'."""

from __future__ import annotations

import numpy as np
import pytest

from contender.bench.gate_worlds import COMPARED, DAYS, GOOD, WORLDS, WORSE, Cell, cells, truth
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.resampling import Floats

HOLDOUTS = 400
world = pytest.mark.parametrize("world", WORLDS)
clustered = pytest.mark.parametrize("clustered", [True, False], ids=["clustered", "independent"])


def differences(cell: Cell, reference: tuple[float, float]) -> dict[str, Floats]:
    """How much smaller the first model's value is than the second's, by metric and holdout."""
    chance = np.random.default_rng(5)
    found: dict[str, list[float]] = {name: [] for name in COMPARED}
    for _ in range(HOLDOUTS):
        drawn = cell.simulate(chance, (GOOD, type(GOOD)(*reference)))
        for name in COMPARED:
            first, second = (METRICS["binary"][name].value(drawn.labels, scores) for scores in drawn.scores)
            found[name].append(second - first)
    return {name: np.array(values) for name, values in found.items()}


@world
@clustered
def test_simulate_equal_models_do_not_differ_in_expectation(world: str, clustered: bool) -> None:
    for name, values in differences(Cell(world, 300, clustered), GOOD).items():
        assert abs(values.mean()) < 4 * values.std() / np.sqrt(HOLDOUTS), name


@world
def test_truth_is_the_mean_over_clustered_holdouts(world: str) -> None:
    true = truth(world, WORSE, rows=400_000)
    found = differences(Cell(world, 300, clustered=True), WORSE)
    for name in ("log_loss", "brier"):
        values = found[name]
        assert abs(values.mean() - true[name]) < 4.5 * values.std() / np.sqrt(HOLDOUTS), name
    assert all(true[name] > 0 for name in COMPARED)


def test_truth_of_equal_models_is_nought() -> None:
    assert truth("mild", GOOD, rows=400_000) == pytest.approx(dict.fromkeys(COMPARED, 0.0), abs=2e-3)


def test_simulate_clustered_rows_fall_into_days_of_unequal_size() -> None:
    drawn = Cell("mild", 1_000, clustered=True).simulate(np.random.default_rng(0))
    sizes = np.bincount(drawn.days)
    assert len(sizes) == DAYS
    assert sizes.sum() == len(drawn.labels) == 1_000
    assert sizes.max() > 2 * sizes.min()


def test_simulate_independent_rows_are_a_day_each() -> None:
    drawn = Cell("mild", 100, clustered=False).simulate(np.random.default_rng(0))
    assert len(set(drawn.days)) == 100


def test_cells_are_every_world_size_clustered_and_not() -> None:
    assert len({str(cell) for cell in cells()}) == 12
