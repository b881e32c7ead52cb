from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from contender.core.errors import ModelNotFaithful, NoLabels
from contender.core.interval import Interval
from contender.core.settings import CHECKOUT
from contender.core.spec import Column, Split, Tuning
from contender.stages import plots, train
from flight_delay.dag import SPEC

COLUMNS = (
    Column(name="airport", kind="category", source="request", nullable=False),
    Column(name="wind", source="request"),
    Column(name="delay", source="request"),
)
SMALL = SPEC.model_copy(update={"columns": COLUMNS, "views": (), "tuning": Tuning(trials=1, validation_days=3)})
START = pd.Timestamp(2013, 2, 1, tzinfo=UTC)
SPLIT = Split(train=Interval.parse("2013-02-01/2013-02-11"), holdout=Interval.parse("2013-02-12/2013-02-21"))


def stored() -> train.StoredModel:
    return train.store(train.fit(make, {}, rows(), SMALL), rows(), SMALL)


def rows(count: int = 600, seed: int = 3) -> pd.DataFrame:
    """Made-up examples over twenty days; longer delays and Newark are later."""
    draw = np.random.default_rng(seed)
    airport = draw.choice(["EWR", "JFK", "LGA"], count)
    delay = draw.gamma(2, 10, count)
    late = draw.random(count) < 1 / (1 + np.exp(2 - delay / 15 - (airport == "EWR")))
    asked = START + pd.to_timedelta(np.sort(draw.uniform(0, 20, count)), unit="D")
    return pd.DataFrame(
        {
            "example_id": [f"e{number:04d}" for number in range(count)],
            "event_timestamp": asked,
            "due_at": asked + timedelta(hours=1),
            "label_known_at": asked + timedelta(hours=5),
            "airport": pd.array(airport, dtype="string"),
            "wind": np.where(draw.random(count) < 0.1, np.nan, draw.normal(10, 3, count)),
            "delay": delay,
            "late": late.astype("float64"),
        }
    )


