from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contender.adapters.expectations import load_suite, validate
from contender.adapters.expectations_docs import write_docs
from contender.core.errors import SpecError

ROWS = {
    "type": "expect_table_row_count_to_be_between",
    "kwargs": {"min_value": 1},
    "severity": "critical",
    "meta": {"reason": "empty data is no data"},
}
JULY = {"interval_start": datetime(2013, 7, 1, tzinfo=UTC), "interval_end": datetime(2013, 8, 1, tzinfo=UTC)}


def expectation(kind: str, severity: str = "critical", *, quarantine: bool = False, **kwargs: Any) -> dict[str, Any]:
    meta = {"reason": "the test says so"} | ({"quarantine": True} if quarantine else {})
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity, "meta": meta}


def suite_file(folder: Path, *expectations: dict[str, Any], name: str = "planes", **content: Any) -> Path:
    path = folder / "planes.json"
    path.write_text(json.dumps({"name": name, "expectations": [*expectations], **content}))
    return path


def planes(seats: list[float], **columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"seats": seats, "tailnum": [f"N{number}" for number in range(len(seats))]} | columns)


def test_load_suite_with_a_good_file_keeps_every_expectation_and_the_meta(tmp_path: Path) -> None:
    path = suite_file(
        tmp_path,
        ROWS,
        expectation("column_values_to_not_be_null", column="seats"),
        expectation("column_values_to_not_be_null", column="tailnum"),
        meta={"freshness_hours": 48},
    )
    suite = load_suite(path)
    assert len(suite.expectations) == 3
    assert suite.meta["freshness_hours"] == 48


BAD_FILES = {
    "unknown expectation type": (
        [ROWS, expectation("column_valeus_to_not_be_null", column="seats")],
        ["planes.json, expectation 2", "did you mean 'expect_column_values_to_not_be_null'?"],
    ),
    "unknown argument": (
        [ROWS, expectation("column_max_to_be_between", column="seats", max_valeu=4)],
        ["expectation 2 (expect_column_max_to_be_between)", "'max_valeu'; did you mean 'max_value'?"],
    ),
    "argument of a wrong type": (
        [ROWS, expectation("column_values_to_be_between", column="seats", max_value=4, mostly=3)],
        ["expectation 2", "mostly"],
    ),
    "missing argument": ([ROWS, expectation("column_max_to_be_between", max_value=4)], ["column", "field required"]),
    "minimum above maximum": (
        [ROWS, expectation("column_max_to_be_between", column="seats", min_value=5, max_value=4)],
        ["expectation 2", "5 > 4"],
    ),
    "no row count": (
        [expectation("column_values_to_not_be_null", column="seats")],
        ["does not count rows", "expect_table_row_count_to_be_between"],
    ),
    "a row count that lets empty data pass": (
        [expectation("table_row_count_to_be_between", max_value=4)],
        ["does not count rows"],
    ),
    "a row count that only warns": (
        [expectation("table_row_count_to_be_between", "warning", min_value=4)],
        ["does not count rows"],
    ),
    "unknown severity": ([ROWS | {"severity": "fatal"}], ["expectation 1", "critical or warning", "fatal"]),
    "no severity": ([{"type": ROWS["type"], "meta": ROWS["meta"]}], ["expectation 1", "critical or warning"]),
    "no reason": ([ROWS | {"meta": {}}], ["expectation 1", "why"]),
    "unknown field of an expectation": ([ROWS | {"kwarg": {}}], ["'kwarg'; did you mean 'kwargs'?"]),
    "quarantine without mostly": (
        [ROWS, expectation("column_values_to_not_be_null", column="seats", quarantine=True)],
        ["expectation 2", "mostly"],
    ),
    "quarantine of a table": (
        [ROWS, expectation("column_max_to_be_between", column="seats", max_value=4, quarantine=True)],
        ["expectation 2", "row-level"],
    ),
    "a rule over a column that it does not list": (
        [ROWS, expectation("rows_to_satisfy", column_list=["seats", "year"], rule="seats < engines")],
        ["expectation 2 (expect_rows_to_satisfy)", "engines"],
    ),
    "a rule that is no expression": (
        [ROWS, expectation("rows_to_satisfy", column_list=["seats", "year"], rule="seats <")],
        ["expectation 2", "no expression"],
    ),
}


