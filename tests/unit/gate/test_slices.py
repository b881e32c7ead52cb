from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core.errors import DataError
from contender.core.evidence import SliceFigures
from contender.core.policy import GatePolicy, SliceRule, Task
from contender.stages.gate.holdout import Holdout
from contender.stages.gate.rules import decide
from contender.stages.gate.slices import MAX_VALUES
from tests.unit.gate.simulated import METRIC, TASKS, holdout, logistic, measured, permuted, reason, simulated, swapped


def _policy(*columns: str, **more: Any) -> GatePolicy:
    rules = tuple(SliceRule(column=column, minimum_rows=100) for column in columns)
    return GatePolicy(resamples=400, slices=rules, **more)


def _figures(rows: Holdout, policy: GatePolicy) -> dict[str, SliceFigures]:
    return {found.value: found for found in measured(rows, policy).slices}


def test_slices_cover_every_row_once_and_are_wider_than_a_slice_of_its_own() -> None:
    rows = holdout()
    found = _figures(rows, _policy("origin"))
    assert list(found) == ["EWR", "JFK"]
    assert sum(one.rows for one in found.values()) == 720
    for value, one in found.items():
        inside = (rows.frame["origin"] == value).to_numpy()
        alone = measured(
            replace(
                rows, labels=rows.labels[inside], challenger=rows.challenger[inside],
                reference=rows.reference[inside], clusters=rows.clusters[inside], frame=rows.frame[inside],
            ),
            GatePolicy(resamples=400),
        ).improvement["log_loss"]  # fmt: skip
        assert one.improvement is not None
        assert one.improvement.value == pytest.approx(alone.value)
        assert one.clusters == 12
        assert one.improvement.low is not None
        assert one.improvement.low < (alone.low or 0)


@pytest.mark.parametrize("task", TASKS)
def test_slices_of_every_task_when_models_are_swapped_are_mirrored(task: Task) -> None:
    rows, policy = simulated(task), _policy("origin", metric=METRIC[task])
    there, back = _figures(rows, policy), _figures(swapped(rows), policy)
    for value, one in there.items():
        assert one.improvement is not None
        mirrored = back[value].improvement
        assert mirrored is not None
        assert one.improvement.low is not None
        assert mirrored.high is not None
        assert (one.improvement.value, one.improvement.low) == (-mirrored.value, -mirrored.high)


@pytest.mark.parametrize("task", TASKS)
def test_slices_when_rows_are_permuted_are_the_same(task: Task) -> None:
    rows, policy = simulated(task), _policy("origin", metric=METRIC[task])
    order = np.random.default_rng(5).permutation(len(rows.labels))
    assert _figures(rows, policy) == _figures(permuted(rows, order), policy)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("small", "60 rows, at least 100 are needed"),
        ("short", "3 clusters of day, at least 7 are needed: 4 more"),
        ("quiet", "auc has no value in it"),
        ("one day", "some resamples of its clusters carry no value"),
    ],
)
def test_slices_without_enough_data_say_why_and_have_no_figure(value: str, said: str) -> None:
    rows = holdout(days=12, each=100)
    within, day = np.arange(1200) % 100, np.arange(1200) // 100
    column = np.full(1200, "rest", dtype=object)
    column[within < 5] = "small"
    column[(within >= 5) & (within < 50) & (day < 3)] = "short"
    column[(within >= 50) & (within < 60)] = "quiet"
    column[(within >= 60) & (within < 70)] = "one day"
    labels = np.where(column == "quiet", 0, rows.labels)
    labels = np.where(column == "one day", day == 0, labels)
    given = replace(rows, labels=labels, frame=rows.frame.assign(kind=column))
    found = _figures(given, _policy("kind", metric="auc"))
    assert found[value].improvement is None
    assert found[value].not_enough == said
    assert found["rest"].improvement is not None


def test_slices_of_one_class_are_measured_where_the_metric_has_a_value() -> None:
    rows = holdout(days=12, each=100)
    quiet = np.arange(1200) % 10 == 0
    given = replace(
        rows, labels=np.where(quiet, 0, rows.labels),
        frame=rows.frame.assign(kind=np.where(quiet, "quiet", "rest").astype(object)),
    )  # fmt: skip
    found = _figures(given, _policy("kind"))["quiet"]
    assert found.not_enough == ""
    assert found.improvement is not None
    assert found.improvement.low is not None


def test_slices_of_a_holdout_without_intervals_say_so() -> None:
    found = _figures(holdout(days=6, each=100), _policy("origin", minimum_clusters=6))
    assert all(one.improvement is not None for one in found.values())
    held = _figures(holdout(days=6, each=100), _policy("origin"))
    assert {one.not_enough for one in held.values()} == {"6 clusters of day, at least 7 are needed: 1 more"}


def test_slices_take_missing_values_as_one_more() -> None:
    rows = holdout()
    frame = rows.frame.assign(origin=rows.frame["origin"].where(np.arange(720) % 3 > 0))
    assert list(_figures(replace(rows, frame=frame), _policy("origin"))) == ["(missing)", "EWR", "JFK"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (None, "the holdout has no column kind; where: gate.slices"),
        (np.full(720, None), "the column kind is empty: no row of the holdout has a value; where: gate.slices"),
        (np.arange(720), f"the column kind has too many values.*at most {MAX_VALUES}; got: 720"),
    ],
    ids=["missing", "empty", "a number of its own"],
)
def test_slices_by_a_column_that_makes_none_refuse_and_name_it(values: Any, said: str) -> None:
    rows = holdout()
    frame = rows.frame if values is None else rows.frame.assign(kind=values)
    with pytest.raises(DataError, match=said):
        measured(replace(rows, frame=frame), _policy("kind"))


def test_gate_that_is_better_on_the_whole_and_worse_in_one_slice_rejects() -> None:
    rows = holdout(days=14, each=240)
    harmed = np.arange(14 * 240) % 12 == 0
    frame = rows.frame.assign(kind=np.where(harmed, "harmed", "helped"))
    challenger = np.where(harmed, 0.5, rows.challenger)
    given = replace(rows, challenger=challenger, frame=frame)
    whole = decide(measured(given, GatePolicy(resamples=400)), GatePolicy(resamples=400))
    verdict = decide(measured(given, _policy("kind")), _policy("kind"))
    assert whole.verdict == "promote"
    assert verdict.verdict == "reject"
    assert "slices worse: kind=harmed worse by" in reason(verdict, "slices")


def test_slices_of_equal_models_are_all_spared_about_as_often_as_alpha_says() -> None:
    """Twenty slices at once: without the correction a slice would look worse on almost half of the holdouts."""
    blamed = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        day, kind = np.repeat(np.arange(15), 120), np.arange(1800) % 20
        logit = rng.normal(size=1800) - 1
        ours, theirs = (logistic(logit + rng.normal(0, 0.5, 1800)) for _ in range(2))
        given = Holdout(
            task="binary", labels=rng.random(1800) < logistic(logit), challenger=ours, reference=theirs,
            clusters=day, frame=pd.DataFrame({"kind": kind, "x": 0.0}), inputs=("x",),
        )  # fmt: skip
        rules = (SliceRule(column="kind", minimum_rows=50),)
        found = measured(given, GatePolicy(resamples=200, slices=rules), in_full=False).slices
        assert len(found) == 20
        blamed += any(one.improvement is not None and (one.improvement.high or 0) < 0 for one in found)
    assert blamed <= 7, "expected 2.5 of 100; more than 7 has a probability below 0.005"