def make(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    encode = ColumnTransformer([("categories", codes, categories), ("numbers", "passthrough", numbers)])
    boost = HistGradientBoostingClassifier(max_iter=20, random_state=seed, early_stopping=False, **parameters)
    return Pipeline([("encode", encode), ("model", boost)])


def make_native(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """Boosted trees with native categories, which the converter gets silently wrong."""
    encode = ColumnTransformer([("categories", OrdinalEncoder(dtype=np.float32), categories)], remainder="passthrough")
    boost = HistGradientBoostingClassifier(max_iter=20, random_state=seed, categorical_features=[0])
    return Pipeline([("encode", encode), ("model", boost)])


@pytest.fixture(scope="module")
def fitted() -> Any:
    return train.fit(make, {}, rows(), SMALL)


def test_labelled_drops_rows_without_a_label() -> None:
    frame = rows(10)
    frame.loc[[2, 5], "late"] = np.nan
    assert len(train.labelled(frame, SMALL)) == 8


@pytest.mark.parametrize("share", [0.0, 0.4], ids=["none", "too few"])
def test_labelled_with_too_few_labels_names_the_column_and_counts(share: float) -> None:
    frame = rows(10)
    frame.loc[int(10 * share) :, "late"] = np.nan
    with pytest.raises(NoLabels, match=rf"late; .* got: {int(10 * share)} of 10 rows"):
        train.labelled(frame, SMALL)


def test_labelled_of_no_rows_refuses() -> None:
    with pytest.raises(NoLabels):
        train.labelled(rows(10).head(0), SMALL)


def test_slices_leave_the_gap_and_labels_known_too_late_out() -> None:
    frame = rows().sort_values("due_at", ignore_index=True)
    late = frame["due_at"] < SPLIT.train.end
    frame.loc[frame[late].index[-1], "label_known_at"] = pd.Timestamp(SPLIT.holdout.start) + timedelta(seconds=1)
    older, newer = train.slices(frame, SPLIT)
    assert older["due_at"].max() < SPLIT.train.end
    assert len(older) == late.sum() - 1
    assert (older["label_known_at"] <= SPLIT.holdout.start).all()
    assert newer["due_at"].min() >= SPLIT.holdout.start
    assert len(newer) == (frame["due_at"] >= SPLIT.holdout.start).sum() - (frame["due_at"] >= SPLIT.holdout.end).sum()


def test_slices_are_half_open() -> None:
    edges = pd.DatetimeIndex([SPLIT.train.start, SPLIT.train.end, SPLIT.holdout.start, SPLIT.holdout.end])
    frame = rows(4).assign(due_at=edges, label_known_at=edges)
    older, newer = train.slices(frame, SPLIT)
    assert older["due_at"].tolist() == [pd.Timestamp(SPLIT.train.start)]
    assert newer["due_at"].tolist() == [pd.Timestamp(SPLIT.holdout.start)]


def test_keep_and_restore_give_the_slices_back_in_one_order() -> None:
    frame = rows(50)
    older, newer = frame.head(30), frame.tail(20)
    kept = train.keep(older, newer, Interval.parse("2013-02"))
    assert set(kept[train.INTERVAL_START]) == {pd.Timestamp("2013-02-01", tz="UTC")}
    first, second = train.restore(kept.sample(frac=1, random_state=1))
    assert first["example_id"].tolist() == older["example_id"].tolist()
    assert second["example_id"].tolist() == newer["example_id"].tolist()


def test_inputs_are_the_specs_columns_as_float32_and_text() -> None:
    frame = rows(20)
    frame.loc[0, "airport"] = pd.NA
    found = train.inputs(frame, SMALL.columns)
    assert found.columns.tolist() == ["airport", "wind", "delay"]
    assert [str(kind) for kind in found.dtypes] == ["object", "float32", "float32"]
    assert found["airport"].iloc[0] == ""


def test_fit_twice_with_one_seed_stores_the_same_bytes(fitted: Any) -> None:
    again = train.fit(make, {}, rows(), SMALL)
    first, second = (train.store(model, rows(100, seed=9), SMALL) for model in (fitted, again))
    assert first.digest == second.digest
    assert first.content == second.content


def test_store_in_processes_that_hash_otherwise_stores_the_same_bytes() -> None:
    code = "from tests.unit import test_train; print(test_train.stored().digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True,
            env={
                **os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        ).stdout
        for seed, threads in (("0", "1"), ("1", "2"))
    }  # fmt: skip
    assert len(digests) == 1


def test_store_scores_as_the_fitted_model_does_also_on_what_it_never_saw(fitted: Any) -> None:
    frame = rows(200, seed=11).assign(airport=pd.array(["ZZZ"] * 200, dtype="string"))
    stored = train.store(fitted, rows(200, seed=9), SMALL)
    assert stored.largest_difference <= train.TOLERANCE
    inputs = train.inputs(frame, SMALL.columns)
    np.testing.assert_allclose(
        train.scores(stored.content, inputs), fitted.predict_proba(inputs)[:, 1], atol=train.TOLERANCE
    )


def test_store_of_thresholds_between_neighbouring_float32_values_scores_as_fitted() -> None:
    steps = np.cumsum(np.full(400, 1, dtype="int64"))
    near = (np.float32(0.3).view("int32") + steps % 16).astype("int32").view("float32")  # one value next to the other
    frame = rows(400).assign(wind=near.astype("float64"), late=(steps % 16 % 2).astype("float64"))
    model = train.fit(make, {}, frame, SMALL)
    assert model.predict_proba(train.inputs(frame, SMALL.columns))[:, 1].std() > 0.1
    assert train.store(model, frame, SMALL).largest_difference <= train.TOLERANCE


class NearestCity(ClassifierMixin, BaseEstimator):
    """An estimator that no converter knows."""

    def fit(self, frame: pd.DataFrame, known: np.ndarray) -> NearestCity:
        self.classes_ = np.unique(known)
        return self


def test_store_of_a_model_without_a_converter_says_which_and_what_to_do() -> None:
    model = train.fit(lambda *_, **__: Pipeline([("model", NearestCity())]), {}, rows(), SMALL)
    with pytest.raises(ModelNotFaithful, match=r"cannot be converted to ONNX.*NearestCity.*return another estimator"):
        train.store(model, rows(300, seed=9), SMALL)


def test_store_of_a_model_that_the_converter_gets_wrong_refuses() -> None:
    model = train.fit(make_native, {}, rows(), SMALL)
    with pytest.raises(ModelNotFaithful, match="the converted model scores otherwise"):
        train.store(model, rows(300, seed=9), SMALL)


def test_golden_requests_are_answered_as_said(fitted: Any) -> None:
    stored, frame = train.store(fitted, rows(100), SMALL), rows(100)
    golden = train.golden(stored, frame, SMALL)
    assert golden["tolerance"] == train.TOLERANCE
    assert len(golden["requests"]) == train.GOLDEN_REQUESTS
    asked = pd.DataFrame([one["inputs"] for one in golden["requests"]])
    outputs = [one["output"] for one in golden["requests"]]
    np.testing.assert_allclose(train.scores(stored.content, train.inputs(asked, SMALL.columns)), outputs, atol=1e-7)
    assert {type(one["inputs"]["wind"]) for one in golden["requests"]} <= {float, type(None)}


def test_golden_requests_of_few_rows_are_all_of_them(fitted: Any) -> None:
    stored = train.store(fitted, rows(100), SMALL)
    assert len(train.golden(stored, rows(3), SMALL)["requests"]) == 3


def test_importance_is_of_the_newest_training_days_and_names_the_column_that_tells(fitted: Any) -> None:
    frame = rows()
    stored = train.store(fitted, frame, SMALL)
    since = train.newest_from(frame, SMALL)
    # Labels of older rows are not read: without them the figure is the same.
    unlabelled = frame.assign(late=frame["late"].where(frame["due_at"] >= since))
    drawn = [plots.importance(stored.content, given, SMALL).axes[0] for given in (frame, unlabelled)]
    names, other = ([label.get_text() for label in axes.get_yticklabels()] for axes in drawn)
    assert names[-1] == "delay"
    assert names == other


def test_trial_score_fits_only_on_rows_whose_labels_were_known() -> None:
    frame, seen = rows(), []

    def watching(parameters: dict[str, Any], **kwargs: Any) -> Any:
        model = make(parameters, **kwargs)
        fit = model.fit

        def remember(inputs: pd.DataFrame, labels: pd.Series) -> Any:
            seen.append(len(inputs))
            return fit(inputs, labels)

        model.fit = remember
        return model

    assert 0 < train.trial_score(watching, {}, frame, SMALL) < 1
    newest_from = frame["due_at"].max() - timedelta(days=3)
    assert seen == [int((frame["label_known_at"] <= newest_from).sum())]


def test_trial_score_prefers_parameters_that_can_learn() -> None:
    good, bad = (train.trial_score(make, {"learning_rate": rate}, rows(), SMALL) for rate in (0.1, 1e-6))
    assert good < bad


def test_parameters_of_are_plain_values(fitted: Any) -> None:
    found = train.parameters_of(fitted)
    assert found["max_iter"] == 20
    assert {type(value) for value in found.values()} <= {str, int, float, bool}
