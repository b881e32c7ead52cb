"""`ModelSpec`: the declaration of a model, from which its DAGs, stages and documents are made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from contender.core.declared import Declared
from contender.core.errors import IntervalError
from contender.core.interval import Interval
from contender.core.policy import GatePolicy, Identifier


class Table(Declared):
    """A raw table that the model's `read` brings in.

    Attributes:
        name: Its name in the lake and the stem of its expectation suite.
        time_column: Column (UTC timestamp) whose value places a row in an interval; `None` for a table of
            facts that is replaced as a whole.
        key: Columns that identify a row.
    """

    name: Identifier
    time_column: str | None
    key: tuple[str, ...] = Field(min_length=1)


class View(Declared):
    """A feature view of the Feast repository that the model reads.

    Attributes:
        name: Its name in Feast, in the lake, and the stem of its expectation suite.
        max_age_hours: Freshness limit: how far before the interval's end its newest row may lie.
            `None` for facts that do not age.
    """

    name: Identifier
    max_age_hours: Annotated[float, Field(gt=0)] | None


class Column(Declared):
    """One input of the model.

    Attributes:
        name: Column name, the same in training set, signature and request.
        kind: `number` (float32) or `category` (string).
        source: `request` where the request itself gives it, otherwise the feature view it comes from.
        minimum, maximum: Bounds (inclusive) that a request's value must keep; numbers only.
        nullable: Whether a request may leave the value out by sending null.
    """

    name: Identifier
    kind: Literal["number", "category"] = "number"
    source: Identifier
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = True

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        bounds = (self.minimum, self.maximum)
        if self.kind == "category" and bounds != (None, None):
            raise ValueError(f"column {self.name!r} is a category: it takes no minimum or maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column {self.name!r}: minimum {self.minimum} is above maximum {self.maximum}")
        return self


class Split(Declared):
    """The two slices of time a run works with; `train.end` lies before `holdout.start` by the gap."""

    train: Interval
    holdout: Interval


class Windows(Declared):
    """Which rows of which time a run trains on and measures on, all relative to its interval.

    Attributes:
        history_days: Training rows reach back this many days from the interval's end.
        holdout_starts_after_days: Days from the interval's start at which the holdout begins; the holdout
            lasts to the interval's end, and the days before it are trained on.
        gap_hours: Time left out between training and holdout, so that no row's outcome overlaps both.
        lookback_days: How far back the trailing windows of the features reach.
    """

    history_days: int = Field(ge=1, le=3660)
    holdout_starts_after_days: int = Field(ge=0, le=365)
    gap_hours: int = Field(ge=0, le=24 * 90)
    lookback_days: int = Field(ge=0, le=366)

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if timedelta(hours=self.gap_hours) >= timedelta(days=self.history_days):
            raise ValueError(f"gap_hours={self.gap_hours} swallows the whole history_days={self.history_days}")
        return self

    def split(self, interval: Interval, data_from: datetime) -> Split:
        """Cut the interval and its history.

        Args:
            interval: The run's interval.
            data_from: The first moment of which there is data.

        Raises:
            IntervalError: Nothing is left to train on or to hold out.
        """
        holdout_start = interval.start + timedelta(days=self.holdout_starts_after_days)
        train_start = max(data_from, interval.end - timedelta(days=self.history_days))
        train_end = holdout_start - timedelta(hours=self.gap_hours)
        if holdout_start >= interval.end or train_start >= train_end:
            raise IntervalError(
                "the interval leaves no rows to train on or to hold out",
                where="windows",
                expected=f"holdout start {holdout_start.isoformat()} before the interval's end, "
                f"training start {train_start.isoformat()} before training end {train_end.isoformat()}",
                got=str(interval),
                next_step="choose a later or longer interval, or a smaller holdout_starts_after_days or gap_hours",
            )
        return Split(
            train=Interval(start=train_start, end=train_end), holdout=Interval(start=holdout_start, end=interval.end)
        )


class Tuning(Declared):
    """The hyperparameter search.

    Attributes:
        trials: Default number of trials; the first one is always the estimator's own defaults.
        validation_days: The newest days of the training window, held out of each trial's fit.
    """

    trials: int = Field(default=4, ge=1, le=500)
    validation_days: int = Field(default=7, ge=1, le=365)


class ModelSpec(Declared):
    """All that the platform needs to know of a model.

    Attributes:
        name: Stem of everything that belongs to the model.
        title: One line for people.
        owner: Who answers for it.
        task: Kind of problem.
        schedule: How often it is trained; each interval is made of whole calendar months, UTC, because data is
            brought in, checked and kept by the month.
        data_from, data_until: The time of which there is data, whole months; no scheduled run lies outside.
        tables, views, columns: Raw tables, feature views and model inputs, in this order of derivation.
        label: Column of the label (0 or 1, missing where not yet observed).
        label_share: Smallest share of rows of a window that must have a label.
        windows, tuning, gate: See their classes.
        seed: Seed of everything random.
    """

    name: Identifier
    title: str
    owner: str
    task: Literal["binary"] = "binary"
    schedule: Literal["@monthly", "@quarterly", "@yearly"] = "@monthly"
    data_from: AwareDatetime
    data_until: AwareDatetime | None = None
    tables: tuple[Table, ...] = Field(min_length=1)
    views: tuple[View, ...] = ()
    columns: tuple[Column, ...] = Field(min_length=1)
    label: Identifier
    label_share: float = Field(default=0.5, gt=0, le=1)
    windows: Windows
    tuning: Tuning = Tuning()
    gate: GatePolicy = GatePolicy()
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for kind, names in (("table", [t.name for t in self.tables]), ("column", [c.name for c in self.columns])):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{kind} names must differ; repeated: {', '.join(repeated)}")
        known = {"request", *(view.name for view in self.views)}
        for column in self.columns:
            if column.source not in known:
                raise ValueError(
                    f"column {column.name!r} comes from {column.source!r}; there are: {', '.join(sorted(known))}"
                )
        if self.data_until is not None and self.data_until <= self.data_from:
            raise ValueError(f"data_until {self.data_until} is not after data_from {self.data_from}")
        for name, moment in (("data_from", self.data_from), ("data_until", self.data_until)):
            if moment is not None and moment != moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0):
                raise ValueError(f"{name} {moment} is not the first moment of a month, UTC")
        if misfits := self.gate.misfits(self.task):
            raise ValueError(f"gate: {'; '.join(misfits)}")
        shortest = {"@monthly": 28, "@quarterly": 90, "@yearly": 365}[self.schedule]
        if self.windows.holdout_starts_after_days >= shortest:
            raise ValueError(
                f"windows.holdout_starts_after_days={self.windows.holdout_starts_after_days} leaves no holdout in an "
                f"interval of {shortest} days ({self.schedule})"
            )
        return self

    def features(self) -> list[str]:
        """Feast feature references (`view:column`) of the columns that come from feature views."""
        return [f"{column.source}:{column.name}" for column in self.columns if column.source != "request"]

    def inputs(self, kind: Literal["number", "category"]) -> list[str]:
        """Names of the model inputs of one kind, in the order of `columns`."""
        return [column.name for column in self.columns if column.kind == kind]
