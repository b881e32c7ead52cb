"""A model's functions: its own where it has them, otherwise those that follow from its spec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from contender.core.errors import SpecError
from contender.core.spec import ModelSpec
from contender.stages.defaults import panel, tabular

REQUIRED = ("estimator", "search_space")


@dataclass(frozen=True)
class ModelFunctions:
    """What the stages call of a model.

    Attributes:
        read: `(table, source)` to the rows of a raw table that has no source of its own.
        features: `(tables, interval)` to the rows of each view.
        examples: `(tables, window, known_by)` to the examples.
        estimator: `(parameters, numbers, categories, seed)` to an unfitted estimator.
        search_space: `()` to the distributions of the parameters that a trial draws.
    """

    read: Callable[..., Any]
    features: Callable[..., Any]
    examples: Callable[..., Any]
    estimator: Callable[..., Any]
    search_space: Callable[[], dict[str, Any]]


def functions_of(module: ModuleType, spec: ModelSpec) -> ModelFunctions:
    """The functions of `model.py`, and for those it lacks the platform's.

    A forecast whose tables are no series yet has a function `series(tables)`: one row for each step of each series,
    with the panel's entity, the first table's time column (the step's beginning) and the label.

    Raises:
        SpecError: It lacks one that nothing can stand in for.
    """
    kind = panel if spec.task == "forecast" and spec.panel else tabular
    missing = [name for name in REQUIRED if not hasattr(module, name)]
    if spec.panel and spec.panel.entity and not hasattr(module, "series"):
        missing.append("series")
    if missing:
        raise _lacks(spec, ", ".join(missing))

    def read(table: str, source: str = "") -> Any:
        raise _lacks(spec, f"read, and table {table!r} has no source")

    def laid(tables: Any) -> Any:
        return tables | {spec.tables[0].name: module.series(tables)} if hasattr(module, "series") else tables

    def features(tables: Any, interval: Any) -> Any:
        return kind.features(laid(tables), interval, spec)

    def examples(tables: Any, window: Any, known_by: Any) -> Any:
        return kind.examples(laid(tables), window, known_by, spec)

    return ModelFunctions(
        read=getattr(module, "read", read),
        features=getattr(module, "features", features),
        examples=getattr(module, "examples", examples),
        estimator=module.estimator,
        search_space=module.search_space,
    )


def _lacks(spec: ModelSpec, what: str) -> SpecError:
    return SpecError(
        f"the model lacks {what}",
        where=f"{spec.name}/model.py",
        expected="functions estimator and search_space, read for tables without a source, series for a panel's entity",
        got=f"no {what}",
        next_step="write them; dags/templates has examples",
    )
