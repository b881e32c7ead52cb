"""Check the specs of a checkout against the schema of the platform that this module belongs to.

    python -m contender.upgrade.specs CHECKOUT

prints one JSON object: a fork asks a newer platform by running the newer one's module on its own specs, so that the
form of the answer must stay: `schema_version`, and `specs`, each with `path`, `edits` and `problem`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from contender.core import schema
from contender.core.apart import said_apart
from contender.core.edits import edited
from contender.core.spec_source import specs_in

LIMIT_SECONDS = 30.0  # what Airflow gives a file by default, `core.dagbag_import_timeout`


@dataclass(frozen=True)
class Checked:
    """What one spec needs.

    Attributes:
        path: Its `dag.py` below the checkout.
        edits: The lines to edit, in words.
        problem: Why it cannot be used even with these edits; empty where it can.
    """

    path: str
    edits: tuple[str, ...] = ()
    problem: str = ""


def sources(root: Path) -> list[Path]:
    """The `dag.py` of each model and template of a checkout."""
    return sorted([*(root / "dags").glob("*/dag.py"), *(root / "dags" / "templates").glob("*/dag.py")])


def check(root: Path, seconds: float = LIMIT_SECONDS) -> list[Checked]:
    """Check each spec of a checkout, and write nothing.

    Args:
        root: The checkout.
        seconds: How long each file may take.
    """
    sys.path.insert(0, str(root / "dags"))  # a dag.py may import what lies beside it, as it may in Airflow
    try:
        return [_checked(path, root, seconds) for path in sources(root)]
    finally:
        sys.path.remove(str(root / "dags"))


def _checked(path: Path, root: Path, seconds: float) -> Checked:
    name = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
        edits = schema.edits(text)
    except Exception as error:  # noqa: BLE001  the parser may raise what it likes, and the others are to be checked too
        return Checked(name, problem=f"{type(error).__name__}: {error}")
    # Named otherwise than the file, which is not what is run here: errors would speak of the version in the file.
    source = f"{path} with its edits" if edits else str(path)
    problem = said_apart(lambda: _problem(edited(text, edits), source), seconds)
    return Checked(name, tuple(map(str, edits)), problem)


def _problem(text: str, source: str) -> str:
    """Why a spec cannot be used; empty where it can, or where there is none."""
    try:
        found = specs_in(text, source)
    except BaseException as error:  # noqa: BLE001  a model's code may raise anything, sys.exit's and Ctrl-C's also
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    declared = [number for number, line in enumerate(text.split("\n"), start=1) if schema.FIELD in line]
    if found or not declared:
        return ""
    return (
        f"the ModelSpec of line {declared[0]} is not made when the file is loaded; expected: SPEC = ModelSpec(…), or "
        "model_dags(ModelSpec(…), …), on the file's top level or in what that calls"
    )


def main(arguments: list[str]) -> int:
    """Print what each spec of a checkout needs."""
    (root,) = arguments
    with contextlib.redirect_stdout(sys.stderr):  # what a model prints is no part of the answer
        checked = check(Path(root).resolve())
    print(json.dumps({"schema_version": schema.VERSION, "specs": [asdict(one) for one in checked]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
