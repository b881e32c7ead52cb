"""A new model from a request: read, profile, declare, draft, check, write."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pandas as pd

from contender.adapters.expectations import load_suite, validate
from contender.adapters.expectations_suite import ROW_COUNTS
from contender.adapters.source_address import shown
from contender.adapters.source_values import pointed
from contender.adapters.sources import spread
from contender.core.errors import ContenderError, ScaffoldRefused, some
from contender.core.interval import Interval
from contender.core.model_code import module_of
from contender.core.policy import Task
from contender.core.spec import ModelSpec
from contender.scaffold import files
from contender.scaffold.behaviour import ROWS, examples_of, typed
from contender.scaffold.connection import address_of
from contender.scaffold.declare import ANY_TASK, Declared, declare
from contender.scaffold.guesses import guesses
from contender.scaffold.profile import Profile, profile
from contender.scaffold.render import comments_of, dag_file, declared_in
from contender.scaffold.request import Asked, places, require_possible
from contender.scaffold.suites import suites
from contender.scaffold.where import source_of
from contender.scaffold.whole import completed
from contender.scaffold.write import write
from contender.stages import data, train

Say = Callable[[str], None]
# Which a model that is batch_only by its template begins with: its label may be of any task.
_TEMPLATES: dict[Task, str] = {
    "binary": "classification", "multiclass": "multiclass", "regression": "regression",
}  # fmt: skip
NORMAL = "`promote` at first, and `hold` as long as new rows say nothing new."


@dataclass(frozen=True)
class Made:
    """A model that was written.

    Attributes:
        spec: Its declaration.
        files: Text by path below the checkout.
        guesses: What was guessed, one sentence each.
    """

    spec: ModelSpec
    files: dict[str, str]
    guesses: tuple[str, ...]


def make(asked: Asked, root: Path, today: datetime, say: Say) -> Made:
    """Write a new model.

    Args:
        asked: What was asked for.
        root: The checkout.
        today: Where a model without time begins.
        say: Takes each line of progress.

    Raises:
        ScaffoldRefused: It cannot be made of what was given; nothing was written.
        SourceUnreadable: The data cannot be read.
    """
    require_possible(asked, root)
    template = _template(asked.template, root)
    say(f"Reading {shown(asked.data)}")
    source, told = source_of(asked.data, root, query=asked.query, connection=asked.connection)
    url = address_of(asked.connection)
    frame, sampled = spread(source, root=root, url=url)
    of = ", spread over all there are" if sampled else ""
    say(f"Looking at {len(frame):,} rows of {len(frame.columns)} columns{of}")
    task = None if asked.template == ANY_TASK else template.task
    seen = profile(
        pointed(frame, source.decimal), label=asked.label, time=asked.time or None, entity=asked.entity,
        classes=asked.classes, task=task, sampled=sampled,
    )  # fmt: skip
    if sampled:
        say("Reading time, entity, label and numbers of all rows")
        seen = completed(seen, source, root, url, asked.classes, task, drop=asked.drop)
    begun_with = _TEMPLATES[seen.task] if asked.template == ANY_TASK else asked.template
    declared = declare(asked, _template(begun_with, root), seen, source, today)
    said = (
        *guesses(seen, declared.spec.task, {column.name for column in declared.spec.columns}),
        *declared.guesses,
        *told,
    )
    raw = typed(frame, declared.spec.tables[0], declared.spec)
    text = (root / "dags" / "templates" / begun_with / "model.py").read_text(encoding="utf-8")
    code = files.model_file(text, begun_with, asked.name)
    say("Drafting suites, and checking them against the data")
    written = _files(asked, declared, raw, code, said, seen)
    _require_valid(declared.spec, written, raw, sampled=sampled)
    write(root, written, places(root, asked.name))
    left = tuple(f"left out: {name}: {why}" for name, why in declared.left_out.items())
    return Made(declared.spec, written, (*said, *left))


def _template(name: str, root: Path) -> ModelSpec:
    """The template's spec, imported from its `dag.py` as Airflow would."""
    folder = root / "dags" / "templates"
    sys.path.insert(0, str(folder))
    try:
        found = importlib.import_module(f"{name}.dag").SPEC
    finally:
        sys.path.remove(str(folder))
    if not isinstance(found, ModelSpec):
        raise ScaffoldRefused(
            "the template declares no spec", where=f"dags/templates/{name}/dag.py", expected="SPEC = ModelSpec(…)",
            got=type(found).__name__, next_step="mend the template",
        )  # fmt: skip
    return found


