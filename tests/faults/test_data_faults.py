"""Rows that cannot be used stop at the stage that reads them, and nothing that was there changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake

from contender.bench.chain import Chain
from contender.core.errors import (
    ContenderError,
    DataError,
    IntervalError,
    NoLabels,
    SpecError,
    StaleFeatures,
    ValidationFailed,
)
from contender.core.spec import ModelSpec
from contender.factory import model_dags
from flight_delay.dag import SPEC
from tests.conftest import Trained
from tests.faults.conftest import Change, WriteSource
from tests.faults.platform_state import left_as_it_was, tables

WEATHER = "weather 2013-02-01/2013-03-01"
FLIGHTS = "flights 2013-02-01/2013-03-01"


@pytest.fixture
def validate(
    platform: Trained, chain: Chain, dag: Any, write_source: WriteSource, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Run `data.validate` on changed files; the error it stops with, once nothing was found changed."""

    def run(kind: type[ContenderError], **changes: Change) -> ContenderError:
        monkeypatch.setenv("CONTENDER_SOURCE", str(write_source(changes)))
        with left_as_it_was(platform.home), pytest.raises(kind) as raised:
            chain.call(dag, "data.validate")
        return raised.value

    return run


def test_data_of_a_table_that_another_model_writes_stop_at_validate_and_leave_stores(
    platform: Trained, chain: Chain
) -> None:
    other = ModelSpec(**(dict(SPEC) | {"name": "weather_watch", "views": (), "columns": SPEC.columns[:5]}))
    with (
        left_as_it_was(platform.home),
        pytest.raises(SpecError, match="the table 'flights' is another model's") as raised,
    ):
        chain.call(model_dags(other, doc=None)[0], "data.validate")
    assert "owner='flight_delay'" in raised.value.next_step


def without(column: str) -> Change:
    return lambda frame: frame.drop(columns=column)


