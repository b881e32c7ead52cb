"""A spec as the Python that declares it, with what was guessed beside what it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from textwrap import wrap
from typing import Any

from contender.core.declared import Declared
from contender.core.spec import ModelSpec
from contender.core.spec_source import specs_in

WIDTH = 120
INDENT = "    "
# Before which field of the spec a guess stands that begins with this word; any other stands before the columns.
FIELD_OF = {
    "task": "label", "imbalance": "label", "time": "windows", "schedule": "windows", "panel": "panel",
    "entity": "tables", "data": "tables", "encoding": "tables", "delimiter": "tables", "decimal": "tables",
    "sample": "columns", "data_from": "data_from", "data_until": "data_until",
}  # fmt: skip

DOC = '''"""Airflow DAGs of `{name}`: {title}

**Purpose.** {purpose}

**Inputs.** {inputs}

**Outputs.** A version in the model registry, a verdict in the decision log and, where it is `promote`, a release
with its image and the asset `champion/{name}`, which starts the deployment.

**What is normal.** {normal}

**When to worry.** A failed `data.validate`: the source changed. A failed `gate.measure`: the gate failed its own test.
`reject`: the challenger is worse than the champion, has a leak, or its image is over a budget; the *Decision report* of
`gate.decide` says which.

**Owner.** {owner}
"""
'''


def dag_file(spec: ModelSpec, comments: Mapping[str, list[str]], *, purpose: str, inputs: str, normal: str) -> str:
    """The text of a model's `dag.py`.

    Args:
        spec: The model.
        comments: Lines to stand before a field of the spec, by the field's name.
        purpose, inputs, normal: Sentences of its documentation.
    """
    title = _quoted(spec.title)
    said = _plain(spec.title)
    doc = DOC.format(
        name=spec.name, title=said if said[-1] in ".?!" else f"{said}.", purpose=_filled(f"**Purpose.** {purpose}", 13),
        inputs=_filled(f"**Inputs.** {inputs}", 12), normal=_filled(f"**What is normal.** {normal}", 20),
        owner=_plain(spec.owner),
    )  # fmt: skip
    fields = [f"{INDENT}schema_version={spec.schema_version},", f"{INDENT}name={_quoted(spec.name)},"]
    fields += [f"{INDENT}title={title},", f"{INDENT}owner={_quoted(spec.owner)},"]
    for field in _changed(spec):
        if field in ("schema_version", "name", "title", "owner"):
            continue
        fields += [f"{INDENT}# {line}" for comment in comments.get(field, []) for line in wrap(comment, WIDTH - 6)]
        fields.append(_field(field, getattr(spec, field), 1))
    return f"""{doc}
from datetime import UTC, datetime

{_imports(spec)}
from contender.factory import model_dags

SPEC = ModelSpec(
{chr(10).join(fields)}
)

train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)
"""


def comments_of(guesses: Iterable[str], left_out: Mapping[str, str]) -> dict[str, list[str]]:
    """Each guess at the field of the spec that it concerns."""
    found: dict[str, list[str]] = {}
    for guess in guesses:
        found.setdefault(FIELD_OF.get(guess.partition(":")[0], "columns"), []).append(f"Guessed: {guess}.")
    for name, why in left_out.items():
        found.setdefault("columns", []).append(f"Left out: {name}: {why}.")
    return found


def _imports(spec: ModelSpec) -> str:
    used: set[str] = set()
    _classes(spec, used)
    policy = sorted(used & {"GatePolicy", "Guardrail", "SliceRule", "FairnessRule", "Budgets"}, key=str.lower)
    declared = sorted(used - set(policy), key=str.lower)
    lines = [f"from contender.core.policy import {', '.join(policy)}"] if policy else []
    return "\n".join([*lines, f"from contender.core.spec import {', '.join(declared)}"])


def _classes(value: Any, used: set[str]) -> None:
    if isinstance(value, Declared):
        used.add(type(value).__name__)
        for field in _changed(value):
            _classes(getattr(value, field), used)
    elif isinstance(value, tuple):
        for item in value:
            _classes(item, used)


def _changed(declared: Declared) -> list[str]:
    """Fields that differ from their defaults, in the order of the class; what has no default always does."""
    fields = type(declared).model_fields
    return [
        name for name, field in fields.items()
        if field.is_required() or getattr(declared, name) != field.get_default(call_default_factory=True)
    ]  # fmt: skip


def _field(name: str, value: Any, depth: int) -> str:
    """A keyword argument on a line of its own, broken where it is too long or holds several declarations."""
    indent = INDENT * depth
    line = f"{indent}{name}={_inline(value)},"
    many = isinstance(value, tuple) and len(value) > 1 and isinstance(value[0], Declared)
    return line if len(line) <= WIDTH and not many else f"{indent}{name}={_broken(value, depth)},"


def _broken(value: Any, depth: int) -> str:
    indent, inner = INDENT * depth, INDENT * (depth + 1)
    if isinstance(value, Declared):
        lines = [_field(field, getattr(value, field), depth + 1) for field in _changed(value)]
        return f"{type(value).__name__}(\n" + "\n".join(lines) + f"\n{indent})"
    if isinstance(value, tuple):
        lines = []
        for item in value:
            line = f"{inner}{_inline(item)},"
            lines.append(line if len(line) <= WIDTH else f"{inner}{_broken(item, depth + 1)},")
        return "(\n" + "\n".join(lines) + f"\n{indent})"
    if isinstance(value, str):
        parts = [value[at : at + WIDTH - 24] for at in range(0, len(value), WIDTH - 24)]
        return "(\n" + "\n".join(f"{inner}{_quoted(part)}" for part in parts) + f"\n{indent})"
    return _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, Declared):
        arguments = (f"{name}={_inline(getattr(value, name))}" for name in _changed(value))
        return f"{type(value).__name__}({', '.join(arguments)})"
    if isinstance(value, tuple):
        items = [_inline(item) for item in value]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_inline(name)}: {_inline(item)}" for name, item in value.items()) + "}"
    if isinstance(value, datetime):
        return f"datetime({value.year}, {value.month}, {value.day}, tzinfo=UTC)"
    if isinstance(value, str):
        return _quoted(value)
    return _number(value) if isinstance(value, float) else repr(value)


def declared_in(text: str) -> ModelSpec:
    """The spec that a rendered file declares, without the DAGs that it makes of it."""
    (found,) = specs_in(text, "dag.py")
    return found


def _number(value: float) -> str:
    if not isfinite(value):
        return f'float("{value}")'
    return f"{value:g}" if value.is_integer() and abs(value) < 1e6 else repr(value).replace("e+", "e")  # noqa: PLR2004


def _quoted(text: str) -> str:
    """As the formatter has it: double quotes, unless the text has more of these than of single ones."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    if escaped.count('"') > escaped.count("'"):
        escaped = escaped.replace("'", "\\'")
        return f"'{escaped}'"
    escaped = escaped.replace('"', '\\"')
    return f'"{escaped}"'


def _filled(text: str, lead: int) -> str:
    """A paragraph broken at the width, without its lead, which the template has."""
    return "\n".join(wrap(_plain(text), WIDTH, break_long_words=False))[lead:]


def _plain(text: str) -> str:
    """One line without what would end a docstring or escape something in it."""
    return " ".join(text.split()).replace('"', "'").replace("\\", "/")
