"""Which rows a run trains on and which it holds out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Self

from pydantic import Field, model_validator

from contender.core.declared import Declared
from contender.core.errors import IntervalError
from contender.core.interval import Interval
from contender.core.misfits import Misfit, Misfits

DAYS = {"@monthly": (28, 31), "@quarterly": (90, 92), "@yearly": (365, 366)}  # the shortest and the longest interval


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
            raise Misfits([Misfit("gap_hours", f"less than history_days={self.history_days}", self.gap_hours)])
        return self

    def split(self, interval: Interval, data_from: datetime, label_delay: timedelta = timedelta()) -> Split:
        """Cut the interval and its history.

        Args:
            interval: The run's interval.
            data_from: The first moment of which there is data.
            label_delay: How long after a row its label is known. The holdout lies so much earlier, so that its labels
                are known by the interval's end; a row is trained on if its label was known when the holdout began.

        Raises:
            IntervalError: Nothing is left to train on or to hold out.
        """
        holdout_start = interval.start + timedelta(days=self.holdout_starts_after_days) - label_delay
        holdout_end = interval.end - label_delay
        train_start = max(data_from, holdout_end - timedelta(days=self.history_days))
        train_end = holdout_start - max(timedelta(hours=self.gap_hours), label_delay)
        if holdout_start >= holdout_end or train_start >= train_end:
            raise IntervalError(
                "the interval leaves no rows to train on or to hold out",
                where="windows",
                expected=f"holdout start {holdout_start.isoformat()} before its end {holdout_end.isoformat()}, "
                f"training start {train_start.isoformat()} before training end {train_end.isoformat()}",
                got=str(interval),
                next_step="choose a later or longer interval, or a smaller holdout_starts_after_days or gap_hours"
                + (f"; labels are known {label_delay} after their rows (label_delay_hours)" if label_delay else ""),
            )
        return Split(
            train=Interval(start=train_start, end=train_end), holdout=Interval(start=holdout_start, end=holdout_end)
        )

    def misfits(self, schedule: str) -> Iterator[Misfit]:
        """What leaves intervals of a schedule without a holdout, or without anything to train on."""
        shortest, longest = DAYS[schedule]
        if self.holdout_starts_after_days >= shortest:
            expected = f"less than {shortest}, the days of the shortest interval ({schedule})"
            yield Misfit("windows.holdout_starts_after_days", expected, self.holdout_starts_after_days)
        elif self.history_days * 24 <= (needed := (longest - self.holdout_starts_after_days) * 24 + self.gap_hours):
            expected = (
                f"more than {needed / 24:g}, which holdout and gap take of an interval of {longest} days ({schedule})"
            )
            yield Misfit("windows.history_days", expected, self.history_days)


class Shares(Declared):
    """For rows without a time of their own: a hash of a row's key says whether it is held out, the same in every run.

    Rows are given a time inside the run's interval by that hash, so that all that goes by time (windows, validation,
    the firewall) goes by it, and a row that was held out once is never trained on.

    Attributes:
        holdout: Share of the rows that is held out.
    """

    holdout: float = Field(default=0.25, gt=0, lt=1)

    @property
    def lookback_days(self) -> int:
        """No features look back."""
        return 0

    def split(self, interval: Interval, data_from: datetime, label_delay: timedelta = timedelta()) -> Split:
        """The interval cut at the share; what lies before it has no rows, and no label comes late."""
        cut = interval.start + (interval.end - interval.start) * (1 - self.holdout)
        return Split(train=Interval(start=interval.start, end=cut), holdout=Interval(start=cut, end=interval.end))

    def misfits(self, schedule: str) -> Iterator[Misfit]:
        """None: shares fit every schedule."""
        return iter(())
