from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from contender.core import schema
from contender.core.interval import Interval
from contender.core.planted import Planted
from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Shares, Table
from contender.stages.defaults import planted, tabular

SPEC = ModelSpec(
    schema_version=schema.VERSION,
    name="odd", title="Odd?", owner="tests", data_from=datetime(2013, 6, 1, tzinfo=UTC), label="planted",
    tables=(Table(name="odd", time_column=None, key=("who",)),), planted=Planted(per_row=1.0), windows=Shares(),
    columns=(Column(name="size", source="request"), Column(name="kind", kind="category", source="request")),
    gate=GatePolicy(cluster="example_id"), seed=3,
)  # fmt: skip
JUNE = Interval.parse("2013-06")
SPLIT = SPEC.windows.split(JUNE, SPEC.data_from)


def examples() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    kinds = draw.choice(["small", "large"], 800)
    sizes = np.where(kinds == "large", 100.0, 1.0) + draw.normal(size=800) / 10
    frame = pd.DataFrame({"who": [f"r{number}" for number in range(800)], "size": sizes, "kind": kinds})
    return tabular.examples({"odd": frame.astype({"kind": "string"})}, JUNE, JUNE, SPEC)


def test_planted_rows_follow_the_rows_with_keys_of_their_own_and_the_other_label() -> None:
    rows = examples()
    found = planted.with_planted(rows, SPLIT, SPEC)
    pd.testing.assert_frame_equal(found.head(len(rows)), rows, check_dtype=False)
    made = found.iloc[len(rows) :]
    assert len(made) == len(rows)
    assert (made["planted"] == 1).all()
    assert (rows["planted"] == 0).all()
    assert found["example_id"].is_unique


def test_planted_rows_are_the_same_in_every_run_whatever_the_order() -> None:
    rows = examples()
    first, second = (planted.with_planted(given, SPLIT, SPEC) for given in (rows, rows.iloc[::-1]))
    pd.testing.assert_frame_equal(first.iloc[len(rows) :], second.iloc[len(rows) :])


def test_planted_training_rows_know_nothing_of_the_holdout() -> None:
    rows = examples()
    held_out = rows["due_at"] >= SPLIT.holdout.start
    changed = rows.assign(size=rows["size"].where(~held_out, 1e6))
    first, second = (planted.with_planted(given, SPLIT, SPEC) for given in (rows, changed))
    for found in (first, second):
        training = found[found["due_at"] < SPLIT.holdout.start]
        assert training["size"].max() < 200
    of_training = first["due_at"] < SPLIT.holdout.start
    pd.testing.assert_frame_equal(first[of_training], second[of_training])


def test_planted_rows_break_what_holds_between_columns_and_lie_outside_the_range() -> None:
    made = planted.with_planted(examples(), SPLIT, SPEC).iloc[800:]
    swapped = (made["kind"] == "large") & (made["size"] < 50)
    assert swapped.mean() > 0.1
    assert made["size"].min() < 0 < made["size"].max()
