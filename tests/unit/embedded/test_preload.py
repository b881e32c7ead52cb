from __future__ import annotations

import importlib.util

import pytest

from contender.embedded.preload import AIRFLOW, LIBRARIES, preload, wanted


@pytest.mark.parametrize("arguments", [["airflow", "api-server"], ["airflow", "dag-processor"], ["pytest"]])
def test_preload_other_component_imports_nothing(arguments: list[str]) -> None:
    assert preload(arguments) == []


@pytest.mark.parametrize("arguments", [["airflow", "scheduler"], ["-m", "scheduler"]])
def test_wanted_scheduler_is(arguments: list[str]) -> None:
    assert wanted(arguments)


@pytest.mark.parametrize("name", [*AIRFLOW, *LIBRARIES])
def test_preload_every_named_module_exists(name: str) -> None:
    top, *_ = name.split(".")
    assert importlib.util.find_spec(top) is not None
