from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from deltalake import write_deltalake
from pandas import DataFrame

from contender.adapters.sources import read, sample
from contender.core.errors import ContenderError, ScaffoldRefused, SourceUnreadable
from contender.core.settings import CHECKOUT
from contender.core.source import Source
from contender.scaffold.profile import profile
from contender.scaffold.where import source_of

DELIMITED = {
    "commas": ("a,b,c\n1,2,3\n", ","),
    "semicolons, and commas in a header": ('id;"born, if any";x\n1;2;3\n', ";"),
    "semicolons, and decimal commas": ("id;price;x\n1;2,5;3\n4;1,25;6\n", ";"),
    "bars": ("a|b|c\n1|2|3\n", "|"),
    "tabs, and spaces in a header": ("a\tb c\td\n1\t2\t3\n", "\t"),
    "commas, and semicolons in quotes": ('"a;b",c,d\n1,2,3\n', ","),
    "a field of more characters than any has": ("a;b\n" + "x" * 200_000 + ";1\n", ";"),
    "one column": ("one\n1\n", ","),
}


@pytest.mark.parametrize(("text", "expected"), DELIMITED.values(), ids=DELIMITED.keys())
def test_delimiter_is_what_parts_the_lines_alike(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    assert source_of("file://" + str(tmp_path / "rows.csv"), tmp_path)[0].delimiter == expected


ENCODED = {
    "utf-8": ("é,b\n1,2\n".encode(), "utf-8", []),
    "utf-8 with a mark": ("é,b\n1,2\n".encode("utf-8-sig"), "utf-8-sig", []),
    "utf-16": ("é,b\n1,2\n".encode("utf-16"), "utf-16", []),
    "cp1252": ("é,b\n1,€\n".encode("cp1252"), "cp1252", ["byte 0xe9 in line 1"]),
    "latin-1": (b"\xe9,b\n1,\x81\n", "latin-1", ["byte 0xe9 in line 1"]),
    "cp1252 far into the file": (
        "é,b\n".encode() + b"1,2\n" * 400_000 + b"1,\xe9\n", "cp1252", ["byte 0xe9 in line 400002"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "encoding", "said"), ENCODED.values(), ids=ENCODED.keys())
def test_encoding_is_that_of_the_whole_file_and_told_where_it_is_guessed(
    tmp_path: Path, content: bytes, encoding: str, said: list[str]
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    source, told = source_of(str(tmp_path / "rows.csv"), tmp_path)
    assert (source.encoding, source.url, len(told)) == (encoding, "rows.csv", len(said))
    assert all(part in line for part, line in zip(said, told, strict=True))
    assert len(sample(source, root=tmp_path)[0].columns) == 2


def test_folder_of_a_delta_table_is_known_by_its_log_and_one_of_csv_files_is_refused(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "table"), DataFrame({"aa": [1]}))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "rows.csv").write_text("aa\n1\n")
    assert source_of(str(tmp_path / "table"), tmp_path)[0] == Source(url="table", format="delta")
    with pytest.raises(SourceUnreadable, match="the folder is no table"):
        source_of(str(tmp_path / "files"), tmp_path)


SECRET = "se/cr:et"
ADDRESSES = {
    "of a user of a database": "postgresql+psycopg2://me:se%2Fcr%3Aet@host/db",
    "as a parameter": "postgresql+psycopg2://host/db?password=se%2Fcr%3Aet&sslmode=require",
    "of a user of a site": "https://me:se%2Fcr%3Aet@127.0.0.1:1/rows.csv",
}


@pytest.mark.parametrize("query", ["", "SELECT 1"], ids=["file", "query"])
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_address_with_a_password_is_refused_and_not_repeated(tmp_path: Path, address: str, query: str) -> None:
    with pytest.raises(ScaffoldRefused, match=r"has a password.*CONNECTION=") as raised:
        source_of(address, tmp_path, query=query)
    assert "***" in str(raised.value)
    assert not [written for written in (SECRET, quote(SECRET, safe="")) if written in str(raised.value)]


UNREADABLE = {
    "no such file": ("rows.csv", "there is no such file"),
    "no package": ("abfs://bucket/rows.csv", "package for this kind of address is not installed.*Install adlfs"),
    "no query": ("sqlite:///rows.db", "a database needs a query"),
}


@pytest.mark.parametrize(("data", "said"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_place_that_is_none_is_refused(tmp_path: Path, data: str, said: str) -> None:
    with pytest.raises(ContenderError, match=said):
        source_of(data, tmp_path)


def test_path_outside_of_the_checkout_is_told_and_one_inside_is_not(tmp_path: Path) -> None:
    for folder in ("checkout", "elsewhere"):
        (tmp_path / folder).mkdir()
        DataFrame({"aa": [1], "bb": [2]}).to_csv(tmp_path / folder / "rows.csv", index=False)
        DataFrame({"aa": [1], "bb": [2]}).to_parquet(tmp_path / folder / "rows.parquet")
    for name in ("rows.csv", "rows.parquet"):
        source, told = source_of(str(tmp_path / "checkout" / name), tmp_path / "checkout")
        assert (source.url, told) == (name, [])
        source, (said,) = source_of(str(tmp_path / "elsewhere" / name), tmp_path / "checkout")
        assert source.url == str(tmp_path / "elsewhere" / name)
        assert said.startswith(f"data: {source.url} lies outside of the checkout")


def test_containers_see_of_the_checkout_what_the_page_says() -> None:
    mounted = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["x-task-code"]
    places = {one["source"] for one in mounted if one["type"] == "bind" and not one["source"].startswith("./.")}
    page = (CHECKOUT / "docs" / "new-model.md").read_text()
    folders = {place.removeprefix("./") for place in places if (CHECKOUT / place).is_dir()} - {"docker/serving"}
    assert folders == {"dags", "plugins", "feature_repo", "expectations"}
    assert "only `dags/`, `plugins/`, `feature_repo/` and `expectations/`" in page


@pytest.mark.parametrize("word", ["NA", "N/A", "NaN", "null", "NULL", "None", ""])
def test_cells_without_a_value_are_missing_for_the_profile_as_for_a_run(tmp_path: Path, word: str) -> None:
    frame = DataFrame({"plan": [word, "plus"] * 20, "age": [word, "7"] * 20, "left": ["no", "yes", "no", "no"] * 10})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    source = Source(url="rows.csv", format="csv")
    seen = profile(sample(source, root=tmp_path)[0], label="left")
    run = read(source, {"plan": "string", "age": "float64"}, root=tmp_path)
    assert seen.column("plan").missing == run["plan"].isna().mean() == 0.5
    assert seen.column("age").missing == run["age"].isna().mean() == 0.5


DECIMALS = {
    "commas": ("id;price\n1;2,5\n2;\n3;NA\n4;-1\n", ","),
    "commas behind tabs": ("id\tprice\n1\t2,5\n", ","),
    "points": ("id;price\n1;2.5\n", "."),
    "both": ("id;price;size\n1;2,5;1.5\n", "."),
    "commas that may part thousands": ("id;price\n1;2,500\n2;12,000\n", "."),
    "commas in a list": ("id;tags\n1;2,5\n2;a,b\n", "."),
    "whole numbers": ("id;price\n1;2\n", "."),
    "commas that part fields": ('id,price\n1,"2,5"\n', "."),
}


@pytest.mark.parametrize(("text", "sign"), DECIMALS.values(), ids=DECIMALS.keys())
def test_decimal_sign_is_a_comma_where_no_column_speaks_against_it(tmp_path: Path, text: str, sign: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    source, told = source_of(str(tmp_path / "rows.csv"), tmp_path)
    assert source.decimal == sign
    assert [one for one in told if one.startswith("decimal: ")] == told[1:] * (sign == ",")


def test_numbers_with_a_decimal_comma_are_read_and_those_with_a_point_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id;price\n1;2,5\n2; \n3;-1\n")
    source = source_of(str(tmp_path / "rows.csv"), tmp_path)[0]
    assert read(source, {"price": "float64"}, root=tmp_path)["price"].tolist()[::2] == [2.5, -1.0]
    (tmp_path / "rows.csv").write_text("id;price\n1;2,5\n2;1.234\n")
    with pytest.raises(
        SourceUnreadable, match=r"expected: numbers with ',' before the fraction; got: '1\.234' in row 1"
    ):
        read(source, {"price": "float64"}, root=tmp_path)
