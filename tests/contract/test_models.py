"""What every model of the DAG folder must have, so that adding one needs no shared edit."""

from __future__ import annotations

import importlib
import inspect
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest
from feast import Entity

from contender.adapters.expectations import load_suite
from contender.adapters.features import Features
from contender.client.served import example_request
from contender.core import naming
from contender.core.settings import CHECKOUT, settings
from contender.core.sharing import owners_of
from contender.core.spec import ModelSpec
from contender.stages.defaults.functions import functions_of
from tests.conftest import applied

MODELS = sorted(path.parent.name for path in (CHECKOUT / "dags").glob("*/dag.py") if path.parent.name != "templates")


def declared(name: str) -> ModelSpec:
    found = importlib.import_module(f"{name}.dag").SPEC
    assert isinstance(found, ModelSpec)
    return found


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def spec(name: str) -> ModelSpec:
    return declared(name)


def test_there_are_models() -> None:
    assert "flight_delay" in MODELS


def test_model_has_one_stem_everywhere(name: str, spec: ModelSpec) -> None:
    assert spec.name == name
    for place in (f"dags/{name}/model.py", f"expectations/{name}"):
        assert (CHECKOUT / place).exists(), place
    assert (CHECKOUT / f"feature_repo/{name}.py").exists() == any(view.owner is None for view in spec.views)
    assert list((CHECKOUT / "tests" / "models").glob(f"test_{name}_*.py"))


def test_model_file_is_thin(name: str) -> None:
    lines = (CHECKOUT / "dags" / name / "dag.py").read_text().splitlines()
    columns = sum(line.strip().startswith("Column(") for line in lines)
    assert len(lines) - columns < 100


def test_model_has_a_suite_for_each_table_view_and_result(name: str, spec: ModelSpec) -> None:
    names = {
        *(part.name for part in (*spec.tables, *spec.views) if part.owner is None),
        "training_set",
        "scoring_set",
        "predictions",
    }
    folder = CHECKOUT / "expectations" / name
    assert {path.stem for path in folder.glob("*.json")} == names
    for path in folder.glob("*.json"):
        assert load_suite(path).name == path.stem


def test_model_shares_what_its_owners_have(spec: ModelSpec) -> None:
    found = owners_of(spec, {name: partial(declared, name) for name in MODELS})
    assert tuple(found) == spec.owners()


def test_model_views_are_defined_with_the_columns_the_spec_names(spec: ModelSpec, tmp_path: Path) -> None:
    own = {
        "CONTENDER_FEAST_REGISTRY": f"sqlite:///{tmp_path / 'registry.db'}",
        "CONTENDER_ONLINE_STORE": str(tmp_path / "online.db"),
    }
    with applied(own):
        store = Features(settings())
        views = [view for part in spec.views for view in store.definitions(part.owner or spec.name, [part.name])]
    for view in views:
        named = {column.name for column in spec.columns if column.source == view.name}
        assert named == {field.name for field in view.features}, view.name
        assert view.batch_source.timestamp_field == naming.EVENT_TIME
        assert view.batch_source.created_timestamp_column == naming.KNOWN_AT


FUNCTIONS = {
    "read": ["table", "source"],
    "features": ["tables", "interval"],
    "examples": ["tables", "window", "known_by"],
    "estimator": ["parameters", "numbers", "categories", "seed"],
    "search_space": [],
}


@pytest.mark.parametrize(("function", "parameters"), FUNCTIONS.items(), ids=FUNCTIONS.keys())
def test_model_has_its_pure_functions_or_the_platform_s(spec: ModelSpec, function: str, parameters: list[str]) -> None:
    module = importlib.import_module(f"{spec.name}.model")
    found = getattr(functions_of(module, spec), function)
    assert list(inspect.signature(found).parameters) == parameters
    assert inspect.getdoc(found) or not hasattr(module, function)


def test_model_estimator_is_new_at_each_call_and_seeded(spec: ModelSpec) -> None:
    make = importlib.import_module(f"{spec.name}.model").estimator
    first, second = (make({}, numbers=["a"], categories=["b"], seed=7) for _ in range(2))
    assert first is not second
    assert first.steps[-1][1].get_params()["random_state"] == 7


def test_model_request_gives_the_columns_and_keys_that_the_spec_needs(name: str, spec: ModelSpec) -> None:
    example = example_request(name, datetime(2013, 7, 1, tzinfo=UTC))
    assert example is not None
    requested = {column.name for column in spec.columns if column.source == "request"}
    asked = next((of for of in (name, *spec.owners()) if (CHECKOUT / "dags" / of / "request.py").exists()), None)
    if not spec.views and asked is None:
        assert set(example) == requested
        return
    request = importlib.import_module(f"{asked}.request")
    when, keys, values = request.resolve(msgspec.convert(example, request.Request))
    assert when.tzinfo is UTC
    assert set(values) == requested
    repos = {view.name: importlib.import_module(f"feature_repo.{view.owner or name}") for view in spec.views}
    entities = [item for repo in repos.values() for item in vars(repo).values() if isinstance(item, Entity)]
    used = {entity for view, repo in repos.items() for entity in getattr(repo, view).entities}
    assert set(keys) == {item.join_key for item in entities if item.name in used}
