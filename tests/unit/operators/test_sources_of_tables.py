"""How a task reads a table that names its source, and on which interval a model without time runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import create_engine

from contender.core import schema
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.core.spec import Column, ModelSpec, Shares, Source, Table
from contender.factory import model_dags
from contender.operators.base import run_interval


def declared(source: Source) -> ModelSpec:
    return ModelSpec(
        schema_version=schema.VERSION,
        name="clinic", title="How far?", owner="tests", task="regression", data_from=datetime(2013, 5, 1, tzinfo=UTC),
        tables=(Table(name="patients", time_column=None, key=("row",), source=source),),
        columns=(Column(name="age", source="request"),), label="progress", windows=Shares(),
        gate=GatePolicy(metric="mae", baseline="mean", cluster="example_id"),
    )  # fmt: skip


PATIENTS = pd.DataFrame({"age": [50, 60], "progress": [1.5, 2.5], "name": ["Ada", "Bob"]})


def read_by_task(spec: ModelSpec) -> pd.DataFrame:
    task = model_dags(spec, doc=None)[0].task_dict["data.validate"]
    found: pd.DataFrame = task._read(spec.tables[0], spec)
    return found


def require_patients(found: pd.DataFrame) -> None:
    assert found.to_dict("list") == {"row": [0, 1], "age": [50.0, 60.0], "progress": [1.5, 2.5]}


def test_task_reads_a_file_and_no_column_that_the_spec_does_not_name(tmp_path: Path) -> None:
    PATIENTS.to_csv(tmp_path / "patients.csv", index=False)
    source = Source(url=str(tmp_path / "patients.csv"), format="csv", row_number=True)
    require_patients(read_by_task(declared(source)))


def test_task_reads_a_query_by_the_connection_that_the_source_names(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(postgres)
    PATIENTS.to_sql("clinic", engine, if_exists="replace", index=False)
    engine.dispose()
    monkeypatch.setenv("AIRFLOW_CONN_CLINIC", postgres.replace("postgresql+psycopg2", "postgres"))
    source = Source(
        url="postgresql+psycopg2://nowhere/none", format="sql", query="SELECT * FROM clinic ORDER BY age",
        connection="clinic", row_number=True,
    )  # fmt: skip
    require_patients(read_by_task(declared(source)))


def test_run_of_a_model_without_time_has_the_month_that_its_data_begin_with() -> None:
    run = SimpleNamespace(data_interval_start=None, data_interval_end=None, run_type="manual")
    context: Any = {"params": {}, "dag_run": run}
    spec = declared(Source(url="patients.csv", format="csv", row_number=True))
    assert run_interval(context, spec) == Interval.parse("2013-05")
    context["params"]["interval"] = "2013-07"
    assert run_interval(context, spec) == Interval.parse("2013-07")


def test_reports_of_an_interval_of_several_months_count_them_all_and_say_of_which_a_warning_is() -> None:
    spec = declared(Source(url="patients.csv", format="csv", row_number=True))
    timed = spec.tables[0].model_copy(update={"name": "visits", "time_column": "day"})
    task: Any = model_dags(spec, doc=None)[0].task_dict["data.validate"]
    found = [SimpleNamespace(rows=rows, quarantine=[0] * rows, warnings=[f"{rows} rows"]) for rows in (2, 3, 4)]
    months = [Interval.parse(month) for month in ("2013-04", "2013-05")]
    checked = [(timed, months[0], found[0]), (timed, months[1], found[1]), (spec.tables[0], months[0], found[2])]
    reports = task._reports(checked)
    assert (reports["visits"]["rows"], reports["visits"]["quarantined"]) == (5, 5)
    assert reports["visits"]["warnings"] == [f"{months[0]}: 2 rows", f"{months[1]}: 3 rows"]
    assert "2013-05-01" in reports["visits"]["docs"]
    assert reports["patients"]["rows"] == 4
    assert task._reports(checked[:1])["visits"]["warnings"] == ["2 rows"]
