"""The DAGs of all models, read in one process.

Airflow's DAG processor forks a process and opens a transaction for each file, whatever is in it, and reads each file
again and again: for hundreds of models that is most of its work. Here every model's file is loaded by Airflow's own
importer, one after the other, and one that fails is left out and noted, so that the processor parses it by itself.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_parsing_context
from airflow.sdk.configuration import conf

from contender.core.errors import some
from contender.parsing.listing import CALLABLE
from contender.parsing.notes import MODEL_FILE, Notes, together

log = logging.getLogger(__name__)


def all_models(file: str) -> dict[str, DAG]:
    """DAGs of the models beside a file, by id.

    A task's process reads the file of its own model alone. Otherwise there are none unless the models are many and
    Airflow leaves their own files out (`CALLABLE`), lest each DAG come from two files.

    Args:
        file: The file in the models' folder that asks.
    """
    folder = Path(file).parent
    if asked := get_parsing_context().dag_id:
        return _of_the_task(folder, asked)
    if not together(folder) or conf.get("core", "might_contain_dag_callable", fallback="") != CALLABLE:
        return {}
    notes = Notes(folder)
    notes.bury()
    found: dict[str, DAG] = {}
    for model in _models(folder):
        if notes.crashed(model):
            log.warning("%s is parsed by itself: it ended the process that read it", model)
        else:
            found |= _load(model, notes, found.keys())
    return found


def _models(folder: Path) -> list[Path]:
    """Folders of models that no `.airflowignore` leaves out, in order."""
    from airflow.utils.file import list_py_file_paths

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what Airflow deprecates in itself is not the model's
        files = [Path(path) for path in list_py_file_paths(folder, safe_mode=False)]
    return sorted(path.parent for path in files if path.name == MODEL_FILE and path.parents[1] == folder)


def _of_the_task(folder: Path, dag_id: str) -> dict[str, DAG]:
    """DAGs of the model that a DAG id begins with; where several do, of the one with the longest name that has it."""
    named = [path.parent for path in folder.glob(f"*/{MODEL_FILE}") if dag_id.startswith(path.parent.name)]
    for model in sorted(named, key=lambda model: len(model.name), reverse=True):
        dags = {dag.dag_id: dag for dag in _import(model).dags}
        if dag_id in dags:
            return dags
    return {}


def _load(model: Path, notes: Notes, taken: Collection[str]) -> dict[str, DAG]:
    """The model's DAGs; none, and a note, where any of them would not do."""
    if notes.sound(model):
        result = _import(model)
        fault = _not_read(result, taken)
    else:
        with notes.loading(model.name):
            result = _import(model)
            fault = _not_read(result, taken) or _not_stored(result)
        if not fault:
            notes.loaded(model.name)
    if fault:
        log.warning("%s is parsed by itself: %s", model, fault)
        notes.failed(model.name)
        return {}
    return {dag.dag_id: dag for dag in result.dags}


def _not_read(result: Any, taken: Collection[str]) -> str:
    """Why the model's file did not give its DAGs, or gives some of another model; empty where it is well."""
    if not result.success:
        return "; ".join(error.message for error in result.errors)
    twice = sorted(dag.dag_id for dag in result.dags if dag.dag_id in taken)
    return f"another model has a DAG of the same id: {some(twice)}" if twice else ""


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
