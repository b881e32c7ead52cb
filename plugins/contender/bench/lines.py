"""Lines that a person writes for a new model, here and in two other projects, by one rule (docs/new-model.md).

Ours are counted now: a model is made by `make new-model` of the breast cancer table, the one that ZenML's template
uses, and has to pass its tests as it was written; a template and the reference model are counted as if written by hand.
The others' counts are in `lines_elsewhere.json`. `python -m contender.bench.lines`
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contender.bench.lines_count import Part, count
from contender.bench.lines_elsewhere import elsewhere
from contender.bench.record import record
from contender.core.settings import CHECKOUT
from contender.scaffold.make import make
from contender.scaffold.request import Asked, places

COMMAND = "python -m contender.bench.lines"
NAME = "lines_bench_model"
TABLE_FROM = datetime(2013, 1, 1, tzinfo=UTC)  # of a table without time; no line depends on it
# The reference model's own; `entities.py` is counted with it alone.
REFERENCE = ("dags/flight_delay/*", "feature_repo/flight_delay.py", "feature_repo/entities.py")
CHECKS = ("expectations/flight_delay/*", "tests/models/test_flight_delay_*.py")
OWNED = {".py": "Python owned", ".json": "JSON owned"}
LEFT_OPEN = Part(mark=r"TODO|FIXME|NotImplemented|YOUR OWN|<your")
NOTE = (
    "Lines to write or edit where the documents' own way is followed; what `make new-model` wrote leaves none open and "
    "passed its tests as it was. `at least`: those of the lines that name the example's data and cannot stay. `owned`: "
    "what there is to read and keep of the model afterwards. The rule, the sources and what cannot be compared are in "
    "[new-model.md](new-model.md#lines-to-write)."
)


def main() -> None:
    """Count and record `lines_for_a_new_model`."""
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        root = Path(folder) / "checkout"
        written = _made(root, Path(folder) / "table.csv")
        _require_usable(root)
        left = sum(count(path.read_text(encoding="utf-8"), path.name, LEFT_OPEN).lines for path in written)
        ours = [_row("Contender: make new-model, breast cancer", written, left)]
    for what, patterns in (
        ("breast cancer (dags/templates/classification)", ("dags/templates/classification/*",)),
        ("flight_delay", REFERENCE),
        ("flight_delay's suites and tests", CHECKS),
        ("arrival_delay, which shares flight_delay's views", ("dags/arrival_delay/*",)),
        ("origin_departures", ("dags/origin_departures/*", "feature_repo/origin_departures.py")),
    ):
        ours.append(_row(f"Contender: by hand, {what}", _files(CHECKOUT, *patterns)))
    record(
        "lines_for_a_new_model", float(ours[0]["lines to write"]), "lines", "lower", 0, COMMAND,
        [*ours, *map(_row_elsewhere, elsewhere())], note=NOTE,
    )  # fmt: skip


def _made(root: Path, data: Path) -> list[Path]:
    """The files that `make new-model` writes for a table, in a checkout of its own."""
    from sklearn.datasets import load_breast_cancer

    templates = root / "dags" / "templates"
    shutil.copytree(CHECKOUT / "dags" / "templates", templates, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("feature_repo", "expectations", "tests/models"):
        (root / folder).mkdir(parents=True)
    table = load_breast_cancer(as_frame=True)
    table.data.assign(diagnosis=table.target.map({0: "malignant", 1: "benign"})).to_csv(data, index=False)
    make(Asked(name=NAME, template="classification", data=str(data), label="diagnosis"), root, TABLE_FROM, print)
    made = [place.relative_to(root).as_posix() for place in places(root, NAME)]
    return _files(root, *made, *(f"{place}/*" for place in made))


def _require_usable(root: Path) -> None:
    """Run the written model's own tests.

    Raises:
        CalledProcessError: They do not pass with the files as they are, so that somebody would have to edit them.
    """
    path = [root, root / "dags", CHECKOUT / "plugins", *sys.path]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "CONTENDER_HOME": str(root / "home")}
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/models/test_{NAME}_model.py"]
    subprocess.run(call, cwd=root, env=env, check=True)


def _files(root: Path, *patterns: str) -> list[Path]:
    """The files of a checkout that a person may write."""
    found = {path for pattern in patterns for path in root.glob(pattern)}
    return sorted(path for path in found if path.suffix in OWNED)


def _row(what: str, files: list[Path], to_write: int | None = None) -> dict[str, Any]:
    """A row of the table; by hand, everything is to write."""
    owned = dict.fromkeys(OWNED, 0)
    for path in files:
        owned[path.suffix] += count(path.read_text(encoding="utf-8"), path.name).lines
    lines = sum(owned.values()) if to_write is None else to_write
    return {
        "what": what, "files": len(files), "lines to write": lines, "at least": lines,
        **{name: owned[suffix] for suffix, name in OWNED.items()}, "where": "this repository",
    }  # fmt: skip


def _row_elsewhere(entry: dict[str, Any]) -> dict[str, Any]:
    files = entry["files"]
    return {
        "what": f"{entry['project']}: {entry['way']}", "files": len(files),
        "lines to write": sum(file["lines"] for file in files),
        "at least": sum(file["at_least"] for file in files), **dict.fromkeys(OWNED.values(), "-"),
        "where": f"[{entry['repository']} at {entry['commit'][:9]}]({entry['address']})",
    }  # fmt: skip


if __name__ == "__main__":
    main()
