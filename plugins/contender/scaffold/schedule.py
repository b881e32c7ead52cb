"""Intervals and windows that suit the times of the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import pandas as pd

from contender.core.errors import ScaffoldRefused, some
from contender.core.panel import STEPS, Panel
from contender.core.windows import Windows

Schedule = Literal["@monthly", "@quarterly", "@yearly"]
MONTHS: dict[Schedule, int] = {"@monthly": 1, "@quarterly": 3, "@yearly": 12}
HOLDOUT_FROM_DAYS: dict[Schedule, int] = {"@monthly": 14, "@quarterly": 45, "@yearly": 180}
HOLDOUT_ROWS, HOLDOUT_DAYS = 200, 7  # what a holdout should have, so that its interval can say anything
LATEST = 0.8  # share of its last month that data must reach, for that month to count
LONGEST_HISTORY_DAYS = 3660
MONTH_DAYS = 30.4375


@dataclass(frozen=True)
class Times:
    """What the times of the data ask for.

    Attributes:
        data_from, data_until: The whole months of which there is data.
        schedule, windows: See `ModelSpec`.
        validation_days: See `Tuning`.
        guesses: What was decided, one sentence each.
    """

    data_from: datetime
    data_until: datetime
    schedule: Schedule
    windows: Windows
    validation_days: int
    guesses: tuple[str, ...]


def times_of(times: pd.Series, panel: Panel | None, label_delay: int = 0) -> Times:
    """Intervals and windows for rows at these times, UTC.

    Args:
        times: Of the rows.
        panel: Of a forecast.
        label_delay: How many days after a row its label is known.

    Raises:
        ScaffoldRefused: They cover too little time to hold anything out.
    """
    data_from, data_until, told = _months(times)
    delay = timedelta(days=label_delay)
    schedule = _schedule(times, data_from, data_until, delay)
    until = _last_end(schedule, data_until)
    start = _shifted(until, -MONTHS[schedule])
    holdout_from, held_until = start + timedelta(days=HOLDOUT_FROM_DAYS[schedule]) - delay, until - delay
    # Each label is known when what it is for begins: a trial's fold, and after that the holdout.
    known_until = holdout_from - 2 * delay
    told += _held_out(times, data_from, known_until, (holdout_from, held_until), label_delay)
    train_days = max((known_until - data_from).days, 1)
    lookback = 0 if panel is None else _lookback_days(panel)
    windows = Windows(
        history_days=min((data_until - data_from).days + 1, LONGEST_HISTORY_DAYS),
        holdout_starts_after_days=HOLDOUT_FROM_DAYS[schedule], gap_hours=0, lookback_days=lookback,
    )  # fmt: skip
    told.append(
        f"schedule: {schedule}, the holdout begins {HOLDOUT_FROM_DAYS[schedule]} days into the interval"
        + (
            f"; training and holdout lie {label_delay} days earlier, as labels are known so late"
            if label_delay
            else "; LABEL_DELAY=days, or label_delay_hours in the spec, where a label is known some time after its row"
        )
    )
    return Times(data_from, data_until, schedule, windows, min(max(train_days // 5, 1), 30), tuple(told))


def _held_out(
    times: pd.Series, data_from: datetime, train_until: datetime, holdout: tuple[datetime, datetime], label_delay: int
) -> list[str]:
    """What there is to say of the rows on both sides of the split; refuses where one side has none."""
    holdout_from, until = holdout
    to_train = int(((times >= data_from) & (times < train_until)).sum())
    held = times[(times >= holdout_from) & (times < until)]
    if not to_train or held.empty:
        months = times.dt.strftime("%Y-%m").value_counts().sort_index()
        raise ScaffoldRefused(
            "the rows cover too little time to train on some and hold others out",
            where=f"TIME, LABEL_DELAY={label_delay}" if label_delay else "TIME",
            expected=f"rows before {train_until:%Y-%m-%d} and from {holdout_from:%Y-%m-%d} to {until:%Y-%m-%d}, in "
            "months without a gap between them",
            got=f"{to_train} and {len(held)}; by month {some(f'{one}: {n}' for one, n in months.items())}",
            next_step="give more months, or a smaller LABEL_DELAY if the labels are known earlier"
            if label_delay
            else "give more months, mend wrong times, or leave TIME out: rows are then split by their key",
        )
    days = held.dt.floor("D").nunique()
    if len(held) >= HOLDOUT_ROWS and days >= HOLDOUT_DAYS:
        return []
    few = f"holdout: {len(held)} rows of {days} days, fewer than {HOLDOUT_ROWS} of {HOLDOUT_DAYS}"
    return [f"{few}: a small improvement does not show in them, and its verdict is `hold`"]


def panel_of(times: pd.Series, series: pd.Series) -> tuple[Panel, str]:
    """The step, lags, means and season of series at these times.

    Raises:
        ScaffoldRefused: Their rows have no common step of an hour, a day or a week.
    """
    steps = (
        pd.DataFrame({"time": times, "series": series}).sort_values("time").groupby("series")["time"].diff().dropna()
    )
    common = None if steps.empty else steps.mode().iloc[0]
    named = {length: name for name, length in STEPS.items()}
    step = named.get(common.to_pytimedelta()) if common is not None else None
    if step == "hour":
        panel = Panel(step="hour", lags=(1, 2, 3, 24, 168), means=(24, 168), season=24)
    elif step == "day":
        panel = Panel(step="day", lags=(1, 2, 3, 4, 5, 6, 7, 14), means=(7, 28), season=7)
    elif step == "week":
        panel = Panel(step="week", lags=(1, 2, 3, 4, 8), means=(4, 12), season=1)
    else:
        raise ScaffoldRefused(
            "the series have no step of an hour, a day or a week",
            where="TIME, ENTITY",
            expected="one row for each series and step",
            got="one row for each series" if common is None else f"mostly {common} between two rows of a series",
            next_step="sum the data up by the day, or name by ENTITY what tells the series apart",
        )
    return panel, f"panel: each step is one {step}, the naive forecast the value of {panel.season} before; change panel"


def _months(times: pd.Series) -> tuple[datetime, datetime, list[str]]:
    """The whole months from the last gap on, to the last month that is nearly whole."""
    months = times.dt.tz_localize(None).dt.to_period("M")
    first, last, told = months.min(), months.max(), []
    newest = times.max().tz_localize(None)
    reached = (newest - last.start_time) / (last.end_time - last.start_time)
    if reached < LATEST and last > first and not (times.dt.day == 1).all():  # else each stands for its month
        told.append(
            f"data_until: the rows reach {reached:.0%} of {last}, which is left out; set data_until once it is whole"
        )
        last -= 1
    there = set(months)
    gaps = [month for month in pd.period_range(first, last, freq="M") if month not in there]
    if gaps:
        first = gaps[-1] + 1
        lost = int((months < first).sum())
        told.append(
            f"data_from: {gaps[-1]} has no rows, so that the data count from {first} on, without {lost:,} rows before "
            "it; fill the gap to use them"
        )
    return _utc(first), _utc(last + 1), told


def _utc(month: pd.Period) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def _schedule(times: pd.Series, data_from: datetime, data_until: datetime, delay: timedelta) -> Schedule:
    """The shortest schedule whose typical holdout has enough rows and days; else the longest that fits the data."""
    days = max((data_until - data_from).days, 1)
    rows_a_day = len(times) / days
    filled = times.dt.floor("D").nunique() / days
    fitting: list[Schedule] = ["@monthly"]
    for name, months in MONTHS.items():
        start = _shifted(_last_end(name, data_until), -months)
        if start < data_from or start + timedelta(days=HOLDOUT_FROM_DAYS[name]) - 3 * delay <= data_from:
            continue
        fitting.append(name)
        held_out = months * MONTH_DAYS - HOLDOUT_FROM_DAYS[name]
        if held_out * rows_a_day >= HOLDOUT_ROWS and held_out * filled >= HOLDOUT_DAYS:
            return name
    return fitting[-1]


def _last_end(schedule: Schedule, until: datetime) -> datetime:
    """The last moment not after `until` at which an interval of the schedule ends."""
    months = MONTHS[schedule]
    return until.replace(month=(until.month - 1) // months * months + 1)


def _shifted(moment: datetime, months: int) -> datetime:
    count = moment.year * 12 + moment.month - 1 + months
    return moment.replace(year=count // 12, month=count % 12 + 1)


def _lookback_days(panel: Panel) -> int:
    steps = max(*panel.lags, *panel.means, panel.naive_lag) + 1
    return min((panel.duration * steps).days + 1, 366)
