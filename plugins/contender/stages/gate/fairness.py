"""Rates of the models' decisions by group, by fairlearn."""

from __future__ import annotations

import fairlearn.metrics
import numpy as np
import pandas as pd

from contender.core.evidence import GroupFigures
from contender.core.policy import FairnessRule
from contender.stages.gate.holdout import Holdout, Rows, groups_of
from contender.stages.gate.resampling import Flags, Floats


def groups(holdout: Holdout, rows: Rows, rules: tuple[FairnessRule, ...]) -> tuple[GroupFigures, ...]:
    """The figures of each rule; none for tasks without a decision between two.

    Raises:
        DataError: `holdout.frame` lacks a rule's column, or the column is empty.
    """
    if holdout.task != "binary":
        return ()
    return tuple(_figures(rule, groups_of(holdout.frame, rule.column, "gate.fairness"), rows) for rule in rules)


def _figures(rule: FairnessRule, group: pd.Series, rows: Rows) -> GroupFigures:
    """Rates of the groups with enough of the rows that the rate is taken of: all, the positive or the negative ones."""
    positive: Flags = rows.labels
    counted = {"selection_rate": np.full(len(positive), True), "true_positive_rate": positive}
    counts = group[counted.get(rule.measure, ~positive)].value_counts()
    enough = counts.index[counts >= rule.minimum_rows]
    kept = group.isin(enough).to_numpy()
    left_out = tuple(sorted(set(group.unique()) - set(enough)))
    rates = [_rates(rule, group[kept], positive[kept], of[kept]) for of in (rows.challenger, rows.reference)]
    ours, theirs = (max(of.values()) - min(of.values()) if len(of) > 1 else None for of in rates)
    return GroupFigures(
        column=rule.column, measure=rule.measure, threshold=rule.threshold, groups=rates[0], challenger=ours,
        champion=theirs, left_out=left_out,
    )  # fmt: skip


def _rates(rule: FairnessRule, group: pd.Series, positive: Flags, scores: Floats) -> dict[str, float]:
    if not len(group):
        return {}
    # Equal rows as one with their number as its weight: fairlearn handles rows one by one.
    decided = pd.DataFrame({"group": group, "positive": positive, "decided": scores >= rule.threshold})
    cells = decided.value_counts().reset_index(name="rows")
    frame = fairlearn.metrics.MetricFrame(
        metrics=getattr(fairlearn.metrics, rule.measure), y_true=cells["positive"], y_pred=cells["decided"],
        sensitive_features=cells["group"], sample_params={"sample_weight": cells["rows"]},
    )  # fmt: skip
    return {str(name): float(rate) for name, rate in sorted(frame.by_group.items())}
