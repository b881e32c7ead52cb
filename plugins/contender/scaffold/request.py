"""What a new model is asked for with, and whether it can be."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from contender.core import naming
from contender.core.errors import ScaffoldRefused, some

NAME = r"[a-z][a-z0-9_]{1,62}"
DECLARED = r"\b(?:Table|View)\(\s*name=[\"']([a-z0-9_]+)[\"']"
REQUIRED = ("NAME", "FROM", "DATA", "LABEL")
UNLABELLED = "anomaly"  # the template whose label is made up
WITH_TIME_AND_ENTITY = "forecasting"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The arguments of `make new-model`, whose names are the upper case of these.

    Attributes:
        name: Name of the model.
        template: A folder of `dags/templates` (`FROM`).
        data: Path, address, or SQLAlchemy URL.
        label, time, entity: Columns by header or name.
        query, connection: Of a database.
        drop, keep: Columns to leave out, and to use although something speaks against them.
        classes: The label's classes, the predicted one of two last.
        title, owner: For people.
    """

    name: str
    template: str
    data: str
    label: str = ""
    time: str = ""
    entity: tuple[str, ...] = ()
    query: str = ""
    connection: str = ""
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    title: str = ""
    owner: str = ""


def asked_of(given: Mapping[str, str]) -> Asked:
    """The request that some variables make; lists are separated by commas."""

    def listed(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in given.get(name, "").split(",") if part.strip())

    return Asked(
        name=given["NAME"].strip(), template=given["FROM"].strip(), data=given["DATA"].strip(),
        label=given.get("LABEL", "").strip(), time=given.get("TIME", "").strip(), entity=listed("ENTITY"),
        query=given.get("QUERY", "").strip(), connection=given.get("CONNECTION", "").strip(), drop=listed("DROP"),
        keep=listed("KEEP"), classes=listed("CLASSES"), title=given.get("TITLE", "").strip(),
        owner=given.get("OWNER", "").strip(),
    )  # fmt: skip


def templates(root: Path) -> list[str]:
    """The templates there are."""
    return sorted(path.parent.name for path in (root / "dags" / "templates").glob("*/dag.py"))


def places(root: Path, name: str) -> list[Path]:
    """All that a model of this name writes, the DAGs last: they show it to Airflow."""
    return [
        root / "expectations" / name, root / "feature_repo" / f"{name}.py",
        root / "tests" / "models" / f"test_{name}_model.py", root / "dags" / name,
    ]  # fmt: skip


def require_possible(asked: Asked, root: Path) -> None:
    """Refuse what cannot become a model, before anything is read.

    Raises:
        ScaffoldRefused: The name is none, is taken or shadows a package; there is no such template; arguments do not
            fit it; or a folder may not be written to.
    """
    _require_name(asked.name, root)
    _require_free_in_the_lake(asked.name, root)
    known = templates(root)
    if asked.template not in known:
        close = get_close_matches(asked.template, known, n=1)
        raise _refused(
            "there is no such template" + (f"; did you mean {close[0]!r}?" if close else ""),
            "FROM", some(known, 20), asked.template, "say FROM=<one of these>",
        )  # fmt: skip
    if asked.template == WITH_TIME_AND_ENTITY and not (asked.time and asked.entity):
        got = f"TIME={asked.time or '(none)'}, ENTITY={some(asked.entity) or '(none)'}"
        raise _refused(
            "a forecast needs series in time", "TIME, ENTITY", "the step's column, and what a series is of", got,
            "say TIME=<column> ENTITY=<column>; where there is one series only, give it a column that names it",
        )  # fmt: skip
    if asked.template == "batch_only" and (asked.time or asked.entity):
        raise _refused(
            "a model that is scored in batches only has neither event time nor entity", "TIME, ENTITY", "neither",
            f"TIME={asked.time}, ENTITY={some(asked.entity)}", "leave them out, or say FROM=classification",
        )  # fmt: skip
    if bool(asked.label) == (asked.template == UNLABELLED):
        raise _refused(
            "the label does not fit the template", "LABEL",
            "none: an anomaly model has no label" if asked.label else "the column to predict",
            asked.label or "(none)", "leave LABEL out" if asked.label else "say LABEL=<column>, or FROM=anomaly",
        )  # fmt: skip
    for place in places(root, asked.name):
        if not os.access(place.parent, os.W_OK):
            raise _refused(
                "a folder may not be written to", str(place.parent), "a folder that you may write to", "no permission",
                "change its owner or mode; nothing was read or written",
            )  # fmt: skip


def _require_name(name: str, root: Path) -> None:
    if not re.fullmatch(NAME, name) or keyword.iskeyword(name) or name == "templates":
        raise _refused(
            "the name cannot be a model's", "NAME",
            "lower-case letters, digits and underscores, 2 to 63 of them, a letter first, no word of Python's",
            repr(name), "choose another, e.g. NAME=churn",
        )  # fmt: skip
    there = [str(place.relative_to(root)) for place in places(root, name) if place.exists()]
    if there:
        raise _refused(
            "there is a model of that name", "NAME", "a name that no model has", f"{name}: {some(there)}",
            "choose another name, or remove these first",
        )  # fmt: skip
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise _refused(
            "the name is that of a package, which the model would hide", "NAME", "a name that no module has", name,
            f"choose another, e.g. NAME={name}_model",
        )  # fmt: skip


def _require_free_in_the_lake(name: str, root: Path) -> None:
    """All models share one lake: a table of another model's name would be overwritten."""
    own = {
        name, f"{name}_features", f"{name}_history", naming.quarantine_table(name), naming.training_table(name),
        naming.predictions_table(name),
    }  # fmt: skip
    for path in sorted((root / "dags").glob("*/dag.py")):
        model = path.parent.name
        # By its text: another model's file may be broken, which is no matter of this one.
        declared = re.findall(DECLARED, path.read_text(encoding="utf-8", errors="replace"))
        derived = [naming.quarantine_table(table) for table in declared]
        theirs = {*declared, *derived, naming.training_table(model), naming.predictions_table(model)}
        if shared := sorted(own & theirs):
            raise _refused(
                "the lake has tables of that name", "NAME", "a name whose tables no other model has",
                f"{some(shared)} of {model}", f"choose another, e.g. NAME={name}_model",
            )  # fmt: skip


def _refused(what: str, where: str, expected: str, got: str, next_step: str) -> ScaffoldRefused:
    return ScaffoldRefused(what, where=where, expected=expected, got=got, next_step=next_step)
