"""The holdout: the labelled rows on which challenger and reference are compared, and what makes them usable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contender.core.errors import DataError, NoLabels, some
from contender.core.policy import Task
from contender.stages.gate.resampling import Codes, Flags, Floats

MISSING = "(missing)"
SUM_TOLERANCE = 1e-4  # by which a row's class probabilities may miss 1: models answer in float32


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """Rows whose label was observed, with the answers of both models. The order of the rows does not matter.

    Attributes:
        task: Kind of problem.
        labels: For each row 0 or 1 (binary), the class's place among the scores' columns (multiclass), or a number.
        challenger: The challenger's answers: probability of label 1, shape (n,); of each class, shape (n, classes),
            each row summing to 1; or the predicted number, shape (n,).
        reference: The same, by what it is compared with.
        clusters: For each row the value of `GatePolicy.cluster`, of any sortable type.
        frame: The same rows in the same order: inputs, slice and fairness columns. Its index is not used.
        inputs: The challenger's input columns in `frame`.
        training: The training rows; needed where an input is a category, see `leakage.py`.
        label: Name of their label column.
        scale: For a forecast the in-sample mean absolute error of each row's series by the naive forecast.
    """

    task: Task
    labels: Any
    challenger: Any
    reference: Any
    clusters: Any
    frame: pd.DataFrame
    inputs: tuple[str, ...] = ()
    training: pd.DataFrame | None = None
    label: str = ""
    scale: Any = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A holdout as arrays of one length, without a value that cannot be measured.

    Attributes:
        labels: Flags (binary), integers from 0 (multiclass) or float64.
        challenger, reference: float64 of shape (n,), multiclass (n, classes).
        codes: The cluster of each row, from 0.
        clusters: Their number.
        scale: float64 of shape (n,), or `None`.
    """

    labels: npt.NDArray[Any]
    challenger: Floats
    reference: Floats
    codes: Codes
    clusters: int
    scale: Floats | None = None


def checked(holdout: Holdout) -> Rows:
    """The holdout's columns as arrays.

    Raises:
        NoLabels: There are no rows.
        DataError: Lengths or shapes differ, a label or score is missing or out of its range, a row has no cluster.
    """
    labels, ours, theirs = (_numbers(given) for given in (holdout.labels, holdout.challenger, holdout.reference))
    codes, values = pd.factorize(pd.Series(holdout.clusters), sort=True)
    scale = None if holdout.scale is None else _numbers(holdout.scale)
    lengths = {
        "labels": len(labels),
        "challenger": len(ours),
        "reference": len(theirs),
        "clusters": len(codes),
        "frame": len(holdout.frame),
    } | ({} if scale is None else {"scale": len(scale)})
    if len(set(lengths.values())) > 1:
        raise DataError(
            "the holdout's columns differ in length",
            where="holdout",
            expected="one length",
            got=lengths,
            next_step="take labels, scores and frame from the same rows; nothing was decided",
        )
    if not len(labels):
        raise NoLabels(
            "the holdout has no labelled row",
            where="holdout",
            expected="at least one",
            got=0,
            next_step="choose an interval whose labels have arrived",
        )
    _require_shapes(holdout.task, ours, theirs)
    known, what = _known(holdout.task, labels, ours)
    _refuse(~known, labels, "labels", what)
    for name, scores in (("challenger scores", ours), ("reference scores", theirs)):
        sound, what = _sound(holdout.task, scores)
        _refuse(~sound, scores, name, what)
    _refuse(codes < 0, codes, "clusters", "a value in each row")
    if scale is not None:
        _refuse(~(np.isfinite(scale) & (scale > 0)), scale, "scale", "a positive number")
    return Rows(
        labels=labels.astype({"binary": np.bool_, "multiclass": np.int64}.get(holdout.task, np.float64)),
        challenger=ours,
        reference=theirs,
        codes=codes.astype(np.int64),
        clusters=len(values),
        scale=scale,
    )


def column_of(frame: pd.DataFrame, name: str, asked_by: str) -> pd.Series:
    """A column of the holdout's frame, indexed from 0.

    Raises:
        DataError: There is no such column.
    """
    if name not in frame:
        raise DataError(
            f"the holdout has no column {name}",
            where=asked_by,
            expected=f"one of {some(sorted(map(str, frame.columns)), 20)}",
            got=name,
            next_step="add it to the training set, or take it out of the policy",
        )
    return frame[name].reset_index(drop=True)


def groups_of(frame: pd.DataFrame, name: str, asked_by: str) -> pd.Series:
    """The same as `texts`, to make groups of.

    Raises:
        DataError: There is no such column, or no row has a value.
    """
    column = column_of(frame, name, asked_by)
    if column.isna().all():
        raise DataError(
            f"the column {name} is empty: no row of the holdout has a value",
            where=asked_by,
            expected="values to make groups of",
            got=f"{len(column)} missing",
            next_step="mend what fills it, or take it out of the policy",
        )
    return texts(column)


def texts(column: pd.Series) -> pd.Series:
    """Values as text; missing ones are a value too."""
    return column.astype("string").fillna(MISSING)


def _numbers(given: Any) -> Floats:
    if isinstance(given, np.ndarray) and given.dtype.kind in "fiub":
        return given.astype(np.float64)
    return pd.Series(given).to_numpy(dtype=np.float64, na_value=np.nan)


def _require_shapes(task: Task, ours: Floats, theirs: Floats) -> None:
    dimensions, what = (2, "tables (rows, classes)") if task == "multiclass" else (1, "columns")
    if ours.shape != theirs.shape or ours.ndim != dimensions:
        raise DataError(
            f"the models' scores cannot be those of a {task} model",
            where="holdout",
            expected=f"two {what} of one shape",
            got=f"challenger {ours.shape}, reference {theirs.shape}",
            next_step="compare models of one task and the same classes; nothing was decided",
        )


def _known(task: Task, labels: Floats, scores: Floats) -> tuple[Flags, str]:
    """Which labels can be measured, and which would."""
    if task == "binary":
        return np.isin(labels, (0.0, 1.0)), "0 or 1"
    if task == "multiclass":
        classes = scores.shape[1]
        return np.isin(labels, np.arange(classes)), f"a class from 0 to {classes - 1}"
    return np.isfinite(labels), "a finite number"


def _sound(task: Task, scores: Floats) -> tuple[Flags, str]:
    """Which rows' scores can be measured, and which would."""
    if task == "binary":
        return (scores >= 0) & (scores <= 1), "a probability between 0 and 1"
    if task == "multiclass":
        within = ((scores >= 0) & (scores <= 1)).all(axis=1)
        return within & (np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE), "probabilities that sum to 1"
    return np.isfinite(scores), "a finite number"


def _refuse(wrong: Flags, values: Any, name: str, expected: str) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise DataError(
            f"{name} of {len(rows)} of {len(wrong)} holdout rows cannot be measured",
            where=f"holdout, rows {some(rows)}",
            expected=expected,
            got=some(values[rows]),
            next_step="mend what computes them; nothing was decided",
        )
