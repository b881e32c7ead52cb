"""What every operator must be: typed, keyword-only, templated, coloured, documented, and light to import."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator

import contender.operators
from contender.adapters.revision import code_revision
from contender.core.settings import CHECKOUT

# Modules of the package that hold no operators of a stage.
SHARED = {"base", "timetable", "preload", "approval", "evaluation", "in_process", "registry", "report", "supply_chain"}
MODULES = {info.name for info in pkgutil.iter_modules(contender.operators.__path__)}
HEAVY = ("pandas", "numpy", "sklearn", "mlflow", "feast", "great_expectations", "duckdb", "deltalake", "optuna",
         "onnxruntime", "skl2onnx", "matplotlib", "docker")  # fmt: skip


def operators() -> dict[str, type[BaseOperator]]:
    """Every operator class of the package, by name."""
    found: dict[str, type[BaseOperator]] = {}
    for stage in sorted(MODULES - SHARED):
        module = importlib.import_module(f"contender.operators.{stage}")
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and issubclass(kind, BaseOperator) and kind.__module__ == module.__name__:
                found[name] = kind
    return found


OPERATORS = operators()


@pytest.fixture(params=OPERATORS.values(), ids=OPERATORS.keys())
def operator(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_operator_is_named_after_its_stage(operator: Any) -> None:
    stage = operator.__module__.rsplit(".", 1)[-1]
    assert operator.__name__.startswith(stage.capitalize())


def test_operator_takes_keyword_arguments_alone(operator: Any) -> None:
    given = inspect.signature(vars(operator).get("__init__", operator.__init__)).parameters
    kinds = {name: given[name].kind for name in given if name != "self"}
    assert set(kinds.values()) <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}, kinds


def test_operator_documents_its_arguments_and_which_are_templated(operator: Any) -> None:
    doc = inspect.getdoc(operator) or ""
    first = doc.splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 120
    own = operator.template_fields
    assert ("(templated)" in doc) == bool(own)
    for field in own:
        assert field in doc
    assert inspect.getdoc(vars(operator).get("execute") or operator.choose_branch)


def test_operator_has_a_colour(operator: Any) -> None:
    assert operator.ui_color.startswith("#")
    assert operator.ui_color != BaseOperator.ui_color


def test_every_operator_is_used_in_a_dag(bag: Any) -> None:
    used = {task.task_type for dag in bag.dags.values() for task in dag.tasks}
    assert used - {"EmptyOperator"} == set(OPERATORS)


def test_template_fields_are_attributes_of_the_task(bag: Any) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            if task.is_mapped:
                assert set(task.template_fields) <= {*task.partial_kwargs, *task.expand_input.value}
                continue
            for field in task.template_fields:
                assert hasattr(task, field), f"{task.task_id}.{field}"


def test_operators_stages_and_groups_bear_the_same_words(bag: Any) -> None:
    groups = {name for dag in bag.dags.values() for name in dag.task_group_dict if name}
    assert groups == MODULES - SHARED
    stages = {path.stem for path in (CHECKOUT / "plugins" / "contender" / "stages").glob("[a-z]*")}
    # Promotion and deployment are acts without a computation; the others serve the stages.
    assert groups - {"promote", "deploy"} == stages - {"packing", "plots", "report", "defaults", "sbom"}


def test_operators_imported_bring_no_heavy_library() -> None:
    modules = ", ".join(f"contender.operators.{name}" for name in sorted(MODULES))
    code = f"import sys, {modules}, contender.factory; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, cwd=CHECKOUT,
        env=_environment(),
    )  # fmt: skip
    assert done.stdout.split() == []


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (CHECKOUT, CHECKOUT / "plugins", CHECKOUT / "dags")))}


def test_operator_of_a_dag_file_takes_everything_of_the_model_from_beside_it(
    bag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONTENDER_MODELS", raising=False)
    task = bag.dags["flight_delay_train"].task_dict["data.validate"]
    assert task.settings.root == CHECKOUT
    monkeypatch.setattr(task.dag, "fileloc", str(tmp_path / "dags" / "flight_delay" / "dag.py"))
    assert (task.settings.root, task.settings.expectations) == (tmp_path, tmp_path / "expectations")
    assert task.folder == tmp_path / "dags" / "flight_delay"


@pytest.mark.parametrize(("version", "revision"), [("c" * 40, "c" * 40), (None, None)], ids=["bundle", "local bundle"])
def test_operator_names_the_commit_of_the_runs_bundle(bag: Any, version: str | None, revision: str | None) -> None:
    task = bag.dags["flight_delay_train"].task_dict["promote.release"]
    context = {"ti": SimpleNamespace(bundle_instance=SimpleNamespace(version=version))}
    assert task.code_revision(context) == (revision or code_revision(CHECKOUT))
