"""The specs that a `dag.py` declares, without the DAGs that it makes of them, and so without Airflow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from contender.core.spec import ModelSpec

PACKAGE, FACTORY, DAGS = "contender", "contender.factory", "contender.factory.dags"


def specs_in(text: str, file: str) -> list[ModelSpec]:
    """Run a `dag.py`, and take the specs that it leaves under a name or makes DAGs of, wherever it declares them.

    Args:
        text: Its source.
        file: What to call it where it fails.

    Raises:
        SpecError: A declaration cannot work.
        Exception: Whatever else the source raises when it is run.
    """
    taken: list[ModelSpec] = []
    names: dict[str, Any] = {"__file__": file, "__name__": "dag", "__doc__": None}
    with _factory_that_takes(taken):
        exec(compile(text, file, "exec"), names)  # noqa: S102  it is the model's own code, which Airflow runs too
    left = [found for found in names.values() if isinstance(found, ModelSpec)]
    return list({id(found): found for found in [*taken, *left]}.values())


@contextmanager
def _factory_that_takes(taken: list[ModelSpec]) -> Iterator[None]:
    """Put a factory in the platform's place that takes specs, and gives for DAGs what bears any use of them."""
    from unittest.mock import MagicMock

    def model_dags(spec: ModelSpec, doc: str | None, file: str | None = None) -> tuple[Any, Any, Any]:
        taken.append(spec)
        return MagicMock(), MagicMock(), MagicMock()

    factory = ModuleType(FACTORY)
    vars(factory)["model_dags"] = model_dags
    package = vars(sys.modules[PACKAGE])
    modules, known = {name: sys.modules.get(name) for name in (FACTORY, DAGS)}, package.get("factory")
    sys.modules |= dict.fromkeys(modules, factory)
    package["factory"] = factory
    try:
        yield
    finally:
        for name, module in modules.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module
        package.pop("factory")
        if known is not None:
            package["factory"] = known
