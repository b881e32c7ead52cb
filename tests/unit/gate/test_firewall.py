"""Rows of a June holdout against models trained on the days before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contender.core.interval import Interval
from contender.core.lineage import Trace, Traced, Untraced
from contender.core.results import Snapshot
from contender.stages.gate.fingerprints import traced
from contender.stages.gate.firewall import contamination

START = datetime(2013, 6, 15, tzinfo=UTC)
HOLDOUT = Interval.parse("2013-06-15/2013-06-20")
TRAIN = Interval.parse("2013-06-01/2013-06-14")


def _rows(first: datetime, days: int, each: int = 4) -> pd.DataFrame:
    """Some rows on each of some days from the first on: day as a local date, customers that come again each day."""
    due = [first + timedelta(days=day, hours=5 * row) for day in range(days) for row in range(each)]
    return pd.DataFrame(
        {
            "example_id": [f"row {moment:%Y%m%dT%H}" for moment in due],
            "due_at": pd.Series(due).dt.as_unit("us"),
            "day": [f"{moment - timedelta(hours=4):%Y-%m-%d}" for moment in due],
            "customer": [row for _ in range(days) for row in range(each)],
        }
    )


ROWS = _rows(START, 5)
TRAINED = _rows(TRAIN.start, 13)


def _traced(
    rows: pd.DataFrame = TRAINED, version: str = "2", train: Interval = TRAIN, cluster: str = "day", **more: Any
) -> Traced:
    return traced(
        rows, version=version, model_digest="a" * 64, train=train, cluster=cluster,
        training_set=Snapshot(table="toy_training_set", version=1, digest="d" * 64, rows=len(rows)), **more,
    )  # fmt: skip


def _said(
    *champion: Trace, challenger: Sequence[Trace] = (), rows: pd.DataFrame = ROWS, cluster: str = "day", **more: Any
) -> str:
    known = {"challenger": challenger or [_traced(version="3", cluster=cluster)]}
    return contamination(
        rows, more.get("holdout", HOLDOUT), cluster, known | ({"champion": champion} if champion else {})
    )


def _with(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([TRAINED, rows], ignore_index=True)


def test_contamination_of_a_holdout_that_is_new_to_all_is_empty() -> None:
    assert _said() == ""
    assert _said(_traced()) == ""
    assert _said(_traced(ancestors=("1",)), _traced(version="1")) == ""


def test_contamination_by_customer_lets_the_same_customers_come_on_other_days() -> None:
    assert set(ROWS["customer"]) == set(TRAINED["customer"])
    assert _said(_traced(cluster="customer"), cluster="customer") == ""


def test_contamination_by_one_row_under_its_own_key_names_it() -> None:
    # Its time was shifted into the training window, so that neither window nor day shows it.
    smuggled = ROWS.iloc[[7]].assign(due_at=TRAINED["due_at"].iloc[0], day="2013-06-01")
    said = _said(_traced(_with(smuggled)))
    assert said == "the champion (version 2) was trained on 1 of 20 holdout rows (row 20130616T15)"


def test_contamination_by_a_row_of_the_same_cluster_and_day_names_both() -> None:
    neighbour = ROWS.iloc[[0]].assign(example_id="another key")
    train = Interval.parse("2013-06-01/2013-06-16")
    said = _said(_traced(_with(neighbour), train=train), holdout=HOLDOUT)
    assert "was trained until 2013-06-16T00:00:00+00:00, after the holdout began" in said
    assert said.endswith("the same day, and of the same day in UTC, as 1 of 20 holdout rows (2013-06-14 on 2013-06-15)")
    assert "example" not in said


def test_contamination_by_a_row_outside_its_own_window_says_so() -> None:
    neighbour = ROWS.iloc[[5]].assign(example_id="another key")
    said = _said(_traced(_with(neighbour)))
    assert "was trained on rows of 2013-06-01 00:00:00+00:00 to 2013-06-16 05:00:00+00:00, outside its window" in said
    assert "in UTC, as 3 of 20 holdout rows (2013-06-16 on 2013-06-16)" in said


@pytest.mark.parametrize(
    ("train", "clean"),
    [("2013-06-01/2013-06-15", True), ("2013-06-01/2013-06-15T00:00:01", False), ("2013-05-01/2013-07-01", False)],
    ids=["to the start", "a second more", "around it"],
)
def test_contamination_by_windows_counts_from_the_holdouts_start(train: str, clean: bool) -> None:
    assert (_said(_traced(train=Interval.parse(train))) == "") is clean


def test_contamination_of_the_challenger_and_of_an_ancestor_names_them() -> None:
    known = _traced(_with(ROWS.iloc[[0]].assign(due_at=TRAIN.start, day="2013-06-01")), version="1")
    assert _said(challenger=[replace(known, version="3")]).startswith("the challenger (version 3) was trained on 1 of")
    said = _said(_traced(ancestors=("1",)), known)
    assert said.startswith("version 1, an ancestor of the champion, was trained on 1 of 20 holdout rows")


@pytest.mark.parametrize("role", ["challenger", "champion", "ancestor"])
def test_contamination_of_what_is_not_known_says_why(role: str) -> None:
    gone = Untraced("7", "no lineage was kept with it")
    given_traces = {
        "challenger": _said(challenger=[gone]),
        "champion": _said(gone),
        "ancestor": _said(_traced(), gone),
    }
    assert "version 7" in given_traces[role]
    assert given_traces[role].endswith("cannot be shown to be new to these rows: no lineage was kept with it")


@pytest.mark.parametrize(
    "known", [{}, {"champion": [_traced()]}, {"challenger": []}], ids=["none", "champion", "empty"]
)
def test_contamination_without_the_challengers_lineage_is_said(known: dict[str, Any]) -> None:
    assert "not known what the challenger was trained on" in contamination(ROWS, HOLDOUT, "day", known)


def test_contamination_of_an_empty_champion_lineage_is_said() -> None:
    known = {"challenger": [_traced(version="3")], "champion": []}
    assert "not known what the champion was trained on" in contamination(ROWS, HOLDOUT, "day", known)


def test_contamination_with_fingerprints_of_another_cluster_needs_days_apart() -> None:
    assert _said(_traced(cluster="customer")) == ""
    late = _with(ROWS.iloc[[0]].assign(example_id="another key", customer=99))
    said = _said(_traced(late, cluster="customer"))
    assert "was fingerprinted by customer, not day, and trained on rows of" in said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS.drop(columns="example_id"), "no column 'example_id'"),
        (ROWS.assign(day=None), "20 of 20 rows have no day"),
        (ROWS.assign(due_at=pd.NaT), "20 of 20 rows have no due_at"),
        (_rows(START - timedelta(days=1), 5), "4 of 20 holdout rows (row 20130614T00, row 20130614T05"),
        (_rows(START, 6), "4 of 24 holdout rows (row 20130620T00"),
        (ROWS.head(0), "the holdout has no rows"),
    ],
    ids=["no keys", "no clusters", "no times", "rows before", "rows after", "no rows"],
)
def test_contamination_of_a_holdout_that_cannot_be_trusted_says_why(rows: pd.DataFrame, said: str) -> None:
    assert said in _said(_traced(), rows=rows)


def test_contamination_by_everything_is_bounded_text() -> None:
    long = _rows(START, 5, each=40)
    long["example_id"] = [f"{number}{'x' * 500}" for number in range(len(long))]
    known = _traced(long, train=Interval.parse("2013-06-01/2013-07-01"))
    said = _said(known, *[replace(known, version=str(number)) for number in range(3, 60)], rows=long)
    assert len(said) < 1500
    assert "was trained on 200 of 200 holdout rows" in said
    assert said.endswith("more reasons")


@settings(max_examples=30, deadline=None)
@given(
    chosen=st.sets(st.integers(0, len(ROWS) - 1)),
    aside=st.sets(st.integers(0, len(TRAINED) - 1)),
    seed=st.integers(0, 9),
)
def test_contamination_is_empty_only_where_no_row_is_shared(chosen: set[int], aside: set[int], seed: int) -> None:
    hidden = ROWS.iloc[sorted(chosen)].assign(due_at=TRAIN.start, day="2013-06-01")
    rows = pd.concat([TRAINED.drop(index=list(aside)), hidden]).sample(frac=1, random_state=seed)
    if len(rows):
        said = _said(_traced(rows))
        assert (f"was trained on {len(chosen)} of 20 holdout rows" in said) == bool(chosen)
        assert bool(said) == bool(chosen)
