"""The spec that a `dag.py` declares, without the DAGs that it makes of it, and so without Airflow."""

from __future__ import annotations

import ast
from typing import Any

from contender.core.edits import calls
from contender.core.spec import ModelSpec

FACTORY, MAKER = "contender.factory", "model_dags"


def specs_in(text: str, file: str) -> list[ModelSpec]:
    """Run a `dag.py` but for its DAGs, and take the specs that it leaves.

    Args:
        text: Its source.
        file: What to call it where it fails.

    Raises:
        SpecError: A declaration cannot work.
        Exception: Whatever else the source raises when it is run.
    """
    tree = ast.parse(text, file)
    tree.body = [
        node for node in tree.body
        if not (isinstance(node, ast.ImportFrom) and node.module == FACTORY)
        and not any(calls(ast.Module([node], []), MAKER))
    ]  # fmt: skip
    names: dict[str, Any] = {"__file__": file, "__name__": "dag"}
    exec(compile(tree, file, "exec"), names)  # noqa: S102  it is the model's own code, which Airflow runs too
    return list({id(found): found for found in names.values() if isinstance(found, ModelSpec)}.values())
