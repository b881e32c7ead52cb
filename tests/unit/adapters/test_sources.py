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
from contender.adapters.sources import WIDEST, read, sample, spread
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
        ("2013-07-01 10:00:00+02", "", "UTC", "2013-07-01T08:00:00Z"),
        ("02-01-2013", "%d-%m-%Y", "Europe/Berlin", "2013-01-01T23:00:00Z"),
        ("2013-07-01 10:00 +0200", "%Y-%m-%d %H:%M %z", "UTC", "2013-07-01T08:00:00Z"),
    ],
    ids=[
        "with an offset",
        "of a zone",
        "of a format",
        "in an hour that the clocks skip",
        "with an offset of hours",
        "whose year is no offset",
        "of a format with an offset",
    ],
)
def test_source_with_times_reads_them_as_declared(
    tmp_path: Path, written: str, time_format: str, time_zone: str, expected: str
) -> None:
    (tmp_path / "t.csv").write_text(f"when,x\n{written},1\n")
    source = Source(url="t.csv", format="csv", time_format=time_format, time_zone=time_zone)
    assert read(source, {"when": "timestamp"}, root=tmp_path)["when"].tolist() == [pd.Timestamp(expected)]


def test_source_with_an_offset_in_some_rows_reads_the_others_in_its_zone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("when,x\n2013-07-01 10:00:00+02,1\n2013-07-01 10:00:00,2\n")
    found = read(Source(url="t.csv", format="csv"), {"when": "timestamp"}, root=tmp_path)["when"]
    assert found.tolist() == [pd.Timestamp("2013-07-01T08:00:00Z"), pd.Timestamp("2013-07-01T10:00:00Z")]


def test_source_with_space_around_its_values_is_read_without_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("plan, age\n basic , 3\n  ,  \n")
    found = read(Source(url="t.csv", format="csv"), {"plan": "string", "age": "float64"}, root=tmp_path)
    assert found["plan"].tolist() == ["basic", pd.NA]
    assert found["age"].iloc[0] == 3.0
    assert found["age"].isna().tolist() == [False, True]


def test_source_with_numbers_read_as_text_writes_each_alike_in_every_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"kk": [1.0, 2.0, 1.0, 1.5, 1e20, float("inf")]}).to_parquet(tmp_path / "k.parquet")
    monkeypatch.setattr(source_files, "PART_ROWS", 2)
    found = read(Source(url="k.parquet", format="parquet"), {"kk": "string"}, root=tmp_path)["kk"]
    assert found.tolist() == ["1", "2", "1", "1.5", "1e+20", "inf"]


def test_source_in_folders_of_a_column_has_that_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"aa": range(4), "region": ["north", "south"] * 2})
    frame.to_parquet(tmp_path / "rows", partition_cols=["region"])
    found = read(Source(url="rows", format="parquet"), {"aa": "int64", "region": "string"}, root=tmp_path)
    assert dict(zip(found["aa"], found["region"], strict=True)) == {0: "north", 1: "south", 2: "north", 3: "south"}


def test_source_of_300_000_rows_is_read_for_two_columns_without_holding_its_text(tmp_path: Path) -> None:
    line = ",".join(["0123456789"] * 18)
    with (tmp_path / "long.csv").open("w") as file:
        file.write(",".join(f"n{number}" for number in range(20)) + "\n")
        file.writelines(f"{number},{number / 2},{line}\n" for number in range(300_000))
    source, held, total = Source(url="long.csv", format="csv"), 0, 0
    for part in source_files.parts_of_file(source, tmp_path, source.url, ["n0", "n1"]):
        held, total = max(held, len(part)), total + len(part)
        assert list(part.columns) == ["n0", "n1"]
    assert (held, total) == (50_000, 300_000)


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
    "not utf-8": (b"aa,b\nJos\xe9,2\n", CSV, {"aa": "string"}, "bytes that are no utf-8.*byte 0xe9 in line 2"),
    "two headers alike": (b"aa,aa\n1,2\n", CSV, {"aa": "string"}, "columns share a name.*aa"),
    "broken json": (b'{"aa": 1}\n{"aa": \n', {"url": "bad.csv", "format": "jsonl"}, {"aa": "string"}, "line 2"),
    "json array": (b'[{"aa": 1}]\n', {"url": "bad.csv", "format": "jsonl"}, {"aa": "string"}, "line 1 is no JSON obj"),
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


