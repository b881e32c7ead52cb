from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from deltalake import write_deltalake
from sqlalchemy import create_engine, text

from contender.adapters import source_files
from contender.adapters.sources import WIDEST, read, sample
from contender.core.errors import SourceUnreadable
from contender.core.source import ColumnType, Format, Source

FRAME = pd.DataFrame(
    {
        "Customer ID": ["7", "8", "9"],
        "Signed up": pd.to_datetime(["2013-01-01 10:00", "2013-01-02 11:30", "2013-02-01 00:00"]),
        "age": [31.0, None, 27.5],
        "ok": ["yes", "no", None],
        "never asked for": [1, 2, 3],
    }
)
TYPES: dict[str, ColumnType] = {"customer_id": "string", "signed_up": "timestamp", "age": "float64", "ok": "string"}


def _written(kind: Format, folder: Path) -> Source:
    if kind == "csv":
        FRAME.to_csv(folder / "rows.csv", index=False)
    elif kind == "jsonl":
        FRAME.to_json(folder / "rows.jsonl", orient="records", lines=True, date_format="iso")
    elif kind == "parquet":
        FRAME.to_parquet(folder / "rows.parquet")
    else:
        write_deltalake(str(folder / "rows.delta"), FRAME.astype({"Signed up": "datetime64[us]"}))
    return Source(url=f"rows.{kind}", format=kind)


@pytest.fixture(params=["csv", "jsonl", "parquet", "delta"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return _written(request.param, tmp_path)


def _require_frame(found: pd.DataFrame) -> None:
    assert list(found.columns) == list(TYPES)
    assert [str(kind) for kind in found.dtypes] == ["string", "datetime64[us, UTC]", "float64", "string"]
    assert found["customer_id"].tolist() == ["7", "8", "9"]
    assert found["signed_up"].dt.tz_localize(None).tolist() == FRAME["Signed up"].tolist()
    assert found["age"].tolist()[::2] == [31.0, 27.5]
    assert found["age"].isna().tolist() == [False, True, False]
    assert found["ok"].isna().tolist() == [False, False, True]


def test_source_of_each_format_is_read_alike_and_only_the_columns_asked_for(source: Source, tmp_path: Path) -> None:
    _require_frame(read(source, TYPES, root=tmp_path))


def test_source_sampled_has_all_columns_by_their_headers(source: Source, tmp_path: Path) -> None:
    found, more = sample(source, root=tmp_path, rows=2)
    assert list(found.columns) == list(FRAME.columns)
    assert (len(found), more) == (2, True)


def test_source_numbered_has_the_column_row(tmp_path: Path) -> None:
    source = _written("csv", tmp_path).model_copy(update={"row_number": True})
    assert read(source, {"row": "int64", "age": "float64"}, root=tmp_path)["row"].tolist() == [0, 1, 2]


def test_source_at_an_address_of_fsspec_is_read(tmp_path: Path) -> None:
    _written("csv", tmp_path)
    with fsspec.open("memory://folder/rows.csv", "wb") as file:
        file.write((tmp_path / "rows.csv").read_bytes())
    _require_frame(read(Source(url="memory://folder/rows.csv", format="csv"), TYPES, root=tmp_path))


def test_source_larger_than_a_part_is_read_in_parts_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"aa": range(1000), "b": "text"}).to_csv(tmp_path / "long.csv", index=False)
    monkeypatch.setattr(source_files, "PART_ROWS", 64)
    source = Source(url="long.csv", format="csv")
    parts = list(source_files.parts_of_file(source, tmp_path, source.url, ["aa"]))
    assert [len(part) for part in parts] == [64] * 15 + [40]
    assert all(list(part.columns) == ["aa"] for part in parts)
    found, more = sample(source, root=tmp_path, rows=100)
    assert (len(found), more) == (100, True)
    assert read(source, {"aa": "int64"}, root=tmp_path)["aa"].tolist() == list(range(1000))


@pytest.mark.parametrize(
    ("written", "time_format", "time_zone", "expected"),
    [
        ("2013-07-01T10:00:00+02:00", "", "UTC", "2013-07-01T08:00:00Z"),
        ("2013-07-01 10:00", "", "Europe/Berlin", "2013-07-01T08:00:00Z"),
        ("01.07.2013 10:00", "%d.%m.%Y %H:%M", "UTC", "2013-07-01T10:00:00Z"),
        ("2013-03-31 02:30", "", "Europe/Berlin", "2013-03-31T01:00:00Z"),
    ],
    ids=["with an offset", "of a zone", "of a format", "in an hour that the clocks skip"],
)
def test_source_with_times_reads_them_as_declared(
    tmp_path: Path, written: str, time_format: str, time_zone: str, expected: str
) -> None:
    (tmp_path / "t.csv").write_text(f"when,x\n{written},1\n")
    source = Source(url="t.csv", format="csv", time_format=time_format, time_zone=time_zone)
    assert read(source, {"when": "timestamp"}, root=tmp_path)["when"].tolist() == [pd.Timestamp(expected)]


