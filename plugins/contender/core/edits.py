"""Edits of a spec's source: where an older spec must say something otherwise, and what.

Each kind of rule finds its places in the syntax tree, so that neither comments nor the layout of a file matter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Span:
    """A part of one line that is to be replaced.

    Attributes:
        line: Its number, from 1.
        start, end: Columns in bytes of UTF-8, as `ast` counts them; the same where something is put in.
        text: What should stand there.
    """

    line: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Edit:
    """One line of a file as it is and as it should be.

    Attributes:
        line: Its number, from 1.
        before, after: The line, without its end; `after` has several lines where some are put in.
    """

    line: int
    before: str
    after: str

    def __str__(self) -> str:
        put_in, is_there, rest = self.after.partition(f"\n{self.before}")
        if is_there and not rest:
            return f"before line {self.line} put `{put_in.strip()}`"
        return f"line {self.line}: `{self.before.strip()}` → `{self.after.strip()}`"


class Rule(Protocol):
    """What a change of the schema asks of an older source."""

    def spans(self, tree: ast.Module) -> Iterable[Span]:
        """The places that must be otherwise; none where the source does not have them."""


@dataclass(frozen=True)
class Renamed:
    """An argument of a declaration has another name: `Renamed("Table", "time", "time_column")`."""

    of: str
    name: str
    to: str

    def spans(self, tree: ast.Module) -> Iterator[Span]:
        """The argument's name in each call."""
        for call in calls(tree, self.of):
            for argument in call.keywords:
                if argument.arg == self.name:
                    end = argument.col_offset + len(self.name.encode())
                    yield Span(argument.lineno, argument.col_offset, end, self.to)


@dataclass(frozen=True)
class Moved:
    """A name is imported from another module; an import of several names is parted in two."""

    name: str
    module: str
    to: str

    def spans(self, tree: ast.Module) -> Iterator[Span]:
        """The import statement, where it stands on one line alone."""
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.module != self.module or node.end_lineno != node.lineno:
                continue
            moved = [alias for alias in node.names if alias.name == self.name]
            left = [alias for alias in node.names if alias.name != self.name]
            if moved:
                parts = [ast.ImportFrom(self.to, moved, 0), *([ast.ImportFrom(self.module, left, 0)] if left else [])]
                text = "\n".join(ast.unparse(part) for part in parts)
                yield Span(node.lineno, node.col_offset, node.end_col_offset or node.col_offset, text)


@dataclass(frozen=True)
class Unpacked:
    """A function returns as many values as there are names: `train, score, deploy = model_dags(…)`."""

    call: str
    names: tuple[str, ...]

    def spans(self, tree: ast.Module) -> Iterator[Span]:
        """The names that are assigned to, where they are of another number."""
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign) or not _calls(node.value, self.call):
                continue
            target = node.targets[0]
            if isinstance(target, ast.Tuple) and len(target.elts) != len(self.names):
                yield Span(target.lineno, target.col_offset, target.end_col_offset or 0, ", ".join(self.names))


@dataclass(frozen=True)
class Given:
    """An argument of a declaration has this value, and comes first where there is none yet."""

    of: str
    name: str
    value: int

    def spans(self, tree: ast.Module) -> Iterator[Span]:
        """The argument's value, or the place before the first argument of each call."""
        for call in calls(tree, self.of):
            written = next((argument.value for argument in call.keywords if argument.arg == self.name), None)
            if written is not None:
                if ast.unparse(written) != str(self.value):
                    yield Span(written.lineno, written.col_offset, written.end_col_offset or 0, str(self.value))
            elif call.keywords:
                first = call.keywords[0]
                alone = first.lineno > call.lineno
                after = f",\n{' ' * first.col_offset}" if alone else ", "
                yield Span(first.lineno, first.col_offset, first.col_offset, f"{self.name}={self.value}{after}")


def calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    """Each call of a class or function, by its bare name."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _calls(node, name))


def _calls(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name


def merged(text: str, spans: Iterable[Span]) -> tuple[Edit, ...]:
    """The spans of a text by line, in order."""
    lines, by_line = text.split("\n"), dict[int, list[Span]]()
    for span in spans:
        by_line.setdefault(span.line, []).append(span)
    found = []
    for number, there in sorted(by_line.items()):
        line = lines[number - 1].encode()
        for span in sorted(there, key=lambda span: span.start, reverse=True):
            line = line[: span.start] + span.text.encode() + line[span.end :]
        found.append(Edit(number, lines[number - 1], line.decode()))
    return tuple(found)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with its edits made."""
    lines = text.split("\n")
    for edit in edits:
        lines[edit.line - 1] = edit.after
    return "\n".join(lines)