def test_source_of_a_million_columns_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(",".join(f"n{number}" for number in range(1_000_000)) + "\n")
    with pytest.raises(SourceUnreadable, match=r"at most 2,000 columns; got: 1,000,000 columns"):
        sample(Source(url="wide.csv", format="csv"), root=tmp_path)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_source_that_is_wide_is_sampled_by_fewer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Format
) -> None:
    monkeypatch.setattr(source_files, "PART_CELLS", 500)
    frame = pd.DataFrame({f"n{number}": range(50) for number in range(100)})
    writers: dict[str, Any] = {
        "csv": lambda path: frame.to_csv(path, index=False), "parquet": frame.to_parquet,
        "jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
    }  # fmt: skip
    writers[kind](tmp_path / "wide")
    found, more = sample(Source(url="wide", format=kind), root=tmp_path)
    assert (found.shape, more) == ((5, 100), True)


def test_file_at_an_address_with_a_password_fails_without_it(tmp_path: Path) -> None:
    source = Source(url="https://127.0.0.1:1/rows.csv", format="csv", connection="site")
    with pytest.raises(SourceUnreadable) as raised:
        read(source, {"aa": "string"}, root=tmp_path, url="https://me:s3cret@127.0.0.1:1/rows.csv")
    assert "s3cret" not in str(raised.value)


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


QUERIES = {
    "a colon in a text": "SELECT 1 AS aa WHERE 'x :y' <> ''",
    "json": """SELECT 1 AS aa WHERE '{"a":1}' <> ''""",
    "a cast": "SELECT '1'::int AS aa",
    "a percent sign": "SELECT 1 AS aa WHERE 'xy' LIKE 'x%'",
    "a backslash": r"SELECT 1 AS aa WHERE E'x\\:y' <> ''",
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_query_is_run_as_it_is_written(postgres: str, tmp_path: Path, query: str) -> None:
    assert read(_query(postgres, query), {"aa": "int64"}, root=tmp_path, url=postgres)["aa"].tolist() == [1]


def test_query_of_a_sqlite_file_finds_it_from_the_root_and_makes_none(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    FRAME.to_sql("customers", engine, index=False)
    engine.dispose()
    _require_frame(read(_query("sqlite:///rows.db", "SELECT * FROM customers"), TYPES, root=tmp_path))
    with pytest.raises(SourceUnreadable, match="no such database file"):
        read(_query("sqlite:///other.db", "SELECT 1 AS aa"), {"aa": "int64"}, root=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.db"]


def test_rows_spread_over_a_sorted_source_reach_to_its_end(tmp_path: Path) -> None:
    pd.DataFrame({"at": range(1000), "x": 1.0}).to_csv(tmp_path / "rows.csv", index=False)
    found, more = spread(Source(url="rows.csv", format="csv"), root=tmp_path, rows=100)
    assert more
    assert 50 < len(found) <= 100
    assert found["at"].astype(int).tolist() == list(range(0, 1000, 16))
    whole, more = spread(Source(url="rows.csv", format="csv"), root=tmp_path, rows=1000)
    assert (len(whole), more) == (1000, False)


def test_index_of_a_parquet_file_is_a_column_like_the_others(tmp_path: Path) -> None:
    FRAME.set_index("Customer ID").to_parquet(tmp_path / "rows.parquet")
    _require_frame(read(Source(url="rows.parquet", format="parquet"), TYPES, root=tmp_path))
