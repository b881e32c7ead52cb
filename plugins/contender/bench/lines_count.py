"""The counting rule of `lines_for_a_new_model`, the same for our files and for those of other projects.

A line counts if it has something on it that a person writes for the machine: not a blank line, a comment or a
docstring. Of a file in which its project marks the places to edit, only these places count.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)  # a notebook's commands, which no parser of Python takes


@dataclass(frozen=True)
class Part:
    """Which lines of a file a person is told to edit.

    Attributes:
        begins, ends: Patterns of the lines that such a place lies between; it may occur more than once. Empty: the
            whole file.
        mark: Pattern of a comment that asks for the next line, or that stands on it; empty: every line.
        example: Pattern of what belongs to the example and so cannot stay: its data, columns, label, kind of problem.
    """

    begins: str = ""
    ends: str = ""
    mark: str = ""
    example: str = ""


@dataclass(frozen=True)
class Count:
    """Lines of a file.

    Attributes:
        lines: Those that a person is told to write or edit.
        at_least: Those of them that hold something of the example.
    """

    lines: int
    at_least: int


WHOLE = Part()


def count(text: str, name: str, part: Part = WHOLE) -> Count:
    r"""Count the lines of a file.

    Args:
        text: What is in it.
        name: Its name, whose suffix says how comments are written.
        part: What of it counts.

    Raises:
        SyntaxError: It ends with `.py` and is no Python.

    >>> count('"Doc."\n\nx = 1  # one\n# two\n', "x.py").lines
    1
    """
    suffix = PurePath(name.removesuffix(".tmpl")).suffix
    counted = _lines_of_python(MAGIC.sub("", text)) if suffix == ".py" else _lines_of_data(text)
    lines = text.splitlines()
    inside = _inside(lines, part)
    chosen = sorted(counted & inside)
    if part.mark:
        marks = [number for number in sorted(inside) if re.search(part.mark, lines[number - 1])]
        asked = {next((line for line in chosen if line >= number), 0) for number in marks}
        chosen = [number for number in chosen if number in asked]
    example = [number for number in chosen if part.example and re.search(part.example, lines[number - 1])]
    return Count(len(chosen), len(example))


def _lines_of_python(text: str) -> set[int]:
    """Numbers of the lines with a token that is neither comment nor docstring."""
    tree = ast.parse(text)
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            found |= set(range(token.start[0], token.end[0] + 1))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            found -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return found


def _lines_of_data(text: str) -> set[int]:
    """Numbers of the lines of YAML, JSON or text that are neither blank nor a comment."""
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    return {number for number, line in lines if line and not line.startswith("#")}


def _inside(lines: list[str], part: Part) -> set[int]:
    if not part.begins:
        return set(range(1, len(lines) + 1))
    found, inside = set(), False
    for number, line in enumerate(lines, start=1):
        if inside and re.search(part.ends, line):
            inside = False
        elif not inside and re.search(part.begins, line):
            inside = True
        elif inside:
            found.add(number)
    return found


def generated(text: str, answers: Mapping[str, Any]) -> str:
    """What a project's generator makes of a template, with these answers to its questions.

    Takes Jinja, and of Go's templates as much as the counted files use, which is written as Jinja first. What a
    template includes, of those counted a licence's header, is left out.

    Args:
        text: The template.
        answers: By the question's name.

    >>> generated("{{ if (eq .fast `no`) }}slow{{ else }}fast{{ end }}", {"fast": "no"})
    'slow'
    """
    for pattern, instead in GO_AS_JINJA:
        text = re.sub(pattern, instead, text)
    surroundings = Environment(undefined=StrictUndefined, loader=FunctionLoader(lambda _: ""))  # noqa: S701
    return surroundings.from_string(text).render(answers)


GO_AS_JINJA = (
    (r"\{\{(-?)\s*template\s+`\w+`\s*\.\s*(-?)\}\}", "name"),
    (r"\(eq \.(\w+) [`\"](\w+)[`\"]\)", r'(\1 == "\2")'),
    (r"\b(and|or) (\([^()]*\)) (\([^()]*\))", r"\2 \1 \3"),
    (r"\{\{(-?)\s*(else )?if (.+?)\s*(-?)\}\}", lambda m: f"{{%{m[1]} {'el' if m[2] else ''}if {m[3]} {m[4]}%}}"),
    (r"\{\{(-?)\s*else\s*(-?)\}\}", r"{%\1 else \2%}"),
    (r"\{\{(-?)\s*end\s*(-?)\}\}", r"{%\1 endif \2%}"),
    (r"\{\{(-?)\s*\.(\w+)\s*(-?)\}\}", r"{{\1 \2 \3}}"),
)
