"""Asking for what was left out, each answer checked at once."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from contender.core.errors import ContenderError, ScaffoldRefused, some
from contender.scaffold.refusals import readable
from contender.scaffold.request import (
    REQUIRED,
    UNLABELLED,
    WITH_TIME_AND_ENTITY,
    listed,
    require_name,
    require_template,
    templates,
)

QUESTIONS = {
    "NAME": "Name of the model, e.g. churn: ",
    "FROM": "Template: ",
    "DATA": "Path or address of the data: ",
    "LABEL": "Column to predict: ",
    "TIME": "Column that says when a row happened{none}: ",
    "ENTITY": "Columns that name what a row is about, with commas{none}: ",
}
NONE = " (empty for none)"
COLUMNS = ("LABEL", "TIME", "ENTITY")
LISTED = 100  # columns


def completed(
    given: Mapping[str, str], root: Path, ask: Callable[[str], str] | None, say: Callable[[str], None] = print
) -> dict[str, str]:
    """The arguments with those that were missing asked for.

    Args:
        given: The arguments, by their names in upper case; empty ones count as missing.
        root: The checkout.
        ask: Asks a person one question; `None` where there is nobody to ask.
        say: Shows a person what there is to choose from, and why an answer is none.

    Raises:
        ScaffoldRefused: Something is missing and there is nobody to ask.
    """
    found = {name: value for name, value in given.items() if value.strip()}
    missing = [name for name in REQUIRED if name not in found and not _unasked(name, found)]
    if not missing:
        return found
    if ask is None:
        raise ScaffoldRefused(
            "arguments are missing", where=some(missing),
            expected="make new-model NAME=churn FROM=classification DATA=path-or-url LABEL=churned "
            "[TIME=col] [ENTITY=col,…]",
            got=some(f"{name}={value}" for name, value in found.items()) or "none",
            next_step=f"give them; FROM is one of {some(templates(root), 20)}",
        )  # fmt: skip
    return _Questions(root, ask, say).completed(found)


class _Questions:
    """One round of questions, and the columns of the data once it is known where they lie."""

    def __init__(self, root: Path, ask: Callable[[str], str], say: Callable[[str], None]) -> None:
        self.root, self.ask, self.say = root, ask, say
        self.headers: list[str] = []

    def completed(self, found: dict[str, str]) -> dict[str, str]:
        """All answers: what was given is one too, and is asked for again where it is none."""
        for name, question in QUESTIONS.items():
            if _unasked(name, found):
                continue
            answer = found.get(name, "")
            if not (answer and self._fits(name, answer, found)):
                self._show(name)
                answer = self._answer(name, question, found)
            found[name] = answer
        return found

    def _answer(self, name: str, question: str, found: Mapping[str, str]) -> str:
        needed = name in REQUIRED or found["FROM"] == WITH_TIME_AND_ENTITY
        while True:
            answer = self.ask(question.format(none="" if needed else NONE)).strip()
            if not (answer or needed) or self._fits(name, answer, found):
                return answer

    def _fits(self, name: str, answer: str, found: Mapping[str, str]) -> bool:
        """Whether an answer is one; says why not."""
        if not answer:
            self.say("  an answer is needed here; Ctrl-C ends, and nothing is written")
            return False
        try:
            self._check(name, answer, found)
        except ContenderError as error:
            self.say(readable(error))
            return False
        return True

    def _check(self, name: str, answer: str, found: Mapping[str, str]) -> None:
        if name == "NAME":
            require_name(answer, self.root, entity=found.get("FROM") != "batch_only")
        elif name == "FROM":
            require_template(answer, self.root)
        elif name == "DATA":
            self.headers = headers_at(answer, self.root, found)
        else:
            _require_columns(name, answer, self.headers, found)

    def _show(self, name: str) -> None:
        if name == "FROM":
            for template in templates(self.root):
                self.say(f"  {template:<16}{purpose_of(self.root, template)}")
        if name in COLUMNS:
            self.say(f"  Columns: {some(self.headers, LISTED)}")


def headers_at(data: str, root: Path, found: Mapping[str, str]) -> list[str]:
    """The headers of the table at a place.

    Raises:
        ContenderError: There is none that could be read.
    """
    from contender.adapters.sources import sample  # it takes its second, which a refusal before need not wait for
    from contender.scaffold.connection import address_of
    from contender.scaffold.where import source_of

    connection = found.get("CONNECTION", "").strip()
    source, _ = source_of(data, root, query=found.get("QUERY", "").strip(), connection=connection)
    return [str(header) for header in sample(source, root=root, rows=1, url=address_of(connection))[0].columns]


def _require_columns(name: str, answer: str, headers: list[str], found: Mapping[str, str]) -> None:
    from contender.core.naming import identifiers
    from contender.scaffold.profile import found_column, require_different

    known = dict(zip(headers, identifiers(headers), strict=True))
    columns = [found_column(one, known, name) for one in _columns_of(name, answer)]
    others = [one for role in COLUMNS if role != name for one in _columns_of(role, found.get(role, ""))]
    require_different(*columns, *(known.get(one, one) for one in others))


def _columns_of(role: str, answer: str) -> tuple[str, ...]:
    return listed(answer) if role == "ENTITY" else (answer,)


def purpose_of(root: Path, template: str) -> str:
    """What a template is for, as its `dag.py` says it, in one line."""
    text = (root / "dags" / "templates" / template / "dag.py").read_text(encoding="utf-8")
    found = re.search(r"(?s)\*\*Purpose\.\*\* (.+?)(?:\n\n|$)", ast.get_docstring(ast.parse(text)) or "")
    return " ".join(found[1].split()) if found else ""


def _unasked(name: str, found: Mapping[str, str]) -> bool:
    """What a template has no use for."""
    template = found.get("FROM", "")
    return (name == "LABEL" and template == UNLABELLED) or (name in ("TIME", "ENTITY") and template == "batch_only")
