"""Which files Airflow's DAG processor parses by themselves, where the setting below names this module's function."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from contender.parsing.notes import MODEL_FILE, TOGETHER, Notes, together

SETTING = "AIRFLOW__CORE__MIGHT_CONTAIN_DAG_CALLABLE"
CALLABLE = f"{__name__}.might_contain_dag"


def seconds_between_passes(folder: Path) -> int:
    """After how long the DAG processor reads a file again: edits show soon, and many models leave it mostly at rest.

    A pass takes both of two cores for 2 s with 100 models (`parse_ms_per_dag_500` in docs/benchmarks.json); each 80 of
    them add 10 s, so that it works a sixth of the time at most.
    """
    return 10 * (1 + sum(1 for _ in folder.glob(f"*/{MODEL_FILE}")) // 80)


def might_contain_dag(file_path: str, zip_file: ZipFile | None = None) -> bool:
    """Whether a file is to be parsed by itself.

    Where there are many models, the files that stand for all of them are, and of the models' own files those alone that
    did not load with the others: each of these then fails under its own name. All else is left to Airflow's heuristic.

    Args:
        file_path: The file.
        zip_file: The archive that it lies in, if it does.
    """
    from airflow.utils.file import might_contain_dag_via_default_heuristic

    path = Path(file_path)
    if zip_file is None and path.parent.name == TOGETHER:
        return together(path.parents[1])
    if zip_file is None and path.name == MODEL_FILE and together(path.parents[1]):
        return Notes(path.parents[1]).apart(path.parent.name)
    return bool(might_contain_dag_via_default_heuristic(file_path, zip_file))
