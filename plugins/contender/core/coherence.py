"""Whether the parts of a spec hang together: what can be known of it before any row is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING

from contender.core import naming
from contender.core.misfits import Misfit, repeated
from contender.core.task_settings import unknown_tasks
from contender.core.windows import DAYS, Shares

if TYPE_CHECKING:
    from contender.core.spec import ModelSpec

BINARY_CLASSES, MULTICLASS_FROM = 2, 3
REQUEST = "request"
OF_A_PANEL = re.compile(r"(lag|mean)_\d+")


def misfits_of(spec: ModelSpec) -> Iterator[Misfit]:
    """Each thing that the spec says and that cannot work."""
    yield from _names(spec)
    yield from _columns(spec)
    yield from _times(spec)
    yield from _task(spec)
    yield from spec.gate.misfits(spec.task)
    yield from unknown_tasks(spec.tasks)


def _names(spec: ModelSpec) -> Iterator[Misfit]:
    yield from repeated("columns", (column.name for column in spec.columns))
    tables, views = [table.name for table in spec.tables], [view.name for view in spec.views]
    twice = [*repeated("tables", tables), *repeated("views", views)]
    yield from twice
    if not twice:  # all of these are tables of the lake, whose names are one set
        yield from repeated(
            "tables, views and what the platform makes of them", [*tables, *views, *spec.derived_tables()]
        )
    if REQUEST in views:
        yield Misfit("views", "another name: columns of the request have this source", repr(REQUEST))
    if spec.name in spec.owners():
        yield Misfit("owner", "no owner where the model itself is it", repr(spec.name))


def _columns(spec: ModelSpec) -> Iterator[Misfit]:
    known = {REQUEST, *(view.name for view in spec.views)}
    derived = spec.panel.features() if spec.panel else ()
    for field, name in (("label", spec.label), *((f"columns.{column.name}", column.name) for column in spec.columns)):
        if name in naming.OF_A_TRAINING_SET:
            yield Misfit(field, "another name: the platform has a column of this one", repr(name))
    for column in spec.columns:
        field = f"columns.{column.name}"
        if column.source not in known:
            yield Misfit(f"{field}.source", f"one of {', '.join(sorted(known))}", repr(column.source))
        if column.name == spec.label:
            yield Misfit(
                "label", "a column that is no input: the model would be told what it is to predict", column.name
            )
        if spec.panel and OF_A_PANEL.fullmatch(column.name) and column.name not in derived:
            yield Misfit(field, f"one of the panel's {', '.join(derived)}", repr(column.name))


def _times(spec: ModelSpec) -> Iterator[Misfit]:
    if spec.data_until is not None and spec.data_until <= spec.data_from:
        yield Misfit("data_until", f"a time after data_from, {spec.data_from}", spec.data_until)
    for name, moment in (("data_from", spec.data_from), ("data_until", spec.data_until)):
        if moment is not None and moment != moment.astimezone(UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        ):
            yield Misfit(name, "the first moment of a month, UTC", moment)
    unfit = list(spec.windows.misfits(spec.schedule))
    yield from unfit or _trials(spec)
    first, by_shares = spec.tables[0], isinstance(spec.windows, Shares)
    if by_shares and spec.label_delay_hours:
        yield Misfit("label_delay_hours", "0: rows by Shares have no time of their own", spec.label_delay_hours)
    if spec.panel and spec.label_delay_hours:
        yield Misfit("label_delay_hours", "0: a panel knows a step when it ends", spec.label_delay_hours)
    if by_shares and (spec.panel or first.time_column):
        got = f"Shares, {'a panel' if spec.panel else f'{first.name}.{first.time_column}'}"
        yield Misfit("windows", "Windows: Shares are for rows without a time", got)
    if first.source and not first.time_column and not by_shares:
        yield Misfit("windows", f"Shares: the rows of {first.name} have no time_column", "Windows")


def _trials(spec: ModelSpec) -> Iterator[Misfit]:
    """Windows that leave a trial no row whose label is known when the first of its folds begins."""
    if isinstance(spec.windows, Shares):
        return
    delay, folds = spec.label_delay_hours / 24, spec.tuning.folds * spec.tuning.validation_days
    longest = DAYS[spec.schedule][1] - spec.windows.holdout_starts_after_days
    needed = longest + max(spec.windows.gap_hours / 24, delay) + folds + delay
    if spec.windows.history_days <= needed:
        expected = f"more than {needed:g}, which holdout ({longest}), gap, folds ({folds}) and label delay take"
        yield Misfit("windows.history_days", expected, spec.windows.history_days)


def _task(spec: ModelSpec) -> Iterator[Misfit]:
    """What this model, or any of this task, cannot have, or lacks."""
    count, names = len(spec.classes), ", ".join(spec.classes) or "none"
    yield from repeated("classes", spec.classes)
    if spec.task == "multiclass" and count < MULTICLASS_FROM:
        yield Misfit("classes", f"the names of {MULTICLASS_FROM} or more of a multiclass model", names)
    if spec.task == "binary" and count not in (0, BINARY_CLASSES):
        yield Misfit("classes", f"the names of {BINARY_CLASSES}, the predicted one last, or none", names)
    if spec.task in ("regression", "forecast") and count:
        yield Misfit("classes", f"none, as a {spec.task} model predicts a number", names)
    if spec.task != "forecast" and spec.panel:
        yield Misfit("panel", f"none of a {spec.task} model: a panel is of task 'forecast'", repr(spec.panel.step))
    if spec.planted and (spec.task != "binary" or spec.classes):
        yield Misfit("planted", "none but of task 'binary' without classes", f"task {spec.task!r}, classes {names}")
