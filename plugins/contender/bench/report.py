"""From `docs/benchmarks.json`, the rows that the benches record, to `docs/benchmarks.md`, the page people read.

    python -m contender.bench.report

makes the page anew without running a bench.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contender.bench.record import BENCHMARKS, BenchmarksUnreadable

PAGE = BENCHMARKS.with_suffix(".md")
COLUMNS = ("name", "value", "unit", "better", "aim", "command", "versions")

HEADER = """# Benchmarks

Generated from `docs/benchmarks.json` by `make bench`; change the benches in `plugins/contender/bench/`,
not this page. Times are of one machine at one moment: trust ratios, not seconds.
"""
NONE_YET = "\nNo benchmark has been recorded yet.\n"

Row = Mapping[str, Any]


def read(path: Path = BENCHMARKS) -> list[dict[str, Any]]:
    """The recorded rows, by name; none where nothing was recorded yet.

    Raises:
        BenchmarksUnreadable: The file is no JSON list of rows, or a row lacks one of `COLUMNS`.
    """
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unreadable(path, "a JSON list of rows", error) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unreadable(path, "a JSON list of rows", type(rows).__name__)
    for row in rows:
        absent = [column for column in COLUMNS if column not in row]
        if absent:
            raise _unreadable(
                path, f"the columns {', '.join(COLUMNS)} in each row", f"no {absent} in {row.get('name')!r}"
            )
    return sorted(rows, key=lambda row: str(row["name"]))


def render(rows: Iterable[Row]) -> str:
    """The page: one table of all rows, then what each rests on."""
    rows = list(rows)
    if not rows:
        return HEADER + NONE_YET
    lines = ["| name | value | unit | better | aim | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (f"[{row['name']}](#{row['name']})", _figure(row["value"]), row["unit"], row["better"],
                 _figure(row["aim"]), _met(row))  # fmt: skip
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join([HEADER, *lines, *(_section(row) for row in rows)]) + "\n"


def write(source: Path = BENCHMARKS, page: Path = PAGE) -> None:
    """Make the page anew from the recorded rows."""
    page.write_text(render(read(source)), encoding="utf-8")


def _section(row: Row) -> str:
    versions = row["versions"]
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) if versions else "-"
    lines = [f"\n## {row['name']}\n", f"`{row['command']}` with {named}."]
    if row.get("note"):
        lines.append(f"\n{row['note']}")
    if row.get("figure"):
        lines.append(f"\n![{row['name']}]({row['figure']})")
    if row.get("detail"):
        lines += ["", *_table(row["detail"])]
    return "\n".join(lines)


def _table(detail: Any) -> list[str]:
    """What lies behind a value: a table where all entries are mappings with the same keys, otherwise a list."""
    if isinstance(detail, list) and detail and all(isinstance(item, dict) for item in detail):
        columns = list(dict.fromkeys(column for item in detail for column in item))
        body = [[_figure(item.get(column, "")) for column in columns] for item in detail]
    elif isinstance(detail, dict) and detail and all(isinstance(item, dict) for item in detail.values()):
        inner = list(dict.fromkeys(column for item in detail.values() for column in item))
        columns = ["", *inner]
        body = [[name, *(_figure(item.get(column, "")) for column in inner)] for name, item in detail.items()]
    elif isinstance(detail, dict):
        columns, body = ["part", "value"], [[name, _figure(value)] for name, value in detail.items()]
    else:
        return [str(detail)]
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return head + [f"| {' | '.join(str(cell) for cell in cells)} |" for cells in body]


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _met(row: Row) -> str:
    value, aim = row["value"], row["aim"]
    if value is None or aim is None:
        return "-"
    met = value <= aim if row["better"] == "lower" else value >= aim
    return "yes" if met else "no"


def _unreadable(path: Path, expected: str, got: object) -> BenchmarksUnreadable:
    return BenchmarksUnreadable(
        "the recorded benchmarks cannot be read",
        where=str(path),
        expected=expected,
        got=got,
        next_step="restore the file from git, or run `make bench` after removing it",
    )


if __name__ == "__main__":
    write()
