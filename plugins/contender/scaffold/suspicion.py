"""Columns that tell the label by themselves, or that are filled in only once it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from contender.adapters.source_values import as_numbers, as_text
from contender.core.policy import GatePolicy, Task
from contender.scaffold.kinds import ColumnProfile, times_of
from contender.stages.gate.holdout import Holdout, Rows
from contender.stages.gate.leakage import strongest

AFTER = 0.05  # share of values that may lie after the row's time, for clocks that differ
FILLED_FOR_ONE = 0.02  # share of the values that may belong to the other classes
ROWS = 20_000
LIMIT: float = GatePolicy.model_fields["max_single_feature_power"].default


def leaks(
    table: pd.DataFrame,
    columns: tuple[ColumnProfile, ...],
    label: str,
    task: Task,
    classes: tuple[str, ...],
    moments: pd.Series | None,
) -> tuple[ColumnProfile, ...]:
    """The same columns, each with why it is suspected.

    A column that alone orders the label nearly without a fault would be rejected by the gate, whose own measure is
    taken here (`contender/stages/gate/leakage.py`).

    Args:
        table: The rows.
        columns: Their columns.
        label, task, classes: What is predicted.
        moments: When each row happened, where that is known.
    """
    known = table[label].notna()
    codes = _codes(table.loc[known, label], classes, task)
    powers = _powers(table[known], columns, label, codes, task)
    found = []
    for column in columns:
        why = ""
        if column.name == label:
            pass
        elif powers.get(column.name, 0.0) > LIMIT:
            why = f"alone it tells {label} nearly without a fault ({powers[column.name]:.3f} of 1)"
        elif column.kind == "time" and moments is not None and _after(table[column.name], column, moments):
            why = "its times lie after the row's own"
        elif task in ("binary", "multiclass") and _filled_for_one(table.loc[known, column.name], codes):
            why = f"it is filled in for one value of {label} alone"
        found.append(replace(column, leak=why))
    return tuple(found)


def _codes(label: pd.Series, classes: tuple[str, ...], task: Task) -> pd.Series:
    if classes:
        return as_text(label).map({name: code for code, name in enumerate(classes)}).astype("float64")
    return pd.to_numeric(label.astype("string"), errors="coerce").astype("float64")


def _powers(
    table: pd.DataFrame, columns: tuple[ColumnProfile, ...], label: str, codes: pd.Series, task: Task
) -> dict[str, float]:
    """How much of the label each column tells by itself, learnt on one half of the rows and measured on the other."""
    usable = codes.notna().to_numpy()
    rows, labels = table[usable].head(ROWS).reset_index(drop=True), codes[usable].head(ROWS).reset_index(drop=True)
    inputs = [one for one in columns if one.kind in ("number", "category") and one.name != label]
    frame = pd.DataFrame({one.name: _values(rows[one.name], one) for one in inputs})
    half = np.arange(len(rows)) % 2 == 0
    measured = labels[~half].reset_index(drop=True)
    found: dict[str, float] = {}
    for one in inputs:
        part = frame.loc[~half, [one.name]].reset_index(drop=True)
        holdout = Holdout(
            task=task, labels=measured, challenger=measured, reference=measured, clusters=range(len(measured)),
            frame=part, inputs=(one.name,), training=frame[half].assign(**{label: labels[half]}), label=label,
        )  # fmt: skip
        values = Rows(
            labels=measured.to_numpy() == 1 if task == "binary" else measured.to_numpy(),
            challenger=measured.to_numpy(), reference=measured.to_numpy(), codes=np.arange(len(measured)),
            clusters=len(measured),
        )  # fmt: skip
        found |= {leak.column: float(leak.power) for leak in strongest(holdout, values)}
    return found


def _values(column: pd.Series, described: ColumnProfile) -> pd.Series:
    return as_numbers(column) if described.kind == "number" else as_text(column)


def _after(column: pd.Series, described: ColumnProfile, moments: pd.Series) -> bool:
    times = times_of(column, described.time_format)
    return bool((times[times.notna()] > moments[times.notna()]).mean() > AFTER)


def _filled_for_one(column: pd.Series, codes: pd.Series) -> bool:
    filled, known = column.notna(), codes.notna()
    share = float(filled.mean())
    if not 0 < share < 1 - FILLED_FOR_ONE:
        return False
    by_class = codes[filled & known].value_counts(normalize=True)
    base = codes[known].value_counts(normalize=True)
    if by_class.empty:
        return False
    top = by_class.index[0]
    return bool(by_class.iloc[0] >= 1 - FILLED_FOR_ONE and base[top] < 1 - 5 * FILLED_FOR_ONE)
