from __future__ import annotations

import importlib.util

import pytest

from contender.operators.preload import AIRFLOW, LIBRARIES, preload, wanted


@pytest.mark.parametrize("arguments", [["airflow", "api-server"], ["airflow", "dag-processor"], ["pytest"]])
def test_preload_other_component_imports_nothing(arguments: list[str]) -> None:
    assert preload(arguments) == []


@pytest.mark.parametrize(
    ("arguments", "executor", "expected"),
    [
        (["airflow", "scheduler"], "LocalExecutor", True),
        (["-m", "scheduler"], "LocalExecutor", True),
        (["airflow", "celery", "worker"], "CeleryExecutor", True),
        (["airflow", "scheduler"], "CeleryExecutor", False),
        (["airflow", "triggerer"], "LocalExecutor", False),
    ],
)
def test_wanted_only_where_tasks_are_forked(arguments: list[str], executor: str, expected: bool) -> None:
    assert wanted(arguments, executor) is expected


@pytest.mark.parametrize("name", [*AIRFLOW, *LIBRARIES])
def test_preload_every_named_module_exists(name: str) -> None:
    top, *_ = name.split(".")
    assert importlib.util.find_spec(top) is not None
