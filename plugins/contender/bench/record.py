"""Record a benchmark's figure in `docs/benchmarks.json`, a JSON list with one row for each name."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT

BENCHMARKS = CHECKOUT / "docs" / "benchmarks.json"
PACKAGES = ("apache-airflow", "deltalake", "duckdb", "feast", "mlflow", "msgspec", "numpy", "onnxruntime", "pandas",
            "polars", "pyarrow", "scikit-learn")  # fmt: skip

Detail = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class BenchmarksUnreadable(ContenderError):
    """The file of the recorded rows is no JSON list of rows."""


def record(
    name: str,
    value: float | None,
    unit: str,
    better: Literal["lower", "higher"],
    aim: float | None,
    command: str,
    detail: Detail | None = None,
    *,
    note: str = "",
    figure: str = "",
    path: Path = BENCHMARKS,
) -> None:
    """Put one row in the place of the row of its name; the others stay, sorted by name.

    Benches may record at the same time: a lock keeps their changes apart, and a reader sees the file whole.

    Args:
        name: The benchmark's name, unique in the file.
        value: The figure, or None where it could not be measured; then `note` says why.
        unit: What the figure is of, for example `ratio` or `s`.
        better: Which way is better.
        aim: The figure aimed at.
        command: What measures it again.
        detail: What lies behind the figure: a mapping of figures, or rows with the same keys.
        note: How to read the value.
        figure: A picture of the detail, its path relative to the file's folder.
        path: The file.

    Raises:
        BenchmarksUnreadable: The file holds something else.
    """
    row: dict[str, Any] = {
        "name": name,
        "value": value,
        "unit": unit,
        "better": better,
        "aim": aim,
        "command": command,
        "versions": versions(),
    }
    row |= {key: given for key, given in (("note", note), ("figure", figure), ("detail", detail)) if given}
    path.parent.mkdir(parents=True, exist_ok=True)
    # The folder is locked and not the file, which is replaced under the lock.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        rows = [*(present for present in _read(path) if present.get("name") != name), row]
        rows.sort(key=lambda each: str(each["name"]))
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        beside.replace(path)
    finally:
        os.close(folder)


def versions() -> dict[str, str]:
    """Versions of Python and of those packages figures depend on that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _unreadable(path, error) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unreadable(path, type(rows).__name__)
    return rows


def _unreadable(path: Path, got: object) -> BenchmarksUnreadable:
    return BenchmarksUnreadable(
        "recorded benchmarks cannot be added to",
        where=str(path),
        expected="a JSON list of rows",
        got=got,
        next_step="restore the file from git, or remove it",
    )
