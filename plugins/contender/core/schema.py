"""The versions of what a spec may say, and what each of them changed.

A change of the spec that asks something of the models of a fork is one entry of `CHANGES`: what changed, for people,
and rules that find in an older `dag.py` the lines to edit. A spec that names no version is of the first, which all
specs were of before there were versions.
"""

from __future__ import annotations

import ast
import traceback
from dataclasses import dataclass
from pathlib import Path

from contender.core.edits import Edit, Given, Moved, Rule, Unpacked, calls, merged
from contender.core.errors import SpecError

FIRST = 1
FIELD = "schema_version"


@dataclass(frozen=True)
class Change:
    """One version of the schema.

    Attributes:
        version: Its number.
        what: What changed since the version before, for the author of a spec.
        rules: What must be written otherwise; empty where older specs mean the same but for their version.
    """

    version: int
    what: str
    rules: tuple[Rule, ...] = ()


CHANGES: tuple[Change, ...] = (
    Change(
        2,
        "specs name their version; GatePolicy is imported from contender.core.policy; model_dags makes three DAGs; a "
        "schedule is @monthly, @quarterly or @yearly, and data_from and data_until are whole months. New and optional: "
        "task, classes, label_delay_hours, panel, planted, limits and tasks of ModelSpec, source, entity and owner of "
        "Table, owner of View, folds of Tuning, Shares in place of Windows",
        (
            Moved("GatePolicy", "contender.core.spec", "contender.core.policy"),
            Unpacked("model_dags", ("train", "score", "deploy")),
        ),
    ),
)
VERSION = CHANGES[-1].version


def version_of(text: str) -> int | None:
    """The oldest version that a source's calls of `ModelSpec(…)` name; `FIRST` where one names none.

    Returns:
        None where there is no such call, or no version is written there as a number.
    """
    named = [version for call in calls(ast.parse(text), "ModelSpec") if (version := _named(call)) is not None]
    return min(named, default=None)


def _named(call: ast.Call) -> int | None:
    named = [argument.value for argument in call.keywords if argument.arg == FIELD]
    if not named:
        return None if any(argument.arg is None for argument in call.keywords) else FIRST  # `**facts` may have it
    value = named[0].value if isinstance(named[0], ast.Constant) else None
    return value if type(value) is int else None


def edits(text: str, changes: tuple[Change, ...] = CHANGES) -> tuple[Edit, ...]:
    """What must be edited in a spec's source so that it is of the newest version; nothing where it is already.

    Args:
        text: The source of a model's `dag.py`.
        changes: The versions, oldest first.
    """
    version = version_of(text)
    newest = changes[-1].version
    if version is None or version >= newest:
        return ()
    tree = ast.parse(text)
    rules = [rule for change in changes if change.version > version for rule in change.rules]
    return merged(text, [span for rule in (*rules, Given("ModelSpec", FIELD, newest)) for span in rule.spans(tree)])


def misfit(version: object, file: Path | None = None, changes: tuple[Change, ...] = CHANGES) -> SpecError | None:
    """Why a spec of this version is not for this platform, with what to do; None where it is.

    Args:
        version: What the spec names.
        file: Its `dag.py`; by default the one that is being run, if any.
        changes: The versions, oldest first.
    """
    newest = changes[-1].version
    if type(version) is not int or version == newest:  # what is no number is told by its type
        return None
    file, line = (file, 0) if file else _declaring()
    where, expected, got = str(file or "ModelSpec"), f"{FIELD}={newest}", f"{FIELD}={version}"
    if version > newest:
        return SpecError(
            "the spec is of a newer version than the platform", where=where, expected=expected, got=got,
            next_step="bring the platform up to that version (docs/upgrade.md), or take the model's older dag.py",
        )  # fmt: skip
    asked = [str(edit) for edit in edits(file.read_text(encoding="utf-8"), changes)] if file else []
    since = [f"version {change.version}: {change.what}" for change in changes if change.version > version]
    if line and not asked:  # no rule sees it, as in a dict or under another name; but there it is declared
        where = f"{where}, line {line}"
    return SpecError(
        "the spec is of an older version than the platform", where=where, expected=expected,
        got=f"{got}, as of specs that name none" if version == FIRST else got,
        next_step=f"edit the model's dag.py: {'; '.join(asked) or f'put `{expected},` into ModelSpec(…)'}. "
        f"What changed: {'. '.join(since)}. `make upgrade-check` tells it of all models",
    )  # fmt: skip


def _declaring() -> tuple[Path | None, int]:
    """The `dag.py` that is being run now, if any, and its line: what to name in an error about what it declares."""
    for frame, line in traceback.walk_stack(None):
        path = Path(frame.f_code.co_filename)
        if path.name == "dag.py" and path.is_file():
            return path, line
    return None, 0


def misfit_of_the_declaring_file() -> SpecError | None:
    """Why the `dag.py` that is being run is not for this platform: its parts are declared before its spec is."""
    file, _ = _declaring()
    return None if file is None else misfit(version_of(file.read_text(encoding="utf-8")), file)
