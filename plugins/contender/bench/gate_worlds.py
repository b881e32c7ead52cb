"""Simulated holdouts of which the truth is known, for the benches of the gate.

A row's label depends on what every model knows of it and on its day's luck. A model's score is what is known, blurred
by the model's own good and bad days and by noise of its own in each row. Two models that are blurred alike are equal:
which is which could be told by no amount of data, so every difference that a holdout shows between them is chance.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from contender.core.policy import MetricName
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.resampling import Codes, Flags, Floats

DAYS = 15  # as many as a holdout of the reference model has, about
SIZES = (100, 1_000, 10_000)
TRUTH_ROWS = 4_000_000
TRUTH_SEED = 20_130_101
COMPARED: tuple[MetricName, ...] = ("log_loss", "brier", "auc")


class Blur(NamedTuple):
    """What a model does not know: standard deviations, in logits, of its good and bad days and of its rows' noise."""

    days: float
    rows: float


GOOD = Blur(days=0.3, rows=0.5)
WORSE_ROWS = Blur(days=0.3, rows=0.8)
WORSE = Blur(days=0.6, rows=0.8)  # in both ways: its few bad days are what a small holdout may lack

Chance = np.random.Generator
Draw = Callable[[Chance, int], Floats]


@dataclass(frozen=True)
class World:
    """Two distributions.

    Attributes:
        luck: Of a day, added to the logits of its labels.
        shock: Of a model's good and bad days; mean 0, standard deviation 1.
    """

    luck: Draw
    shock: Draw


# Student's t with 3 degrees of freedom has a variance, 3, but no fourth moment; the log-normal has a long right tail.
WORLDS = {
    "mild": World(
        luck=lambda chance, days: chance.normal(0.0, 0.5, days),
        shock=lambda chance, days: chance.normal(size=days),
    ),
    "heavy-tailed": World(
        luck=lambda chance, days: chance.lognormal(0.0, 1.0, days) - 1.6,
        shock=lambda chance, days: chance.standard_t(3, days) / np.sqrt(3.0),
    ),
}


@dataclass(frozen=True)
class Holdout:
    """Labels, the day of each row, and each model's scores, all of shape (rows,)."""

    labels: Flags
    days: Codes
    scores: tuple[Floats, ...]


@dataclass(frozen=True)
class Cell:
    """A kind of holdout.

    Attributes:
        world: Key of `WORLDS`.
        rows: Number of rows, all told.
        clustered: Whether they fall into `DAYS` days of unequal size; otherwise every row is a day of its own, and all
            rows are independent. A single row is distributed alike in both.
    """

    world: str
    rows: int
    clustered: bool

    def __str__(self) -> str:
        return f"{self.world}, {self.rows} rows " + (f"in {DAYS} days" if self.clustered else "that are independent")

    def simulate(self, chance: Chance, models: Sequence[Blur] = (GOOD, GOOD)) -> Holdout:
        """Draw a holdout.

        Args:
            chance: The source of all randomness.
            models: What blurs each model; the scores are in this order.
        """
        world, days = WORLDS[self.world], DAYS if self.clustered else self.rows
        day = np.arange(self.rows)
        if self.clustered:
            sizes = chance.uniform(0.2, 1.0, days)
            day = np.repeat(np.arange(days), chance.multinomial(self.rows, sizes / sizes.sum()))
        known = chance.normal(size=self.rows) - 1.2
        labels = chance.random(self.rows) < _share(known + world.luck(chance, days)[day])
        scores = tuple(
            _share(known + blur.days * world.shock(chance, days)[day] + chance.normal(0.0, blur.rows, self.rows))
            for blur in models
        )
        return Holdout(labels, day, scores)


def cells() -> Iterator[Cell]:
    """Every world, size, clustered and not."""
    for world, clustered, rows in product(WORLDS, (True, False), SIZES):
        yield Cell(world, rows, clustered)


@functools.cache
def truth(world: str, reference: Blur, rows: int = TRUTH_ROWS) -> dict[MetricName, float]:
    """How much better a `GOOD` model is than the reference, by metric, on so many independent rows.

    Rows that share a day have the same mean losses, and two rows of different days the same chance to be concordant,
    so it is the truth of clustered holdouts as well. With four million rows its own standard error is a twentieth of
    that of the largest holdout: too little to move a coverage by a tenth of a point.
    """
    drawn = Cell(world, rows, clustered=False).simulate(np.random.default_rng(TRUTH_SEED), (GOOD, reference))
    found: dict[MetricName, float] = {}
    for name in COMPARED:
        metric = METRICS["binary"][name]
        better, other = (metric.value(drawn.labels, scores) for scores in drawn.scores)
        found[name] = better - other if metric.higher_is_better else other - better
    return found


def _share(logits: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-logits))
