"""The files of a new model, as text."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from contender.core.spec import ModelSpec, Table
from contender.scaffold.render import WIDTH

TESTS = '''"""Behaviour of `{name}`: what must hold of it whatever it learns."""

from __future__ import annotations

import pandas as pd
import pytest

{imports}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Labelled examples with their inputs, of the first rows of the source."""
{read}


def test_model_fitted_twice_is_the_same(rows: pd.DataFrame) -> None:
    first, second = (behaviour.answered(model, SPEC, fitted_on=rows, asked=rows) for _ in range(2))
    assert (first == second).all()


def test_model_knows_its_rows_no_worse_than_a_constant_guess(rows: pd.DataFrame) -> None:
    learnt, guessed = behaviour.losses(model, SPEC, rows)
    assert learnt <= guessed * (1 + 1e-6)


def test_model_invariance_rows_score_the_same_in_any_order(rows: pd.DataFrame) -> None:
    straight = behaviour.answered(model, SPEC, fitted_on=rows, asked=rows)
    reversed_ = behaviour.answered(model, SPEC, fitted_on=rows, asked=rows.iloc[::-1])
    assert (straight == reversed_[::-1]).all()


def test_model_answers_what_it_never_saw(rows: pd.DataFrame) -> None:
    assert behaviour.is_sound(behaviour.answered(model, SPEC, fitted_on=rows, asked=behaviour.never_seen(SPEC)), SPEC)
'''

FEATURES = '''"""Feature view of `{name}`: each row is known from its own time on."""

from datetime import timedelta

from feast import Entity, ValueType

from contender.feast_stores.delta_view import delta_view

{entities}
{view} = delta_view(
    "{view}",
{names}
    {{
{features}
    }},
    ttl={ttl},
{texts})
'''

REQUEST = '''"""What a caller of `{name}` sends, and how its features are found.

Copied into the model's bundle and run by the serving app: standard library and msgspec only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody asks about.

    Attributes:
{documented}
    """

{fields}


def resolve(request: Request) -> tuple[datetime, dict[str, str], dict[str, float | str | None]]:
    """What the serving app needs to look the features up.

    Returns:
        The prediction time (UTC), the join keys by name, and the values that the request itself brings: none.
    """
{keys}
    return {when}, keys, {{}}
