"""Each error has its place in the tree of core/errors.py and in docs/troubleshooting.md."""

from __future__ import annotations

import ast

from contender.core import errors
from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT

PAGE = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
LAUNCHERS = ("client", "embedded", "stack")


def of_the_core() -> set[str]:
    return {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ContenderError)}


def of_the_launchers() -> set[str]:
    classes = [
        node
        for part in LAUNCHERS
        for path in (CHECKOUT / "plugins" / "contender" / part).glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    return {node.name for node in classes if any(getattr(base, "id", "") == "ContenderError" for base in node.bases)}


def test_troubleshooting_page_has_every_error() -> None:
    missing = {name for name in of_the_core() | of_the_launchers() if f"| `{name}` |" not in PAGE}
    assert missing == set()


def test_error_tree_in_the_docstring_is_complete() -> None:
    assert {name for name in of_the_core() if name not in (errors.__doc__ or "")} == set()
