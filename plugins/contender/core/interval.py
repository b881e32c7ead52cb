"""Intervals of time, UTC, half-open: the start belongs to an interval, the end does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from contender.core.errors import IntervalError


class Interval(BaseModel):
    """`start <= t < end`, both time zone aware and kept in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: datetime
    end: datetime

    @field_validator("start", "end")
    @classmethod
    def _utc(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("needs a time zone: all intervals are UTC, e.g. 2013-06-01T00:00:00Z")
        moment = value.astimezone(UTC)
        # Airflow's own times are of a subclass that loses its zone when a timedelta is taken from it.
        return datetime.combine(moment.date(), moment.time(), UTC)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start {self.start.isoformat()} is not before end {self.end.isoformat()}")
        return self

    @classmethod
    def parse_months(cls, text: str) -> Interval:
        """Read whole months: one (`2013-06`), or the firsts of two (`2013-03-01/2013-06-01`).

        Raises:
            IntervalError: The text is neither.
        """
        interval = cls.parse(text)
        if not interval.is_whole_months():
            raise IntervalError(
                "the interval is not made of whole months",
                where="interval",
                expected="a month, 2013-06, or the firsts of two, 2013-03-01/2013-06-01: data is kept by the month",
                got=repr(text),
                next_step="choose whole calendar months, UTC",
            )
        return interval

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read a month (`2013-06`), a day (`2013-06-03`) or an ISO 8601 interval (`2013-06-01/2013-07-01`).

        Raises:
            IntervalError: The text is none of these.
        """
        try:
            first, _, second = text.partition("/")
            if second:
                return cls(start=_instant(first), end=_instant(second))
            if len(first) == len("2013-06"):
                start = _instant(f"{first}-01")
                return cls(start=start, end=(start + timedelta(days=32)).replace(day=1))
            return cls(start=(start := _instant(first)), end=start + timedelta(days=1))
        except ValueError as error:
            raise IntervalError(
                "the interval cannot be read",
                where="interval",
                expected="a month, 2013-06, or two instants, 2013-06-01/2013-07-01, the end after the start",
                got=repr(text),
                next_step="trigger the run again with an interval of one of these forms",
            ) from error

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, other: Interval) -> bool:
        """Whether both have a moment in common."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{_short(self.start)}/{_short(self.end)}"

    def is_whole_months(self) -> bool:
        """Whether it begins and ends at the first moment of a month, UTC."""
        return all(at == at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for at in (self.start, self.end))

    def months(self) -> list[Interval]:
        """The interval cut at the first of each month: the unit in which earlier data is brought in."""
        parts, start = [], self.start
        while start < self.end:
            following = (start.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(
                day=1
            )
            parts.append(Interval(start=start, end=min(following, self.end)))
            start = following
        return parts


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _short(moment: datetime) -> str:
    midnight = (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
    return moment.date().isoformat() if midnight else moment.isoformat()