'''


READ = "    return behaviour.example_rows(SPEC, model)"
READ_IF_CONNECTED = """    try:
        return behaviour.example_rows(SPEC, model)
    except ScaffoldRefused as error:
        pytest.skip(str(error))"""


def tests_file(spec: ModelSpec) -> str:
    """`tests/models/test_<model>_model.py`; where a connection is needed and not there, its tests are skipped."""
    name, source = spec.name, spec.tables[0].source
    connected = source is not None and source.connection is not None
    imports = [f"from {name} import model", f"from {name}.dag import SPEC", "from contender.scaffold import behaviour"]
    imports += ["from contender.core.errors import ScaffoldRefused"] if connected else []
    read = READ_IF_CONNECTED if connected else READ
    return TESTS.format(name=name, imports="\n".join(sorted(imports)), read=read)


def model_file(template: str, template_name: str, name: str) -> str:
    """The template's `model.py` for a model of another name, without the function that reads the template's data."""
    lines = template.splitlines()
    tree = ast.parse(template)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "read":
            end = next((i for i in range(node.end_lineno or 0, len(lines)) if lines[i].strip()), len(lines))
            del lines[node.lineno - 1 : end]
    text = "\n".join(lines) + "\n"
    if "pd." not in text:
        text = text.replace("    import pandas as pd\n", "")
    return text.replace(f'"""`{template_name}`', f'"""`{name}`', 1)


def feature_file(spec: ModelSpec) -> str:
    """`feature_repo/<model>.py`, of a model with an entity."""
    table, (view,) = spec.tables[0], spec.views
    columns = [column for column in spec.columns if column.source == view.name]
    entities = "".join(_entity_line(spec, key) for key in table.entity)
    texts = [json.dumps(column.name) for column in columns if column.kind == "category"]
    said = _described(spec)
    return FEATURES.format(
        name=spec.name, view=view.name, entities=entities,
        names=_listed("    [", [_entity(key) for key in table.entity], "],"),
        features="\n".join(f'        "{column.name}": {json.dumps(said(column.name))},' for column in columns),
        ttl=_ttl(spec), texts=_listed("    texts={", texts, "},") + "\n" if texts else "",
    )  # fmt: skip


def _listed(opening: str, items: list[str], closing: str) -> str:
    """Items between brackets, each on a line of its own where one line is too long."""
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(opening) - len(opening.lstrip()))
    return "\n".join([opening, *(f"{indent}    {item}," for item in items), f"{indent}{closing}"])


def _entity(key: str) -> str:
    return f"{key}_entity"


def _entity_line(spec: ModelSpec, key: str) -> str:
    arguments = [
        f'name="{spec.name}_{key}"', f'join_keys=["{key}"]', "value_type=ValueType.STRING",
        f'description="{key.replace("_", " ")} of {spec.name}"',
    ]  # fmt: skip
    opening, inner = f"{_entity(key)} = Entity(", f"    {', '.join(arguments)}"
    if len(opening) + len(inner.lstrip()) + 1 > WIDTH >= len(inner):
        return f"{opening}\n{inner}\n)\n"
    return _listed(opening, arguments, ")") + "\n"


def _ttl(spec: ModelSpec) -> str:
    """A forecast's features are of no use once a step has ended that they do not know; a fact holds until the next."""
    if spec.panel is None:
        return "timedelta(0)"
    return f"timedelta(hours={round(2 * spec.panel.duration.total_seconds() / 3600)})"


def _described(spec: ModelSpec) -> Any:
    def said(name: str) -> str:
        kind, _, number = name.partition("_")
        if spec.panel and kind == "lag":
            return f"{spec.label}, {number} {spec.panel.step}{'' if number == '1' else 's'} before the next"
        if spec.panel and kind == "mean":
            return f"Mean {spec.label} of the last {number} {spec.panel.step}s"
        return f"Naive forecast of {spec.label}" if spec.panel else name.replace("_", " ")

    return said


def request_file(spec: ModelSpec) -> str:
    """`request.py`, of a model with an entity."""
    table = spec.tables[0]
    fields, documented = [f"    {key}: Name" for key in table.entity], []
    documented = [f"        {key}: As in the data." for key in table.entity]
    if table.time_column:
        fields.append("    at: Annotated[datetime, Meta(tz=True)]")
        what = "The beginning of the step that is asked for" if spec.panel else "When the question is asked"
        documented.append(f"        at: {what}; ISO 8601 with a UTC offset or `Z`.")
    when = "request.at.astimezone(UTC)" if table.time_column else "datetime.now(UTC)"
    if spec.panel and spec.panel.horizon > 1:
        ahead = int((spec.panel.horizon - 1) * spec.panel.duration.total_seconds())
        when = f"request.at.astimezone(UTC) - timedelta(seconds={ahead})"
    text = REQUEST.format(
        name=spec.name, documented="\n".join(documented), fields="\n".join(fields), when=when,
        keys=_listed("    keys = {", [f'"{key}": request.{key}' for key in table.entity], "}"),
    )  # fmt: skip
    return text.replace("import UTC, datetime\n", "import UTC, datetime, timedelta\n") if "timedelta(" in when else text


def example_file(spec: ModelSpec, raw: pd.DataFrame) -> str:
    """`example_request.json`: the entity of the newest row, or the inputs of the first."""
    table: Table = spec.tables[0]
    if table.entity:
        newest = raw.iloc[0]
        if table.time_column:
            # Of the rows that a run on the newest interval loads into the online store.
            newest = raw[raw[table.time_column] < spec.data_until].sort_values(table.time_column).iloc[-1]
        request: Mapping[str, Any] = {key: str(newest[key]) for key in table.entity}
        if table.time_column:
            request = {**request, "at": "{hour_after_interval}"}
    else:
        row = raw.iloc[0]
        request = {column.name: _plain(row[column.name]) for column in spec.columns}
    return json.dumps(request, indent=2) + "\n"


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else value if isinstance(value, str) else float(value)
