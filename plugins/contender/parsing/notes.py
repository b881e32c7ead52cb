"""What the DAG processor has learnt of the models' files, kept from one parse to the next.

Each note is an empty file, so that it is made and taken away in one step, by whatever process. They lie below
`AIRFLOW_HOME` of the machine that parses, one folder for each folder of models; losing them costs one slower parse.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # one of Airflow's own

TOGETHER = "all_models"  # beside the models: the folder of the files that stand for those of all of them
PARTS = "part_*.py"
MODEL_FILE = "dag.py"
# Below this many the layout is Airflow's own, a file for each model, whose code the UI then shows. Each file costs the
# DAG processor about 0.1 s whatever is in it (`parse_ms_per_dag_500` in docs/benchmarks.md): 2 s for so many.
TOGETHER_FROM = 20
COUNTED_FOR_S = 5


def together(folder: Path) -> bool:
    """Whether a folder holds so many models that they are parsed together; counted anew every few seconds."""
    return (folder / TOGETHER).is_dir() and _models(folder, time.monotonic() // COUNTED_FOR_S) >= TOGETHER_FROM


@lru_cache(maxsize=8)
def _models(folder: Path, _tick: float) -> int:
    return sum(1 for _ in folder.glob(f"*/{MODEL_FILE}"))


@cache
def _platform() -> int:
    """When the platform's code was last changed, ns since 1970."""
    return max(file.stat().st_mtime_ns for file in Path(__file__).parents[1].rglob("*.py"))


class Notes:
    """The notes on one folder of models, as this version of the platform reads them.

    Args:
        folder: The folder of models.
    """

    def __init__(self, folder: Path) -> None:
        digest = hashlib.sha256(f"{folder.resolve()}\n{_platform()}".encode()).hexdigest()[:16]
        self._place = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "parsing" / digest

    def apart(self, model: str) -> bool:
        """Whether the model did not load with the others, and its file is to be parsed by itself."""
        return self._note("apart", model).exists()

    def sound(self, model: Path) -> bool:
        """Whether the model loaded, was checked, and none of its files has changed since."""
        return _newer(self._note("sound", model.name), model)

    def crashed(self, model: Path) -> bool:
        """Whether loading the model ended a process, and none of its files has changed since."""
        return _newer(self._note("crashed", model.name), model)

    def loaded(self, model: str) -> None:
        """Note that the model is sound."""
        self._make("sound", model)
        for kind in ("apart", "crashed"):
            self._note(kind, model).unlink(missing_ok=True)

    def failed(self, model: str) -> None:
        """Note that the model stands apart."""
        self._make("apart", model)
        self._note("sound", model).unlink(missing_ok=True)

    @contextlib.contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Leave a mark while the model is loaded, which stays if that ends the process, by whatever way."""
        mark = self._make("loading", f"{os.getpid()}.{model}")
        yield
        mark.unlink(missing_ok=True)

    def bury(self) -> None:
        """Note as crashed each model in whose loading a process ended."""
        for mark in self._place.glob("loading/*"):
            process, model = mark.name.split(".", 1)
            if not psutil.pid_exists(int(process)):
                self._make("crashed", model)
                self.failed(model)
                mark.unlink(missing_ok=True)

    def _note(self, kind: str, name: str) -> Path:
        return self._place / kind / name

    def _make(self, kind: str, name: str) -> Path:
        note = self._note(kind, name)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
        return note


def _newer(note: Path, model: Path) -> bool:
    """Whether a note was made after the last change of any of the model's Python files."""
    try:
        made = note.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(file.stat().st_mtime_ns < made for file in model.rglob("*.py"))
