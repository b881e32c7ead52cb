"""`Panel`: a forecast of several series at regular steps, from the past of each."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from contender.core.declared import Declared
from contender.core.misfits import Misfit, Misfits

NAIVE = "naive"  # column of the naive forecast, which the gate's baseline of that name reads
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


class Panel(Declared):
    """How the features of a forecast follow from its series.

    The series are the rows of the first table, or what `series` in the model's `model.py` makes of its tables.

    A question for a step is asked `horizon - 1` steps before it begins, and answered from the steps that had ended
    by then. `lag_1` is the newest of them, `lag_2` the one before.

    Attributes:
        step: Length of a step; the table's time is the start of one.
        entity: What a series is of, where the model's `series` makes them; empty for the first table's `entity`.
        horizon: How many steps ahead of the newest known one is predicted.
        lags: Which of the known steps are inputs.
        means: Over how many of the newest known steps means are inputs (`mean_7`).
        season: The naive forecast is the newest known step that lies a multiple of so many steps before the predicted
            one; 1 for the newest of all.
    """

    step: Literal["hour", "day", "week"]
    entity: tuple[str, ...] = ()
    horizon: int = Field(default=1, ge=1, le=366)
    lags: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1)
    means: tuple[int, ...] = ()
    season: int = Field(default=1, ge=1, le=8784)

    @model_validator(mode="after")
    def _positive_and_different(self) -> Self:
        for name, values in (("lags", self.lags), ("means", self.means)):
            if len(set(values)) < len(values) or any(value < 1 for value in values):
                raise Misfits([Misfit(name, "different whole numbers from 1", values)])
        return self

    @property
    def duration(self) -> timedelta:
        """Length of a step."""
        return STEPS[self.step]

    @property
    def naive_lag(self) -> int:
        """The known step, counted back from the newest as the lags are, that the naive forecast takes."""
        seasons = -(-self.horizon // self.season)
        return seasons * self.season - self.horizon + 1

    def features(self) -> tuple[str, ...]:
        """Names of the feature columns that follow from the series."""
        return (*(f"lag_{lag}" for lag in self.lags), *(f"mean_{mean}" for mean in self.means), NAIVE)
