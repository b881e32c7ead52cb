"""The DAGs of many models, read in one process.

Airflow's DAG processor forks a process and opens a transaction for each file, whatever is in it, and reads each file
again and again: for hundreds of models that is most of its work. Here a part of the models' files is loaded by
Airflow's own importer, one after the other; one that fails is left out and noted, so that the processor parses it by
itself. There are several parts, so that one is read while the DAGs of another are written to the database.

A DAG belongs to the model whose name its id begins with. So no two models can have a DAG of the same id, whatever part
they are in, and a task finds its model by the id of its DAG.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from airflow.sdk import DAG, get_parsing_context
from airflow.sdk.configuration import conf

from contender.core.errors import some
from contender.parsing.listing import CALLABLE
from contender.parsing.notes import MODEL_FILE, PARTS, Notes, together

log = logging.getLogger(__name__)


def all_models(file: str) -> dict[str, DAG]:
    """DAGs of the models that fall to a file, by id.

    A task's process reads the file of its own model alone. Otherwise there are none unless the models are many and
    Airflow leaves their own files out (`CALLABLE`), lest each DAG come from two files.

    Args:
        file: The file that asks, in a folder beside those of the models, with its like.
    """
    place = Path(file)
    folder = place.parents[1]
    if asked := get_parsing_context().dag_id:
        return _of_the_task(folder, asked)
    if not together(folder) or conf.get("core", "might_contain_dag_callable", fallback="") != CALLABLE:
        return {}
    notes, models = Notes(folder), _models(folder)
    notes.bury()
    found: dict[str, DAG] = {}
    for model in _dealt_to(place, models):
        if notes.crashed(model):
            log.warning("%s is parsed by itself: it ended the process that read it", model)
        else:
            found |= _load(model, notes, {other.name for other in models})
    return found


def _models(folder: Path) -> list[Path]:
    """Folders of models that no `.airflowignore` leaves out, in order."""
    from airflow.utils.file import list_py_file_paths

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what Airflow deprecates in itself is not the model's
        files = [Path(path) for path in list_py_file_paths(folder, safe_mode=False)]
    return sorted(path.parent for path in files if path.name == MODEL_FILE and path.parents[1] == folder)


def _dealt_to(file: Path, models: list[Path]) -> list[Path]:
    """The models that fall to a file: by a checksum of their names, so that none moves when another one comes."""
    parts = sorted(part.name for part in file.parent.glob(PARTS))
    mine = parts.index(file.name)
    return [model for model in models if crc32(model.name.encode()) % len(parts) == mine]


def _of_the_task(folder: Path, dag_id: str) -> dict[str, DAG]:
    """DAGs of the model that a DAG belongs to."""
    name = _owner(dag_id, {path.parent.name for path in folder.glob(f"*/{MODEL_FILE}")})
    return {dag.dag_id: dag for dag in _import(folder / name).dags} if name else {}


def _owner(dag_id: str, models: Collection[str]) -> str:
    """The model that a DAG belongs to: the longest name that its id goes on from with `_`, or is; empty if none."""
    words = dag_id.split("_")
    begins = ("_".join(words[:count]) for count in range(len(words) - 1, 0, -1))
    return next((name for name in [*begins, dag_id] if name in models), "")


def _load(model: Path, notes: Notes, models: Collection[str]) -> dict[str, DAG]:
    """The model's DAGs; none, and a note, where any of them would not do."""
    known = notes.sound(model)
    with notes.loading(model.name):
        dags, fault = _read(model, models, checked=known)
    if fault:
        log.warning("%s is parsed by itself: %s", model, fault)
        notes.failed(model.name)
    elif not known:
        notes.loaded(model.name)
    return dags


def _read(model: Path, models: Collection[str], *, checked: bool) -> tuple[dict[str, DAG], str]:
    """The model's DAGs, or why they would not do."""
    try:
        with _leaving_nothing(model.parent):
            result = _import(model)
    except Exception as error:  # noqa: BLE001  # of an object that cannot even be looked at; its own parse reports it
        return {}, f"{type(error).__name__}: {error}"
    fault = _not_read(result, model.name, models) or ("" if checked else _not_stored(result))
    return ({} if fault else {dag.dag_id: dag for dag in result.dags}), fault


def _not_read(result: Any, name: str, models: Collection[str]) -> str:
    """Why the model's file did not give its DAGs, or gives some that are not its own; empty where it is well."""
    if not result.success:
        return "; ".join(error.message for error in result.errors)
    others = sorted(dag.dag_id for dag in result.dags if _owner(dag.dag_id, models) != name)
    return (
        f"ids of its DAGs do not begin with its name, or with a longer one of a model: {some(others)}" if others else ""
    )


def _not_stored(result: Any) -> str:
    """Why Airflow would refuse DAGs after their file was read, and those of all models with them; empty if not."""
    from airflow.serialization.serialized_objects import DagSerialization

    try:
        for dag in result.dags:
            dag.validate()
            dag.check_cycle()
            DagSerialization.to_dict(dag)
    except Exception as error:  # noqa: BLE001  # whatever it is, the file's own parse meets it again and reports it
        return f"{type(error).__name__}: {error}"
    return ""


def _import(model: Path) -> Any:
    """What Airflow's importer finds in the model's file."""
    from airflow.dag_processing.importers.python_importer import PythonDagImporter

    return PythonDagImporter().import_file(model / MODEL_FILE, bundle_path=model.parent, safe_mode=False)


@contextmanager
def _leaving_nothing(folder: Path) -> Iterator[None]:
    """Have what a model imports from the folder of models not be the next model's; a task's own process keeps it."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in sys.modules.keys() - modules:
            if _lies_in(sys.modules[name], folder):
                del sys.modules[name]


def _lies_in(module: Any, folder: Path) -> bool:
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), None)
    return file is not None and Path(file).is_relative_to(folder)
