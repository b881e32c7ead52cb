"""The specs that a `dag.py` declares, without the DAGs that it makes of them, and so without Airflow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from contender.core.spec import ModelSpec

PACKAGE, FACTORY, DAGS = "contender", "contender.factory", "contender.factory.dags"
MODEL_DAG = "model_dag"


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

    def other(name: str) -> Any:
        """The platform's own `model_dag`, for a file that makes its tasks itself, and has Airflow for them."""
        if name != MODEL_DAG:
            raise AttributeError(f"module {FACTORY!r} has no attribute {name!r}")
        make = getattr(import_module(f"{FACTORY}.{MODEL_DAG}"), MODEL_DAG)

        def model_dag(spec: ModelSpec, *arguments: Any, **more: Any) -> Any:
            taken.append(spec)
            return make(spec, *arguments, **more)

        vars(factory)[name] = model_dag  # where the import has left the module of that name
        return model_dag

    factory = ModuleType(FACTORY)
    parts = [str(Path(__file__).parents[1] / "factory")]  # its other modules are the platform's own
    vars(factory).update(model_dags=model_dags, __getattr__=other, __path__=parts)
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