@pytest.mark.parametrize(("expectations", "said"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_load_suite_with_a_mistake_names_file_and_expectation(
    tmp_path: Path, expectations: list[dict[str, Any]], said: list[str]
) -> None:
    with pytest.raises(SpecError) as error:
        load_suite(suite_file(tmp_path, *expectations))
    for text in ("planes.json", *said):
        assert text in str(error.value)


def test_load_suite_with_another_name_than_its_file_raises(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="expected: planes; got: plane"):
        load_suite(suite_file(tmp_path, ROWS, name="plane"))


def test_load_suite_with_a_misspelt_file_says_which_was_meant(tmp_path: Path) -> None:
    suite_file(tmp_path, ROWS)
    with pytest.raises(SpecError, match=r"did you mean 'planes\.json'"):
        load_suite(tmp_path / "plane.json")


def test_load_suite_with_broken_json_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "planes.json").write_text("{")
    with pytest.raises(SpecError, match=r"no JSON; where: planes\.json"):
        load_suite(tmp_path / "planes.json")


def test_validate_with_good_rows_finds_nothing(tmp_path: Path) -> None:
    suite = load_suite(suite_file(tmp_path, ROWS, expectation("column_max_to_be_between", column="seats", max_value=9)))
    found = validate(planes([1.0, 2.0]), suite, parameters={})
    assert (found.rows, found.critical, found.warnings, len(found.quarantine)) == (2, (), (), 0)


def test_validate_with_no_rows_is_critical(tmp_path: Path) -> None:
    suite = load_suite(suite_file(tmp_path, ROWS, expectation("column_max_to_be_between", column="seats", max_value=9)))
    found = validate(planes([]), suite, parameters={})
    assert any("row count" in line and "got 0" in line for line in found.critical)


def test_validate_with_other_values_than_the_set_names_both(tmp_path: Path) -> None:
    rule = expectation("column_distinct_values_to_equal_set", column="seats", value_set=[1.0, 3.0])
    found = validate(planes([1.0, 2.0]), load_suite(suite_file(tmp_path, ROWS, rule)), parameters={})
    assert "got missing 3.0; unexpected 2.0;" in found.critical[0]


def test_validate_with_a_failed_warning_passes_and_reports_it(tmp_path: Path) -> None:
    rule = expectation("column_max_to_be_between", "warning", column="seats", max_value=9)
    found = validate(planes([10.0]), load_suite(suite_file(tmp_path, ROWS, rule)), parameters={})
    assert found.critical == ()
    assert found.warnings == ("seats: column max to be between (max_value=9.0): got 10; because the test says so",)


def test_validate_with_a_missing_column_says_so_after_what_could_be_checked(tmp_path: Path) -> None:
    suite = load_suite(
        suite_file(
            tmp_path,
            expectation("column_values_to_not_be_null", column="year"),
            expectation("table_columns_to_match_set", column_set=["seats", "tailnum", "year"]),
            ROWS,
        )
    )
    found = validate(planes([1.0]), suite, parameters={})
    assert len(found.critical) == 2
    assert "missing year" in found.critical[0]
    assert 'year: column values to not be null: cannot be checked: Error: The column "year"' in found.critical[1]


def test_validate_with_many_bad_values_shows_five_and_the_count(tmp_path: Path) -> None:
    rule = expectation("column_values_to_be_between", column="seats", max_value=9)
    found = validate(
        planes([10.0 + n for n in range(20)] + [1.0] * 20), load_suite(suite_file(tmp_path, ROWS, rule)), parameters={}
    )
    assert "got 20 of 40 rows (50 %), e.g. 10.0, 11.0, 12.0, 13.0, 14.0;" in found.critical[0]


def test_validate_with_one_impossible_row_quarantines_it_by_position(tmp_path: Path) -> None:
    rules = (
        expectation("column_values_to_be_between", column="seats", max_value=9, mostly=0.7, quarantine=True),
        expectation("rows_to_satisfy", column_list=["year", "seats"], rule="seats > year", mostly=0.7, quarantine=True),
    )
    frame = planes([1.0, 2.0, 99.0, 3.0, 0.5], year=[0, 0, 0, 0, 1]).set_axis([7, 7, 8, 9, 10])
    found = validate(frame, load_suite(suite_file(tmp_path, ROWS, *rules)), parameters={})
    assert found.critical == ()
    assert list(found.quarantine.index) == [2, 4]
    assert found.quarantine[2] == "the test says so; got seats=99.0"
    assert found.quarantine[4] == "the test says so; got year=1, seats=0.5"
    assert list(frame.index) == [7, 7, 8, 9, 10]


def test_validate_with_more_impossible_rows_than_mostly_allows_is_critical(tmp_path: Path) -> None:
    rule = expectation("column_values_to_be_between", column="seats", max_value=9, mostly=0.9, quarantine=True)
    found = validate(planes([1.0, 99.0, 98.0]), load_suite(suite_file(tmp_path, ROWS, rule)), parameters={})
    assert "got 2 of 3 rows" in found.critical[0]
    assert list(found.quarantine.index) == [1, 2]


@pytest.mark.parametrize(
    ("rule", "ignore", "failed"),
    [
        pytest.param("seats > year", "never", [1, 2], id="missing fails"),
        pytest.param("seats > year", "any_value_is_missing", [1], id="missing ignored"),
        pytest.param("year.isna() or seats > 0", "never", [], id="missing named"),
        pytest.param('tailnum == "N1"', "never", [0, 2, 3], id="text"),
    ],
)
def test_rows_to_satisfy_with_missing_values_treats_them_as_asked(
    tmp_path: Path, rule: str, ignore: str, failed: list[int]
) -> None:
    kwargs: dict[str, Any] = {
        "column_list": ["seats", "year", "tailnum"],
        "rule": rule,
        "ignore_row_if": ignore,
        "mostly": 0.1,
    }
    suite = load_suite(suite_file(tmp_path, ROWS, expectation("rows_to_satisfy", quarantine=True, **kwargs)))
    found = validate(planes([2.0, 2.0, 2.0, 2.0], year=[1, 3, None, 1]), suite, parameters={})
    assert list(found.quarantine.index) == failed


@pytest.mark.parametrize(
    ("newest", "passes"),
    [("2013-07-30T00:00", True), ("2013-07-29T23:59", False), ("2013-08-01T00:00", False)],
    ids=["fresh", "stale", "after the interval"],
)
def test_validate_with_times_compares_them_with_the_parameters(tmp_path: Path, newest: str, passes: bool) -> None:
    rule = expectation(
        "column_max_to_be_between",
        column="at",
        min_value={"$PARAMETER": "fresh_from"},
        max_value={"$PARAMETER": "interval_end"},
        strict_max=True,
    )
    times = pd.to_datetime(["2013-07-02T00:00", newest], utc=True).as_unit("us")
    found = validate(
        planes([1.0, 2.0], at=list(times)),
        load_suite(suite_file(tmp_path, ROWS, rule)),
        parameters=JULY | {"fresh_from": datetime(2013, 7, 30, tzinfo=UTC)},
    )
    assert (not found.critical) is passes


def test_validate_with_an_interval_derives_its_days(tmp_path: Path) -> None:
    rule = expectation("table_row_count_to_be_between", min_value={"$PARAMETER": "interval_days * 2"})
    suite = load_suite(suite_file(tmp_path, rule))
    assert validate(planes([1.0] * 62), suite, parameters=JULY).critical == ()
    assert "min_value=62" in validate(planes([1.0] * 61), suite, parameters=JULY).critical[0]


def test_validate_without_a_parameter_of_the_suite_names_it(tmp_path: Path) -> None:
    rule = expectation("table_row_count_to_be_between", min_value={"$PARAMETER": "trunc(interval_days * 2)"})
    with pytest.raises(SpecError, match="pass interval_days"):
        validate(planes([1.0]), load_suite(suite_file(tmp_path, rule)), parameters={"fresh_from": 3})


def test_write_docs_of_a_failed_validation_shows_findings_title_and_gx_tables(tmp_path: Path) -> None:
    suite = load_suite(
        suite_file(
            tmp_path,
            ROWS,
            expectation("column_max_to_be_between", column="seats", max_value=9),
            expectation("column_values_to_be_between", column="seats", max_value=9, mostly=0.5, quarantine=True),
            expectation("rows_to_satisfy", column_list=["seats", "tailnum"], rule='seats > 0 or tailnum == "<x>"'),
        )
    )
    found = validate(planes([99.0, 1.0, 0.0]), suite, parameters={})
    page = tmp_path / "docs" / "planes.html"
    write_docs(found, page, "planes <all>")
    html = page.read_text()
    assert "<title>planes &lt;all&gt;</title>" in html
    assert "Critical: 2" in html
    assert "<li>seats: column max to be between (max_value=9.0): got 99; because the test says so</li>" in html
    assert "<li>row 0: the test says so; got seats=99.0</li>" in html
    assert "rows must satisfy:" in html
    assert "great-expectations-web-assets" not in html
