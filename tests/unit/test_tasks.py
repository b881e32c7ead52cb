"""Models of every task: what was trained is what is stored, served, scored and proven."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core.errors import BundleBroken, GoldenRequestsFailed, NoLabels
from contender.core.golden import apart
from contender.core.policy import GatePolicy
from contender.core.spec import ModelSpec
from contender.serving.answers import spoken
from contender.serving.service import Service
from contender.stages import image, packing, plots, score, train
from contender.stages.defaults import boosting
from tests.unit.serving.asked import predict_raw
from tests.unit.test_train import COLUMNS, SMALL
from tests.unit.test_train import rows as flights

NUMBER: dict[str, Any] = {"gate": GatePolicy(metric="mae", baseline="mean")}
FORECAST: dict[str, Any] = {"gate": GatePolicy(metric="mae", baseline="naive")}
KINDS: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"task": "multiclass", "classes": ("early", "on time", "late")},
    "regression": {"task": "regression", **NUMBER},
    "forecast": {"task": "forecast", **FORECAST},
}


@pytest.fixture(params=KINDS)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return ModelSpec(**(dict(SMALL) | {"views": (), "columns": COLUMNS} | KINDS[request.param]))


def rows(spec: ModelSpec) -> pd.DataFrame:
    """Examples whose label follows from the delay."""
    frame = flights()
    of = {
        "multiclass": (frame["delay"] > 10).astype("float64") + (frame["delay"] > 25),
        "regression": frame["delay"] * 1000 - 5000,
        "forecast": frame["delay"] / 100,
    }
    return frame.assign(late=of.get(spec.task, frame["late"]))


def make(spec: ModelSpec) -> Any:
    return boosting.classifier if spec.task in ("binary", "multiclass") else boosting.regressor


@pytest.fixture
def stored(spec: ModelSpec) -> train.StoredModel:
    frame = rows(spec)
    return train.store(train.fit(make(spec), {"max_iter": 20}, frame, spec), frame, spec)


@pytest.fixture
def bundle(spec: ModelSpec, stored: train.StoredModel, tmp_path: Path) -> Path:
    write_bundle(tmp_path, spec, stored)
    return tmp_path


def write_bundle(folder: Path, spec: ModelSpec, stored: train.StoredModel) -> None:
    """As much of a bundle as the serving app needs."""
    columns = [column.model_dump(mode="json") for column in spec.columns]
    signature = {
        "model": spec.name, "label": spec.label, "task": spec.task, "classes": spec.classes, "columns": columns,
        "views": {},
    }  # fmt: skip
    (folder / "model.onnx").write_bytes(stored.content)
    (folder / packing.PACKED).write_bytes(packing.packed(stored.content, spec.columns))
    golden = train.golden(stored, rows(spec), spec)
    for name, content in {"signature": signature, "golden": golden, "about": {"version": "1"}}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def test_stored_model_scores_as_the_fitted_one_within_its_tolerance(spec: ModelSpec, stored: train.StoredModel) -> None:
    frame = rows(spec)
    fitted = train.fit(make(spec), {"max_iter": 20}, frame, spec)
    inputs = train.inputs(frame, spec.columns)
    found, expected = train.scores(stored.content, inputs), train.answers(fitted, inputs, spec.task)
    assert found.shape == expected.shape == ((600, 3) if spec.task == "multiclass" else (600,))
    np.testing.assert_allclose(found, expected, atol=stored.tolerance)
    largest = float(np.abs(expected).max()) if spec.task in ("regression", "forecast") else 1.0
    assert stored.tolerance == pytest.approx(train.TOLERANCE * max(largest, 1.0))


def test_served_model_answers_the_golden_requests_as_trained(spec: ModelSpec, bundle: Path) -> None:
    service = Service(bundle, str(bundle / "no such store.db"), "stable")
    assert asyncio.run(service.ready())["largest_difference"] <= 1e-6 * max(abs(float(np.max(rows(spec)["late"]))), 1)
    golden = image.golden(bundle)
    answer = predict_raw(service, golden.instances)
    assert ("classes" in answer) == (spec.task == "multiclass")
    proof = image.prove(answer["predictions"], golden, image="i", digest="d", model_digest="m", size_mb=1.0)
    assert proof.answered == train.GOLDEN_REQUESTS
    assert f'contender_prediction_count{{model="{spec.name}"' in service.metrics.text().decode()


def test_served_model_that_answers_otherwise_is_not_ready(spec: ModelSpec, bundle: Path) -> None:
    golden = json.loads((bundle / "golden.json").read_text())
    output = golden["requests"][3]["output"]
    golden["requests"][3]["output"] = [*output[1:], output[0]] if isinstance(output, list) else output + 1e4
    (bundle / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(GoldenRequestsFailed, match="golden request 3"):
        asyncio.run(Service(bundle, None, "stable").ready())


def test_served_model_of_another_task_than_its_graph_is_refused(spec: ModelSpec, bundle: Path) -> None:
    signature = json.loads((bundle / "signature.json").read_text())
    signature["task"] = "regression" if spec.task in ("binary", "multiclass") else "binary"
    (bundle / "signature.json").write_text(json.dumps(signature))
    with pytest.raises(BundleBroken, match="a last output that is the answer of a"):
        Service(bundle, None, "stable")


def test_answer_by_entity_is_named_for_what_it_is(spec: ModelSpec, bundle: Path) -> None:
    service = Service(bundle, None, "stable")
    (output,) = service.model.predict([["EWR", 10.0, 30.0]])
    said = spoken(service.bundle.signature, output)
    if spec.task == "multiclass":
        assert list(said["probabilities"]) == ["early", "on time", "late"]
        assert sum(said["probabilities"].values()) == pytest.approx(1)
    else:
        assert list(said) == ["probability" if spec.task == "binary" else "value"]


def test_predictions_table_has_the_columns_of_the_task(spec: ModelSpec, stored: train.StoredModel) -> None:
    frame = rows(spec)
    found = score.predictions(frame, train.scores(stored.content, train.inputs(frame, spec.columns)), "7", spec)
    answer = {
        "binary": ["probability"],
        "multiclass": ["predicted", "probability_early", "probability_on_time", "probability_late"],
    }.get(spec.task, ["value"])
    assert list(found.columns) == ["example_id", "event_timestamp", "due_at", *answer, "version"]
    assert score.answered_columns(spec) == answer
    if spec.task == "multiclass":
        assert set(found["predicted"]) <= set(spec.classes)
        best = found[answer[1:]].to_numpy().argmax(axis=1)
        assert found["predicted"].tolist() == [spec.classes[code] for code in best]


def test_trial_prefers_parameters_that_can_learn(spec: ModelSpec) -> None:
    good, bad = (
        train.trial_score(make(spec), {"max_iter": 20, "learning_rate": rate}, rows(spec), spec) for rate in (0.1, 1e-6)
    )
    assert good < bad


def test_trial_of_several_folds_is_scored_on_windows_one_before_the_other(spec: ModelSpec) -> None:
    seen: list[int] = []

    def watching(parameters: dict[str, Any], **kwargs: Any) -> Any:
        model = make(spec)({**parameters, "max_iter": 5}, **kwargs)
        fit = model.fit
        model.fit = lambda inputs, labels: (seen.append(len(inputs)), fit(inputs, labels))[1]
        return model

    backtest = spec.model_copy(update={"tuning": spec.tuning.model_copy(update={"folds": 3})})
    train.trial_score(watching, {}, rows(spec), backtest)
    frame, newest = rows(spec), rows(spec)["due_at"].max()
    days = [pd.Timedelta(days=3 * fold) for fold in (1, 2, 3)]
    assert seen == [int((frame["label_known_at"] <= newest - back).sum()) for back in days]


def test_importance_names_the_column_that_tells(spec: ModelSpec, stored: train.StoredModel) -> None:
    axes = plots.importance(stored.content, rows(spec), spec).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "delay"


def test_fit_without_a_row_of_a_class_is_refused_by_its_name() -> None:
    spec = ModelSpec(**(dict(SMALL) | {"views": (), "columns": COLUMNS} | KINDS["multiclass"]))
    frame = rows(spec)
    with pytest.raises(NoLabels, match="none of late"):
        train.fit(make(spec), {}, frame[frame["late"] < 2], spec)


@pytest.mark.parametrize(
    ("answer", "expected", "difference"),
    [
        (0.5, 0.25, 0.25),
        ([0.5, 0.5], [0.25, 0.75], 0.25),
        ([0.5], 0.5, math.inf),
        ([0.5, 0.5], [0.5], math.inf),
        (math.nan, 0.5, math.nan),
        ([0.1, math.nan], [0.1, 0.9], math.nan),
    ],
    ids=["numbers", "lists", "list and number", "lists of unlike length", "NaN", "NaN in a list"],
)
def test_answers_apart_are_as_far_as_their_furthest_parts(answer: Any, expected: Any, difference: float) -> None:
    found = apart(answer, expected)
    assert (math.isnan(found) and math.isnan(difference)) or found == difference
