"""What belongs to a model, and which others need it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contender.core.apart import said_apart
from contender.core.errors import some
from contender.core.naming import built_table
from contender.core.spec_source import specs_in
from contender.scaffold.request import places

READ_SECONDS = 30.0
CODE = ("dags", "feature_repo", "plugins", "tests")  # where another may import a model's code


@dataclass(frozen=True)
class Declared:
    """What the spec of a `dag.py` says, as far as a removal asks.

    Attributes:
        lake: Names of the model's own tables in the lake.
        views: Names of the feature views that it owns.
        shared: Tables and views that it takes, by the names of their owners.
        problem: Why it cannot be read; empty where it can.
    """

    lake: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def declared(file: Path) -> Declared:
    """What a `dag.py` declares, read in a process of its own: it may be the broken one that is to go."""
    said = said_apart(lambda: _said(file), READ_SECONDS)
    try:
        lake, views, shared = json.loads(said)
    except ValueError:
        return Declared(problem=said)
    return Declared(tuple(lake), tuple(views), tuple((owner, name) for owner, name in shared))


def _said(file: Path) -> str:
    try:
        found = specs_in(file.read_text(encoding="utf-8"), str(file))
    except BaseException as error:  # noqa: BLE001  it may raise anything, sys.exit's also
        return f"{type(error).__name__}: {error}"
    own = [spec for spec in found if spec.name == file.parent.name]  # not one that it took its own from
    shared = [(table.owner, table.name) for spec in own for table in spec.tables if table.owner]
    shared += [(view.owner, view.name) for spec in own for view in spec.views if view.owner]
    return json.dumps([
        list(dict.fromkeys(name for spec in own for name in (*spec.writes(), built_table(spec.name)))),
        [view.name for spec in own for view in spec.views if not view.owner],
        shared,
    ])  # fmt: skip


def files_of(root: Path, model: str) -> list[Path]:
    """The model's folders and files that are there, its DAGs last."""
    longer = [path.parent.name for path in root.glob("dags/*/dag.py") if path.parent.name.startswith(f"{model}_")]
    tests = [
        path for path in sorted((root / "tests" / "models").glob(f"test_{model}_*.py"))
        if not any(path.name.startswith(f"test_{name}_") for name in longer)
    ]  # fmt: skip
    *others, dags = places(root, model)
    found = dict.fromkeys([*tests, *others, dags])
    return [path for path in found if path.exists()]


def needed_by(root: Path, model: str) -> Iterator[str]:
    """Who needs a model, each with what it needs of it: another model's table or view, or a file that imports it."""
    for file in sorted([*root.glob("dags/*/dag.py"), *root.glob("dags/templates/*/dag.py")]):
        if file.parent == root / "dags" / model or not re.search(rf"\b{model}\b", file.read_text(encoding="utf-8")):
            continue
        other, name = declared(file), file.parent.relative_to(root / "dags")
        taken = sorted({part for owner, part in other.shared if owner == model})
        if taken:
            yield f"{name} shares it ({some(taken)})"
        elif other.problem:
            yield f"{name} names it and cannot be read ({other.problem})"
    own = files_of(root, model)
    for path in sorted(path for folder in CODE for path in (root / folder).rglob("*.py")):
        if not any(path.is_relative_to(place) for place in own) and _imports(path, model):
            yield f"{path.relative_to(root)} imports it"


def _imports(path: Path, model: str) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text) if model in text else None
    except (SyntaxError, ValueError):
        return False  # it can import nothing as it is
    found = re.compile(rf"((dags|feature_repo)\.)?{model}(\.|$)")
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        if any(map(found.match, names)):
            return True
    return False
