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

from contender.core.errors import ScaffoldRefused, some
from contender.core.naming import predictions_table, quarantine_table, training_table

NAME = r"[a-z][a-z0-9_]{1,62}"
REQUIRED = ("NAME", "FROM", "DATA", "LABEL")
UNLABELLED = "anomaly"  # the template whose label is made up
WITH_TIME_AND_ENTITY = "forecasting"
SUITES = ("training_set", "scoring_set", "predictions")  # of every model, beside those of its tables
OF_THE_PLATFORM = tuple(table("") for table in (quarantine_table, training_table, predictions_table))
FEWEST_CLASSES = 2
LONGEST_DELAY_DAYS = 366


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
        label_delay: How many days after a row its label is known.
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
    label_delay: int = 0
    title: str = ""
    owner: str = ""


def asked_of(given: Mapping[str, str]) -> Asked:
    """The request that some variables make; lists are separated by commas.

    Raises:
        ScaffoldRefused: A number is none.
    """
    said = {name: value.strip() for name, value in given.items()}
    lists = {name: listed(said.get(name, "")) for name in ("ENTITY", "DROP", "KEEP", "CLASSES")}
    return Asked(
        name=said["NAME"], template=said["FROM"], data=said["DATA"], label=said.get("LABEL", ""),
        time=said.get("TIME", ""), entity=lists["ENTITY"], query=said.get("QUERY", ""),
        connection=said.get("CONNECTION", ""), drop=lists["DROP"], keep=lists["KEEP"], classes=lists["CLASSES"],
        label_delay=days_of(said.get("LABEL_DELAY", "")), title=said.get("TITLE", ""), owner=said.get("OWNER", ""),
    )  # fmt: skip


def listed(text: str) -> tuple[str, ...]:
    """The parts of a list that is separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def days_of(text: str) -> int:
    """The number of days that a text says, 0 where it says nothing.

    Raises:
        ScaffoldRefused: It is none.
    """
    if text and not (text.isdecimal() and int(text) <= LONGEST_DELAY_DAYS):
        raise _refused(
            "the label's delay is no number of days", "LABEL_DELAY", f"a whole number from 0 to {LONGEST_DELAY_DAYS}",
            text, "say after how many days the label of a row is known, e.g. LABEL_DELAY=30",
        )  # fmt: skip
    return int(text or 0)


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
    require_name(asked.name, root, entity=bool(asked.entity))
    require_template(asked.template, root)
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
    _require_fitting_columns(asked)
    for place in places(root, asked.name):
        if not os.access(place.parent, os.W_OK):
            raise _refused(
                "a folder may not be written to", str(place.parent), "a folder that you may write to", "no permission",
                "change its owner or mode; nothing was read or written",
            )  # fmt: skip


def _require_fitting_columns(asked: Asked) -> None:
    """No argument is passed over: one that the template has no use for is refused."""
    if asked.template == WITH_TIME_AND_ENTITY and (asked.drop or asked.keep):
        raise _refused(
            "a forecast has no inputs to choose from", "DROP, KEEP", "neither: it learns from the label's own past",
            some([*asked.drop, *asked.keep]), "leave them out, or say FROM=regression",
        )  # fmt: skip
    if asked.classes and asked.template in (WITH_TIME_AND_ENTITY, UNLABELLED, "regression"):
        raise _refused(
            "the template has no classes", "CLASSES", f"none for FROM={asked.template}", some(asked.classes),
            "leave them out, or say FROM=classification or FROM=multiclass",
        )  # fmt: skip
    if asked.label_delay and (not asked.time or asked.template in (WITH_TIME_AND_ENTITY, UNLABELLED)):
        raise _refused(
            "nothing is known late here", "LABEL_DELAY", "0, but for labels that are known some time after a row",
            f"LABEL_DELAY={asked.label_delay}, FROM={asked.template}, TIME={asked.time or '(none)'}",
            "say TIME=<column>, or leave LABEL_DELAY out: a forecast's label is known when its step ends, and an "
            "anomaly has none",
        )  # fmt: skip
    if asked.classes and len(set(asked.classes)) < max(len(asked.classes), FEWEST_CLASSES):
        raise _refused(
            "the classes cannot be told apart", "CLASSES", "two or more different ones", some(asked.classes),
            "name each class once, the predicted one of two last: CLASSES=no,yes",
        )  # fmt: skip
    if both := sorted(set(asked.drop) & set(asked.keep)):
        raise _refused(
            "columns are both dropped and kept", "DROP, KEEP", "each column in one of them", some(both),
            "decide which",
        )  # fmt: skip


def require_template(template: str, root: Path) -> None:
    """Refuse what is none of the templates."""
    known = templates(root)
    if template not in known:
        close = get_close_matches(template, known, n=1)
        raise _refused(
            "there is no such template" + (f"; did you mean {close[0]!r}?" if close else ""),
            "FROM", some(known, 20), template, "say FROM=<one of these>",
        )  # fmt: skip


def require_name(name: str, root: Path, *, entity: bool) -> None:
    """Refuse a name that a model cannot have; one with an entity has a feature view of that name too."""
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
    if name in SUITES or name.endswith(OF_THE_PLATFORM):
        raise _refused(
            "the name is one of the platform's own", "NAME", f"none of {some(SUITES)}, no end like "
            f"{some(OF_THE_PLATFORM)}", name, f"choose another, e.g. NAME={name}_model",
        )  # fmt: skip
    tables = {name, f"{name}_features", f"{name}_history"} if entity else {name}
    if others := [path for path in sorted((root / "expectations").glob("*/*.json")) if path.stem in tables]:
        shared = some(f"{path.stem} of {path.parent.name}" for path in others)
        raise _refused(
            "another model has a table or a view of that name, and all of them lie in one lake", "NAME",
            "a name that no table and no view has", shared, f"choose another, e.g. NAME={name}_model",
        )  # fmt: skip
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise _refused(
            "the name is that of a package, which the model would hide", "NAME", "a name that no module has", name,
            f"choose another, e.g. NAME={name}_model",
        )  # fmt: skip


def _refused(what: str, where: str, expected: str, got: str, next_step: str) -> ScaffoldRefused:
    return ScaffoldRefused(what, where=where, expected=expected, got=got, next_step=next_step)