CSV = {"url": "bad.csv", "format": "csv"}
BAD: dict[str, tuple[bytes | None, dict[str, Any], dict[str, ColumnType], str]] = {
    "missing": (None, CSV, {"a": "string"}, "there is no such file"),
    "empty": (b"", CSV, {"a": "string"}, "the source is empty"),
    "header only": (b"aa,b\n", CSV, {"aa": "string"}, "the source is empty"),
    "column gone": (b"a,b\n1,2\n", CSV, {"age": "float64"}, "columns are gone.*no age; there are c_a, c_b"),
    "no number": (b"aa,b\n1,2\nold,3\n", CSV, {"aa": "float64"}, "'old' in row 1"),
    "missing whole number": (b"aa,b\n1,2\n,3\n", CSV, {"aa": "int64"}, "whole numbers, none missing"),
    "no time": (
        b"aa,b\n2013-01-01,2\nsoon,3\n",
        CSV,
        {"aa": "timestamp"},
        "'soon' in row 1.*ISO 8601|ISO 8601.*'soon'",
    ),
    "ragged": (b"aa,b\n1,2\n1,2,3\n", CSV, {"aa": "float64"}, "not the csv.*line 3"),
    "more fields than headers": (b"aa,b\n1,2,3\n4,5,6\n", CSV, {"aa": "float64"}, "more fields than the header"),
    "not utf-8": (b"aa,b\nJos\xe9,2\n", CSV, {"aa": "string"}, "bytes that are no utf-8"),
    "two headers alike": (b"aa,aa\n1,2\n", CSV, {"aa": "string"}, "columns share a name.*aa"),
    "broken json": (b'{"aa": 1}\n{"aa": \n', {"url": "bad.csv", "format": "jsonl"}, {"aa": "string"}, "not the jsonl"),
    "no parquet": (b"text", {"url": "bad.csv", "format": "parquet"}, {"aa": "string"}, "not the parquet"),
    "no delta": (b"text", {"url": "bad.csv", "format": "delta"}, {"aa": "string"}, "Delta|cannot be read"),
}


@pytest.mark.parametrize(("content", "declared", "types", "said"), BAD.values(), ids=BAD.keys())
def test_source_that_cannot_be_read_says_what_is_wrong_with_it(
    tmp_path: Path, content: bytes | None, declared: dict[str, Any], types: dict[str, ColumnType], said: str
) -> None:
    if content is not None:
        (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(SourceUnreadable, match=said):
        read(Source(**declared), types, root=tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_source_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("aa\n1\n")
    (tmp_path / "rows.csv").chmod(0)
    with pytest.raises(SourceUnreadable, match="may not be read"):
        read(Source(url="rows.csv", format="csv"), {"aa": "string"}, root=tmp_path)


def test_source_too_wide_is_refused_by_its_sample(tmp_path: Path) -> None:
    names = ",".join(f"n{number}" for number in range(WIDEST + 1))
    (tmp_path / "wide.csv").write_text(f"{names}\n{','.join('1' * (WIDEST + 1))}\n")
    with pytest.raises(SourceUnreadable, match=r"at most 2,000 columns; got: 2,001 columns"):
        sample(Source(url="wide.csv", format="csv"), root=tmp_path)


@pytest.fixture
def customers(postgres: str) -> str:
    engine = create_engine(postgres)
    FRAME.to_sql("customers", engine, if_exists="replace", index=False)
    engine.dispose()
    return postgres


def _query(url: str, query: str) -> Source:
    return Source(url=url.replace("tests:p%40ss%2Fword@", ""), format="sql", query=query)


def test_query_of_postgres_is_read_like_a_file(customers: str, tmp_path: Path) -> None:
    source = _query(customers, 'SELECT * FROM customers ORDER BY "Customer ID"')
    _require_frame(read(source, TYPES, root=tmp_path, url=customers))
    found, more = sample(source, root=tmp_path, rows=2, url=customers)
    assert (len(found), more) == (2, True)


def test_query_that_fails_is_refused_without_the_password(customers: str, tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match='relation "nothing" does not exist') as raised:
        read(_query(customers, "SELECT * FROM nothing"), {"aa": "string"}, root=tmp_path, url=customers)
    assert "p%40ss" not in str(raised.value)
    assert "p@ss" not in str(raised.value)


def test_query_of_a_database_that_is_away_is_refused(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://127.0.0.1:1/none"
    with pytest.raises(SourceUnreadable, match="Connection refused"):
        read(_query(url, "SELECT 1 AS aa"), {"aa": "string"}, root=tmp_path)


def test_query_leaves_the_database_as_it_was(customers: str, tmp_path: Path) -> None:
    engine = create_engine(customers)
    with engine.connect() as connection:
        before = connection.execute(text("SELECT count(*) FROM customers")).scalar()
    read(_query(customers, "SELECT * FROM customers"), TYPES, root=tmp_path, url=customers)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM customers")).scalar() == before
    engine.dispose()