def _files(
    asked: Asked, declared: Declared, raw: pd.DataFrame, code: str, said: tuple[str, ...], seen: Profile
) -> dict[str, str]:
    spec, name = declared.spec, declared.spec.name
    examples = _examples(spec, code, raw)
    drafted = suites(spec, declared.inputs, raw, examples, seen)
    found = {f"expectations/{name}/{stem}.json": text for stem, text in drafted.items()}
    found[f"tests/models/test_{name}_model.py"] = files.tests_file(spec)
    purpose = "Tells how odd a row looks" if spec.planted else f"Predicts `{spec.label}`"
    each = "one step at a time" if spec.panel else "one row at a time"
    found[f"dags/{name}/dag.py"] = dag_file(
        spec, comments_of(said, declared.left_out), purpose=f"{purpose}, {each}.",
        inputs=f"{'A query' if asked.query else asked.data}, {len(spec.columns)} inputs.", normal=NORMAL,
    )  # fmt: skip
    found[f"dags/{name}/model.py"] = code
    found[f"dags/{name}/example_request.json"] = files.example_file(spec, raw)
    if spec.views:
        found[f"feature_repo/{name}.py"] = files.feature_file(spec)
        found[f"dags/{name}/request.py"] = files.request_file(spec)
    return found


def _examples(spec: ModelSpec, code: str, raw: pd.DataFrame) -> pd.DataFrame:
    """Examples of the rows, made by the very code that is about to be written."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / spec.name
        package.mkdir()
        (package / "model.py").write_text(code, encoding="utf-8")
        module = module_of(package, "model")
        try:
            examples = examples_of(spec, module, raw)
            _require_learns(spec, module, examples.head(ROWS))
        finally:
            for known in [known for known in sys.modules if known.split(".", 1)[0] == spec.name]:
                del sys.modules[known]
    return examples


def _require_learns(spec: ModelSpec, module: ModuleType, examples: pd.DataFrame) -> None:
    try:
        train.fit(module.estimator, {}, examples, spec)
    except ContenderError as error:
        raise ScaffoldRefused(
            "a first model cannot be fitted to the rows", where=f"DATA, for FROM={spec.task}",
            expected="inputs with values in the rows, and of series no gaps", got=str(error),
            next_step="fill the gaps (or sum up by a longer step), or leave inputs out with DROP; nothing was written",
        ) from error  # fmt: skip


def _require_valid(spec: ModelSpec, written: dict[str, str], raw: pd.DataFrame, *, sampled: bool) -> None:
    """Refuse to write what declares another model, is no Python, or stops its own data: faults of the draft."""
    table = spec.tables[0]
    for path, text in written.items():
        if path.endswith(".py"):
            compile(text, path, "exec", dont_inherit=True)
    if declared_in(written[f"dags/{spec.name}/dag.py"]) != spec:
        raise ScaffoldRefused(
            "the spec cannot be written down", where=f"dags/{spec.name}/dag.py", expected=str(spec)[:200],
            got="another one when it is read again", next_step="report it with the arguments; nothing was written",
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for path, text in written.items():
            if path.endswith(".json") and path.startswith("expectations/"):
                place = Path(folder) / Path(path).name
                place.write_text(text, encoding="utf-8")
                load_suite(place)
        suite = load_suite(Path(folder) / f"{table.name}.json")
        if sampled:  # a part of the rows cannot be as many as all
            suite.expectations = [one for one in suite.expectations if one.expectation_type not in ROW_COUNTS]
        until = spec.data_until
        for month in [] if until is None else Interval(start=spec.data_from, end=until).months()[-1:]:
            rows = data.cut(raw, table, month)
            found = validate(rows, suite, parameters=data.bounds(month, None))
            if found.critical and len(rows):
                raise ScaffoldRefused(
                    "the newest month of the data is unlike the others", where=f"{table.name} {month}",
                    expected="rows that keep to what was drafted from all months", got=some(found.critical),
                    next_step="mend the source, or give DATA that end before this month",
                )  # fmt: skip
