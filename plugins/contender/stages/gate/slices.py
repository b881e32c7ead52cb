"""The deciding metric's improvement in slices of the holdout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from contender.core.errors import DataError
from contender.core.evidence import Estimate, SliceFigures
from contender.core.policy import GatePolicy
from contender.stages.gate.clusters import effective, too_few
from contender.stages.gate.holdout import Holdout, Rows, groups_of
from contender.stages.gate.metrics import METRICS
from contender.stages.gate.resampling import Codes, Combination, Flags, Floats, Nearer, simultaneous

Improvement = Combination | Nearer
MAX_VALUES = 200  # of one column: more are no slices but a number or a name


@dataclass(frozen=True)
class Slice:
    """Rows of one value of one column.

    Attributes:
        column, value: Which.
        members: Whether each row of the holdout is one of them.
        minimum_rows: Fewer are not enough.
    """

    column: str
    value: str
    members: Flags
    minimum_rows: int


def slice_figures(
    holdout: Holdout, rows: Rows, policy: GatePolicy, groups: Codes, weights: Floats, alpha: float
) -> tuple[SliceFigures, ...]:
    """The deciding metric's improvement in each slice of the policy's columns, by column and value.

    All intervals hold at once with confidence 1 - `alpha`, by the largest studentised deviation among all slices that
    are tested in each resample (max-t: Romano & Wolf 2005, Econometrica 73): a hundred slices do not make five that
    look worse by chance.

    Args:
        holdout, rows: The holdout as given and as arrays.
        policy: Names columns, sizes and the metric.
        groups: Resampling group of each row, see `resampling.grouped`.
        weights: Resamples of the groups; none where the holdout carries no interval.
        alpha: One minus the confidence.

    Raises:
        DataError: A column is missing or empty, or has too many values.
    """
    found = [of for rule in policy.slices for of in _slices(holdout.frame, rule.column, rule.minimum_rows)]
    reasons = [_not_enough(one, rows, policy, len(weights)) for one in found]
    tested = [one for one, reason in zip(found, reasons, strict=True) if not reason]
    improvements = [_improvement(one, holdout, rows, policy, groups, weights.shape[1]) for one in tested]
    estimates = iter(simultaneous(improvements, weights, alpha))
    return tuple(
        _reported(one, rows, policy.metric, reason, None if reason else next(estimates))
        for one, reason in zip(found, reasons, strict=True)
    )


def _slices(frame: pd.DataFrame, column: str, minimum_rows: int) -> list[Slice]:
    values = groups_of(frame, column, "gate.slices")
    names = sorted(values.unique())
    if len(names) > MAX_VALUES:
        raise DataError(
            f"the column {column} has too many values to make slices of",
            where="gate.slices",
            expected=f"at most {MAX_VALUES}",
            got=len(names),
            next_step="slice by a coarser column",
        )
    return [Slice(column, name, (values == name).to_numpy(), minimum_rows) for name in names]


def _not_enough(one: Slice, rows: Rows, policy: GatePolicy, resamples: int) -> str:
    count, codes = int(one.members.sum()), rows.codes[one.members]
    if count < one.minimum_rows:
        return f"{count} rows, at least {one.minimum_rows} are needed"
    if few := too_few(len(np.unique(codes)), effective(codes), policy):
        return few
    return "" if resamples else "the holdout carries no interval"


def _improvement(
    one: Slice, holdout: Holdout, rows: Rows, policy: GatePolicy, groups: Codes, count: int
) -> Improvement:
    metric, inside = METRICS[holdout.task][policy.metric], one.members
    scale = None if rows.scale is None else rows.scale[inside]
    own, other = (
        metric.statistics(rows.labels[inside], scores[inside], groups[inside], count, scale)
        for scores in (rows.challenger, rows.reference)
    )
    return metric.improvement(own, other)


def _reported(one: Slice, rows: Rows, metric: str, not_enough: str, estimate: Estimate | None) -> SliceFigures:
    if not not_enough and estimate is None:
        not_enough = f"{metric} has no value in it"
    elif estimate is not None and estimate.low is None:
        not_enough, estimate = "some resamples of its clusters carry no value", None
    return SliceFigures(
        column=one.column,
        value=one.value,
        rows=int(one.members.sum()),
        clusters=_clusters(one, rows),
        improvement=estimate,
        not_enough=not_enough,
    )


def _clusters(one: Slice, rows: Rows) -> int:
    return len(np.unique(rows.codes[one.members]))
