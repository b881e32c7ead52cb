"""What a table looks like: the kind of each column, and the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import pandas as pd

from contender.adapters.source_values import as_text, unpadded
from contender.core.errors import ScaffoldRefused, some
from contender.core.naming import identifiers
from contender.core.policy import Task
from contender.scaffold.kinds import ColumnProfile, column_profile, times_of
from contender.scaffold.labels import require_a_label, require_within, task_of
from contender.scaffold.suspicion import leaks
from contender.stages.defaults.tabular import joined_key

FEWEST_ROWS = 20


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A table as a model would use it.

    Attributes:
        rows: How many were looked at.
        sampled: Whether there are more.
        total: How many there are.
        columns: All of them, in order.
        label: Name of the label's column; empty for a model without labels.
        task: Kind of problem.
        classes: Names of the classes, the predicted one of two last; none where the label holds 0 and 1, or a number.
        shares: Share of each class, by its name.
        time, entity: As they were given.
        times: The time column, UTC.
        series: What each row is about, as one text.
        repeats: How many rows have the entity and time of another.
    """

    rows: int
    sampled: bool
    total: int
    columns: tuple[ColumnProfile, ...]
    label: str
    task: Task
    classes: tuple[str, ...] = ()
    shares: dict[str, float]
    time: str | None = None
    entity: tuple[str, ...] = ()
    times: pd.Series | None = field(default=None, repr=False, compare=False)
    series: pd.Series | None = field(default=None, repr=False, compare=False)
    repeats: int = 0

    def column(self, name: str) -> ColumnProfile:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


def profile(
    frame: pd.DataFrame,
    *,
    label: str,
    time: str | None = None,
    entity: Sequence[str] = (),
    classes: Sequence[str] = (),
    task: Task | None = None,
    sampled: bool = False,
) -> Profile:
    """Look at a table.

    Args:
        frame: Its rows, by the source's headers, as text or typed.
        label: Header or name of the label's column; empty for a model without labels.
        time, entity: Headers or names of the columns that place a row in time and name what it is about.
        classes: Names of the classes, where they are known.
        task: The task that is wished: of a few whole numbers it says whether they are quantities or names.
        sampled: Whether the source has more rows.

    Raises:
        ScaffoldRefused: Nothing can be learnt from it, or a column is not what it is said to be.
    """
    headers = [str(header) for header in frame.columns]
    _require_a_table(frame, headers)
    names = identifiers(headers)
    table = pd.DataFrame({name: unpadded(frame[header]) for header, name in zip(frame.columns, names, strict=True)})
    known = dict(zip(headers, names, strict=True))
    target = found_column(label, known, "LABEL") if label else ""
    when = found_column(time, known, "TIME") if time else None
    who = tuple(found_column(one, known, "ENTITY") for one in entity)
    require_different(target, when, *who)
    columns = tuple(
        column_profile(table[name], header, as_time=name == when) for header, name in zip(headers, names, strict=True)
    )
    moments = None if when is None else _times(table[when], columns[names.index(when)])
    require_entities(table, who)
    found_task, found, shares = _task(table, columns, target, classes, task, sampled=sampled)
    if target:
        columns = leaks(table, columns, target, found_task, found, moments)
    return Profile(
        rows=len(table), sampled=sampled, total=len(table), columns=columns, label=target, task=found_task,
        classes=found, shares=shares, time=when, entity=who, times=moments,
        series=joined_key(table, list(who)) if who else None,
        repeats=int(table.duplicated([*who, *([when] if when else [])]).sum()) if who else 0,
    )  # fmt: skip


def _task(
    table: pd.DataFrame,
    columns: tuple[ColumnProfile, ...],
    label: str,
    classes: Sequence[str],
    wished: Task | None,
    *,
    sampled: bool,
) -> tuple[Task, tuple[str, ...], dict[str, float]]:
    """The kind of problem, its classes and their shares; see `task_of`."""
    if not label:
        return "binary", (), {}
    require_a_label(next(one for one in columns if one.name == label), table[label], wished)
    found = task_of(table, label, classes, wished, sampled=sampled)
    if not sampled:  # else all rows are read for it
        counts = as_text(table[label].dropna()).value_counts()
        require_within(label, classes, {str(name): int(count) for name, count in counts.items()})
    return found


def _require_a_table(frame: pd.DataFrame, headers: list[str]) -> None:
    repeated = sorted({header for header in headers if headers.count(header) > 1})
    problem = ""
    if repeated:
        problem = f"columns share a name: {some(repeated)}"
    elif len(headers) < 2:  # noqa: PLR2004  a label and something to tell it by
        problem = f"there is one column only, {some(headers)}"
    elif len(frame) < FEWEST_ROWS:
        problem = f"there are {len(frame)} rows"
    if problem:
        raise ScaffoldRefused(
            "no model can be made of this table",
            where="DATA",
            expected=f"columns of different names, a label and something to tell it by, at least {FEWEST_ROWS} rows",
            got=problem,
            next_step="give another table; where the delimiter is the matter, save it with commas",
        )


def found_column(asked: str, known: Mapping[str, str], what: str) -> str:
    """The name of a column that was asked for by header or name.

    Args:
        asked: The header or name.
        known: Names by header.
        what: The argument that asks for it.

    Raises:
        ScaffoldRefused: There is none.
    """
    if asked in known:
        return known[asked]
    if asked in known.values():
        return asked
    close = get_close_matches(asked, [*known, *known.values()], n=1)
    raise ScaffoldRefused(
        f"there is no column {asked!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
        where=what,
        expected=f"one of {some(known, 20)}",
        got=asked,
        next_step=f"say {what}=<column>",
    )


def require_different(*columns: str | None) -> None:
    """Refuse a column that is two of label, time and entity."""
    named = [name for name in columns if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise ScaffoldRefused(
            "a column is asked to be two things",
            where="LABEL, TIME, ENTITY",
            expected="a column of its own for each",
            got=some(twice),
            next_step="name another column, or leave TIME or ENTITY out",
        )


def _times(column: pd.Series, described: ColumnProfile) -> pd.Series:
    times = times_of(column, described.time_format)
    require_times(times, described, column)
    return times


def require_times(times: pd.Series, described: ColumnProfile, column: pd.Series) -> None:
    """Refuse rows without a time.

    Args:
        times: What was read of them.
        described: The column.
        column: Its values as they are written.
    """
    wrong = times.isna()
    if wrong.any():
        raise ScaffoldRefused(
            "the time column does not parse",
            where=f"TIME={described.header}",
            expected="a time in each row, all written alike: ISO 8601, or day, month and year with or without a clock",
            got=f"{int(wrong.sum())} of {len(column)} rows are none, e.g. {some(map(repr, column[wrong].head(5)))}",
            next_step="mend these rows, name another column, or leave TIME out: rows are then split by their key",
        )


def require_entities(table: pd.DataFrame, entity: tuple[str, ...], first_row: int = 0) -> None:
    """Refuse rows without an entity; `first_row` is how many rows of the source came before the table's."""
    for name in entity:
        missing = table[name].isna()
        if missing.any():
            places = first_row + missing.to_numpy().nonzero()[0]
            raise ScaffoldRefused(
                "rows do not say what they are about",
                where=f"ENTITY={name}",
                expected="a value in each row",
                got=f"{int(missing.sum())} of {len(table)} missing, in rows {some(places)}",
                next_step="take these rows out of the source, or name another column",
            )
