"""The DAG folder parses, quickly and alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contender.core import schema
from contender.core.settings import CHECKOUT

MODELS = sorted(path.parent.name for path in (CHECKOUT / "dags").glob("*/dag.py"))
DAGS = {f"{model}_{purpose}" for model in MODELS for purpose in ("train", "score", "deploy")}
OF_ONE = {"flight_delay_train", "flight_delay_score", "flight_delay_deploy"}
HEAVY = ("pandas", "sklearn", "mlflow", "feast", "great_expectations", "duckdb", "deltalake", "optuna", "onnxruntime")

GOOD = (CHECKOUT / "dags" / "flight_delay" / "dag.py").read_text(encoding="utf-8")
SPECS = CHECKOUT / "tests" / "unit" / "core" / "specs"
NAMED, NEWER = f"schema_version={schema.VERSION}", f"schema_version={schema.VERSION + 1}"

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


# What somebody wrote, what should stand there, and what the message must name: field, value, what is allowed.
BROKEN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "unknown field": (
        'title="', 'titel="', ("where: titel", "expected: 'title', or one of schema_version", "unknown field 'titel'"),
    ),
    "missing field": ('    label="late",\n', "", ("where: label", "Field required")),
    "name that is none": (
        'name="flight_delay",', 'name="Flight Delay",', ("where: name", "should match pattern", "'Flight Delay'"),
    ),
    "unknown task": (
        'schedule="@monthly"', 'task="clustering"',
        ("where: task", "'binary', 'multiclass', 'regression' or 'forecast'", "'clustering'"),
    ),
    "unknown schedule": (
        'schedule="@monthly"', 'schedule="@daily"',
        ("where: schedule", "'@monthly', '@quarterly' or '@yearly'", "'@daily'"),
    ),
    "time without a zone": (
        "data_from=datetime(2013, 1, 1, tzinfo=UTC)", "data_from=datetime(2013, 1, 1)",
        ("where: data_from", "should have timezone info"),
    ),
    "data from within a month": (
        "data_from=datetime(2013, 1, 1,", "data_from=datetime(2013, 1, 5,",
        ("where: data_from", "the first moment of a month, UTC", "got: 2013-01-05"),
    ),
    "data that end before they begin": (
        "data_until=datetime(2014, 1, 1,", "data_until=datetime(2012, 1, 1,",
        ("where: data_until", "a time after data_from, 2013-01-01", "got: 2012-01-01"),
    ),
    "column of a view that there is not": (
        'name="temp", source="origin_weather"', 'name="temp", source="origin_wether"',
        ("where: columns.temp.source", "one of carrier_at_origin", "got: 'origin_wether'"),
    ),
    "column twice": ('name="dewp"', 'name="temp"', ("where: columns", "names that differ", "more than once: temp")),
    "table twice": (
        'Table(name="weather"', 'Table(name="flights"',
        ("where: tables", "names that differ", "more than once: flights"),
    ),
    "bounds crossed": (
        "minimum=0, maximum=24", "minimum=24, maximum=0",
        ("where: hour.minimum, hour.maximum", "a minimum not above the maximum", "got: (24.0, 0.0)"),
    ),
    "category with bounds": (
        'name="dest", kind="category"', 'name="dest", kind="category", minimum=1',
        ("where: dest.minimum, dest.maximum", "none, as it is a category", "got: (1.0, None)"),
    ),
    "wrong type": ("history_days=365", 'history_days="a year"', ("where: history_days", "valid integer", "'a year'")),
    "out of range": ("gap_hours=24", "gap_hours=-1", ("where: gap_hours", "greater than or equal to 0", "got: -1")),
    "impossible window": (
        "holdout_starts_after_days=14", "holdout_starts_after_days=40",
        ("where: windows.holdout_starts_after_days", "less than 28", "@monthly", "got: 40"),
    ),
    "no trials": ("trials=3", "trials=0", ("where: trials", "greater than or equal to 1", "got: 0")),
    "wrong metric": (
        'metric="log_loss"', 'metric="r2"',
        ("where: gate.metric", "of a binary model one of log_loss, brier", "got: r2"),
    ),
    "unknown metric": (
        'metric="log_loss"', 'metric="logloss"', ("where: metric", "'log_loss', 'brier'", "'logloss'"),
    ),
    "guardrail of the deciding metric": (
        'Guardrail(metric="auc"', 'Guardrail(metric="log_loss"',
        ("where: guardrails", "other metrics than 'log_loss'", "got: log_loss"),
    ),
    "baseline of another task": (
        'cluster="day"', 'cluster="day", baseline="naive"',
        ("where: gate.baseline", "of a binary model one of prevalence", "got: 'naive'"),
    ),
    "classes that are too few": (
        'schedule="@monthly"', 'task="multiclass", classes=("a", "b")',
        ("where: classes", "the names of 3 or more", "got: a, b"),
    ),
    "panel of no forecast": (
        "from contender.factory import model_dags\n",
        "from contender.factory import model_dags\nfrom contender.core.spec import Panel\n",
        ("where: panel", "none of a binary model", "got: 'day'"),
    ),
    "policy field misspelt": (
        "max_prediction_shift=0.5", "max_predicted_shift=0.5",
        ("where: max_predicted_shift", "'max_prediction_shift', or one of", "unknown field 'max_predicted_shift'"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "instead", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_dag_file_with_a_spec_that_cannot_work_fails_alone_and_says_why(
    tmp_path: Path, bag: Any, declared: str, instead: str, said: tuple[str, ...]
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    assert bag.import_errors == {}
    good = (CHECKOUT / "dags" / "flight_delay" / "dag.py").read_text()
    assert declared in good
    broken = good.replace(declared, instead, 1)
    if "import Panel" in instead:
        broken = broken.replace("    seed=2013,", '    panel=Panel(step="day"),\n    seed=2013,')
    for name, text in {"broken": broken, "flight_delay": good}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dag.py").write_text(text)
    found = DagBag(tmp_path, bundle_path=tmp_path, bundle_name="dags-folder")
    assert set(found.dags) == OF_ONE
    (error,) = found.import_errors.values()
    assert "SpecError" in error
    assert "next: mend the declaration in the model's dag.py" in error
    for part in said:
        assert part in error


# What a model of another version of the schema says, and what its import error must tell.
OF_ANOTHER_VERSION: dict[str, tuple[str, tuple[str, ...]]] = {
    "before versions": (
        (SPECS / "flight_delay_813db9d.txt").read_text(),
        ("older version", f"expected: {NAMED}", f"before line 27 put `{NAMED},`", "make upgrade-check"),
    ),
    "of the first checkouts": (
        (SPECS / "flight_delay_73355a4.txt").read_text(),
        ("older version", "before line 24 put", "line 83: `train, score = model_dags", "→ `train, score, deploy ="),
    ),
    "with a field that is gone": (
        (SPECS / "flight_delay_813db9d.txt").read_text().replace("time_column=None", "facts=True"),
        ("older version", f"before line 27 put `{NAMED},`"),
    ),
    "of a newer platform": (
        GOOD.replace(NAMED, NEWER).replace("time_column=None", "facts=True"),
        ("newer version than the platform", f"expected: {NAMED}; got: {NEWER}", "docs/upgrade.md"),
    ),
}


@pytest.mark.parametrize(("text", "said"), OF_ANOTHER_VERSION.values(), ids=OF_ANOTHER_VERSION.keys())
def test_dag_file_of_another_version_fails_alone_and_says_what_to_edit(
    tmp_path: Path, bag: Any, text: str, said: tuple[str, ...]
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    assert bag.import_errors == {}
    for name, source in {"other": text, "flight_delay": GOOD}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dag.py").write_text(source)
    found = DagBag(tmp_path, bundle_path=tmp_path, bundle_name="dags-folder")
    assert set(found.dags) == OF_ONE
    (error,) = found.import_errors.values()
    assert "SpecError" in error
    assert f"where: {tmp_path / 'other' / 'dag.py'}" in error
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
