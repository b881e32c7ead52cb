"""Estimators of other libraries with scikit-learn's interface: trained, converted, proven and served as our own are."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contender.core.spec import ModelSpec
from contender.serving.service import Service
from contender.stages import image, train
from tests.docs.pages import example
from tests.unit.serving.asked import predict_raw
from tests.unit.test_tasks import COLUMNS, KINDS, SMALL, rows, write_bundle

ESTIMATORS = {"lightgbm": ("LGBMClassifier", "LGBMRegressor"), "xgboost": ("XGBClassifier", "XGBRegressor")}


def estimator_of_the_page() -> Any:
    """The `estimator` function that docs/new-model.md shows."""
    names: dict[str, Any] = {}
    exec(compile(example("docs/new-model.md", "lightgbm"), "docs/new-model.md", "exec"), names)  # noqa: S102  # the page is our own
    return names["estimator"]


def require(library: str) -> None:
    for needed in (library, "onnxmltools"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed; `make extras` installs it")


@pytest.fixture(params=ESTIMATORS)
def library(request: pytest.FixtureRequest) -> str:
    require(request.param)
    if request.param == "xgboost":
        require("lightgbm")  # which the page's example imports
    return str(request.param)


@pytest.fixture(params=KINDS)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return ModelSpec(**(dict(SMALL) | {"views": (), "columns": COLUMNS} | KINDS[request.param]))


def make(library: str, spec: ModelSpec) -> Any:
    """The page's estimator, with this library's in the place of LightGBM's classifier."""

    def made(parameters: dict[str, Any], **names: Any) -> Any:
        pipeline = estimator_of_the_page()({}, **names)
        module = importlib.import_module(library)
        classifier, regressor = ESTIMATORS[library]
        kind = classifier if spec.task in ("binary", "multiclass") else regressor
        quiet = {"verbose": -1} if library == "lightgbm" else {}
        own = getattr(module, kind)(
            **({"n_estimators": 20} | parameters), random_state=names["seed"], n_jobs=1, **quiet
        )
        return pipeline.set_params(model=own)

    return made


def test_extra_estimator_is_stored_and_served_with_the_answers_it_was_fitted_to(
    library: str, spec: ModelSpec, tmp_path: Path
) -> None:
    frame = rows(spec)
    fitted = train.fit(make(library, spec), {}, frame, spec)
    assert type(fitted.steps[-1][1]).__module__.startswith(library)
    stored = train.store(fitted, frame, spec)
    write_bundle(tmp_path, spec, stored)
    service = Service(tmp_path, None, "stable")
    asyncio.run(service.ready())
    asked = image.golden(tmp_path)
    served = predict_raw(service, asked.instances)["predictions"]
    picked = np.unique(np.linspace(0, len(frame) - 1, num=len(asked.instances)).astype(int))
    expected = train.answers(fitted, train.inputs(frame.iloc[picked], spec.columns), spec.task)
    assert len(np.unique(expected)) > 5
    np.testing.assert_allclose(served, expected, atol=stored.tolerance)


def test_page_shows_an_estimator_that_is_stored() -> None:
    require("lightgbm")
    spec = ModelSpec(**(dict(SMALL) | {"views": (), "columns": COLUMNS}))
    frame = rows(spec)
    fitted = train.fit(estimator_of_the_page(), {"n_estimators": 30}, frame, spec)
    stored = train.store(fitted, frame, spec)
    assert stored.largest_difference <= train.TOLERANCE
    assert train.scores(stored.content, train.inputs(frame, spec.columns)).std() > 0
