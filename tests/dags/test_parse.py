"""The DAG folder parses, quickly and alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contender.core.settings import CHECKOUT

MODELS = sorted(path.parent.name for path in (CHECKOUT / "dags").glob("*/dag.py"))
DAGS = {f"{model}_{purpose}" for model in MODELS for purpose in ("train", "score", "deploy")}
OF_ONE = {"flight_delay_train", "flight_delay_score", "flight_delay_deploy"}
HEAVY = ("pandas", "sklearn", "mlflow", "feast", "great_expectations", "duckdb", "deltalake", "optuna", "onnxruntime")

PARSE = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1], bundle_path=__import__("pathlib").Path(sys.argv[1]), bundle_name="dags-folder")
print("ids", *sorted(bag.dags))
print("errors", *bag.import_errors.values())
print("loaded", *[name for name in sys.argv[2:] if name in sys.modules])
"""


def parse(folder: Path) -> dict[str, str]:
    """What a process of its own finds in a DAG folder, and which heavy libraries it had to import for that."""
    call = [sys.executable, "-c", PARSE, str(folder), *HEAVY]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=120, cwd=CHECKOUT)
    found = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    assert {"ids", "errors", "loaded"} <= found.keys(), done.stdout + done.stderr
    return found


def test_dag_folder_parsed_gives_exactly_the_dags_of_its_models(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == DAGS


def test_dag_folder_parsed_imports_no_heavy_library() -> None:
    found = parse(CHECKOUT / "dags")
    assert set(found["ids"].split()) == DAGS
    assert found["loaded"] == ""


BROKEN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "unknown field": ('title="', 'titel="', ("unknown field 'titel'", "did you mean 'title'?")),
    "wrong metric": (
        'metric="log_loss"',
        'metric="r2"',
        ("gate", "r2 cannot be measured of a binary", "log_loss, brier"),
    ),
    "impossible window": (
        "holdout_starts_after_days=14",
        "holdout_starts_after_days=40",
        ("holdout_starts_after_days=40 leaves no holdout", "@monthly"),
    ),
}


@pytest.mark.parametrize(("declared", "instead", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_dag_file_with_a_spec_that_cannot_work_fails_alone_and_says_why(
    tmp_path: Path, bag: Any, declared: str, instead: str, said: tuple[str, ...]
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    assert bag.import_errors == {}
    good = (CHECKOUT / "dags" / "flight_delay" / "dag.py").read_text()
    assert declared in good
    for name, text in {"broken": good.replace(declared, instead, 1), "flight_delay": good}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dag.py").write_text(text)
    found = DagBag(tmp_path, bundle_path=tmp_path, bundle_name="dags-folder")
    assert set(found.dags) == OF_ONE
    (error,) = found.import_errors.values()
    assert "SpecError" in error
    for part in said:
        assert part in error


def test_dag_file_of_a_copied_model_that_was_not_renamed_fails_and_leaves_the_original(
    tmp_path: Path, bag: Any
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    assert bag.import_errors == {}
    good = (CHECKOUT / "dags" / "flight_delay" / "dag.py").read_text()
    for name in ("flight_delay", "my_model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dag.py").write_text(good)
    found = DagBag(tmp_path, bundle_path=tmp_path, bundle_name="dags-folder")
    assert set(found.dags) == OF_ONE
    (error,) = found.import_errors.values()
    assert "the spec's name is not its folder's" in error
    assert "expected: 'my_model'; got: 'flight_delay'" in error