def test_data_unchanged_source_passes(
    platform: Trained, chain: Chain, dag: Any, write_source: WriteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENDER_SOURCE", str(write_source({})))
    with left_as_it_was(platform.home):
        validated = chain.call(dag, "data.validate")
    assert validated["tables"]["flights"]["rows"] == platform.returned["data.validate"]["tables"]["flights"]["rows"]


def test_data_missing_column_stops_at_validate_and_leaves_stores(validate: Any) -> None:
    error = validate(ValidationFailed, weather=without("visib"))
    assert error.where == WEATHER
    assert "missing visib" in error.got


def test_data_extra_column_stops_at_validate_and_leaves_stores(validate: Any) -> None:
    error = validate(ValidationFailed, weather=lambda frame: frame.assign(uv_index="1"))
    assert error.where == WEATHER
    assert "unexpected uv_index" in error.got


def test_data_renamed_column_stops_at_validate_and_leaves_stores(validate: Any) -> None:
    error = validate(ValidationFailed, flights=lambda frame: frame.rename(columns={"dest": "destination"}))
    assert error.where == FLIGHTS
    assert "unexpected destination; missing dest" in error.got


def test_data_renamed_time_column_stops_at_validate_and_leaves_stores(validate: Any) -> None:
    error = validate(ValidationFailed, flights=lambda frame: frame.rename(columns={"time_hour": "hour_utc"}))
    assert error.where == "flights.time_hour"
    assert "hour_utc" in error.got


def test_data_temperature_in_celsius_stops_at_validate_and_leaves_stores(validate: Any) -> None:
    def celsius(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(temp=((frame["temp"].astype("float64") - 32) * 5 / 9).round(2))

    error = validate(ValidationFailed, weather=celsius)
    assert error.where == WEATHER
    assert "temp: column max" in error.got
    assert "Fahrenheit" in error.got


def test_data_month_with_no_rows_stops_at_validate_and_leaves_stores(validate: Any) -> None:
    error = validate(IntervalError, flights=lambda frame: frame.head(0))
    assert error.where == "flights"
    assert error.got == "0 rows in 2013-02-01/2013-03-01"


def test_data_duplicated_rows_stop_at_validate_and_leave_stores(validate: Any) -> None:
    error = validate(ValidationFailed, flights=lambda frame: pd.concat([frame, frame.head(3)]))
    assert error.where == FLIGHTS
    assert "time_hour, carrier, flight: compound columns to be unique: got 6 of" in error.got


def test_data_all_labels_missing_stop_at_validate_and_leave_stores(validate: Any) -> None:
    error = validate(ValidationFailed, flights=lambda frame: frame.assign(arr_delay=pd.NA))
    assert error.where == FLIGHTS
    assert "arr_delay" in error.got


def test_data_text_in_a_number_column_stops_at_validate_and_leaves_stores(validate: Any) -> None:
    error = validate(DataError, weather=lambda frame: frame.assign(temp="warm"))
    assert error.where == "weather.csv"
    assert "warm" in error.got


def test_data_faults_in_two_tables_are_both_named(validate: Any) -> None:
    error = validate(
        ValidationFailed, weather=without("visib"), flights=lambda frame: pd.concat([frame, frame.head(1)])
    )
    assert (WEATHER in error.where, FLIGHTS in error.where) == (True, True)


def test_data_failed_table_names_and_links_its_report(
    validate: Any, chain: Chain, platform: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example:8080")
    error = validate(ValidationFailed, weather=without("visib"))
    address = "http://airflow.example:8080/contender/data_docs/flight_delay/2013-02-01/weather.html"
    assert f"open {address}; " in error.next_step
    assert chain.pushed["data.validate", "_link_DataDocsLink"] == address
    assert "missing visib" in (platform.home / address.split("/contender/")[1]).read_text()


def test_data_missing_file_stops_at_validate_and_leaves_stores(
    platform: Trained, chain: Chain, dag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENDER_SOURCE", str(tmp_path))
    with left_as_it_was(platform.home), pytest.raises(DataError) as raised:
        chain.call(dag, "data.validate")
    assert raised.value.where == "flights.csv.zip"


@pytest.fixture
def lake(platform: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the raw tables, to be spoilt."""
    for table in ("flights", "weather", "planes", "airports"):
        shutil.copytree(platform.home / "lake" / table, tmp_path / "lake" / table)
    monkeypatch.setenv("CONTENDER_LAKE", str(tmp_path / "lake"))
    return tmp_path / "lake"


def test_features_stale_feature_table_stops_at_build_and_leaves_stores(
    platform: Trained, chain: Chain, dag: Any, lake: Path
) -> None:
    DeltaTable(str(lake / "weather")).delete(
        "time_hour >= arrow_cast('2013-02-26', 'Timestamp(Microsecond, Some(\"UTC\"))')"
    )
    before = tables(lake)
    with left_as_it_was(platform.home), pytest.raises(StaleFeatures) as raised:
        chain.call(dag, "features.build")
    assert raised.value.where == "origin_weather"
    assert "within 48.0 h before 2013-03-01" in raised.value.expected
    assert raised.value.got == "newest row at 2013-02-25T23:00:00+00:00"
    assert tables(lake) == before


def test_train_all_labels_missing_stops_at_assemble_and_leaves_stores(
    platform: Trained, chain: Chain, dag: Any, lake: Path
) -> None:
    flights = DeltaTable(str(lake / "flights"))
    rows = flights.to_pyarrow_dataset().to_table().to_pandas().assign(arr_delay=float("nan"))
    write_deltalake(flights, rows, mode="overwrite")
    before = tables(lake)
    with left_as_it_was(platform.home), pytest.raises(NoLabels) as raised:
        chain.call(dag, "train.assemble")
    assert raised.value.where == "late"
    assert raised.value.got.startswith("0 of ")
    assert tables(lake) == before
