"""`arrival_delay`: its labels are the minutes of its owner's flights, it copies nothing, and it behaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arrival_delay import model
from arrival_delay.dag import SPEC, train
from contender.adapters.lake import Lake
from contender.bench.chain import Chain
from contender.core.interval import Interval
from contender.core.settings import settings
from contender.stages import train as stage
from flight_delay import model as owner
from flight_delay.dag import SPEC as OWNER
from tests.conftest import INTERVAL, Trained, applied

FEBRUARY = Interval.parse(INTERVAL)


@pytest.fixture(scope="module")
def year() -> dict[str, pd.DataFrame]:
    return {table: owner.read(table) for table in owner.FILES}


def test_examples_are_those_of_the_owner_with_minutes_for_a_label(year: dict[str, pd.DataFrame]) -> None:
    ours, theirs = (of.examples(year, FEBRUARY, FEBRUARY) for of in (model, owner))
    pd.testing.assert_frame_equal(ours.drop(columns="arr_delay"), theirs.drop(columns="late"))
    assert (ours["arr_delay"].isna() == theirs["late"].isna()).all()
    known = ours["arr_delay"].notna()
    assert ((ours["arr_delay"] >= owner.LATE_FROM_MINUTES)[known] == (theirs["late"] == 1)[known]).all()


def test_spec_has_the_inputs_and_views_of_the_owner() -> None:
    assert SPEC.columns == OWNER.columns
    assert [view.model_copy(update={"owner": None}) for view in SPEC.views] == list(OWNER.views)
    assert SPEC.owners() == ("flight_delay",)


@pytest.fixture(scope="module")
def run(trained: Trained, backends: dict[str, str]) -> dict[str, Any]:
    """A run on the home in which the owner was trained: what was there before and after, and the model's bytes."""
    from contender.adapters.tracking import Tracking

    shared = [part.name for part in (*SPEC.tables, *SPEC.views)]
    with applied(backends):
        lake, chain = Lake(settings().lake), Chain(FEBRUARY, 1, "arrival-delay")
        before = {name: lake.open(name).version() for name in shared}
        chain.run(train)
        after = {name: lake.open(name).version() for name in shared}
        tracking = Tracking(SPEC.name)
        stored = tracking.stored(tracking.version(chain.returned["train.fit"]["version"]))
        bundle = tracking.bundle(tracking.version(chain.returned["train.fit"]["version"]), trained.home / "arrival")
        rows = stage.restore(lake.read("arrival_delay_training_set"))[1]
    return {
        "before": before, "after": after, "chain": chain, "content": stored.content, "bundle": bundle, "holdout": rows,
    }  # fmt: skip


@pytest.fixture
def holdout(run: dict[str, Any]) -> pd.DataFrame:
    found: pd.DataFrame = run["holdout"]
    return found


@pytest.fixture
def score(run: dict[str, Any]) -> Any:
    """The stored model's minutes for each row."""
    return lambda rows: stage.scores(run["content"], stage.inputs(rows, SPEC.columns))


def test_run_after_the_owner_s_writes_no_table_and_no_view_anew(run: dict[str, Any]) -> None:
    assert run["after"] == run["before"]
    returned = run["chain"].returned
    assert returned["data.load"]["written"] == []
    assert returned["features.build"]["months"] == [str(FEBRUARY)]
    assert not Lake(settings().lake).has("_built/arrival_delay")


def test_bundle_is_asked_by_the_owner_s_request(run: dict[str, Any]) -> None:
    request = Path(run["bundle"]) / "request.py"
    assert request.read_text() == (settings().models / "flight_delay" / "request.py").read_text()


def test_model_beats_the_mean_on_the_first_holdout(run: dict[str, Any]) -> None:
    measured = run["chain"].returned["gate.measure"]
    assert measured["improvement"]["mae"]["low"] > 0
    assert measured["challenger"]["mae"]["value"] < 23


# Delays at the origin and of the carrier there say much the same, so they are moved together: of the first alone the
# model of six weeks of rows makes next to nothing, once it knows the second.
TROUBLE: dict[str, dict[str, tuple[float, float]]] = {
    "departures delayed": {"origin_delay_2h": (0.0, 60.0), "carrier_origin_delay_2h": (0.0, 60.0)},
    "the carrier's departures delayed": {"carrier_origin_delay_2h": (0.0, 60.0)},
    "flights waiting": {"origin_waiting_2h": (2.0, 40.0)},
    "a flight that is mostly late": {"flight_delay_28d": (-15.0, 40.0), "flight_late_share_28d": (0.05, 0.8)},
}


@pytest.mark.parametrize("moved", TROUBLE.values(), ids=TROUBLE.keys())
def test_model_direction_more_trouble_means_more_minutes(
    score: Any, holdout: pd.DataFrame, moved: dict[str, tuple[float, float]]
) -> None:
    calm = holdout.assign(**{column: low for column, (low, _) in moved.items()})
    troubled = holdout.assign(**{column: high for column, (_, high) in moved.items()})
    assert score(troubled).mean() > score(calm).mean() + 1


def test_model_invariance_rows_score_the_same_in_any_order(score: Any, holdout: pd.DataFrame) -> None:
    order = np.random.default_rng(3).permutation(len(holdout))
    np.testing.assert_array_equal(score(holdout.iloc[order]), score(holdout)[order])


def test_model_answers_what_it_never_saw_with_possible_minutes(score: Any, holdout: pd.DataFrame) -> None:
    few = holdout.head(50)
    numbers = {column.name: np.nan for column in SPEC.columns if column.kind == "number" and column.nullable}
    for rows in (few.assign(dest="ZZZ", carrier="ZZ"), few.assign(**numbers)):
        found = score(rows)
        assert ((found > -60) & (found < 300)).all()
