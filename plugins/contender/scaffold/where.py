"""Which source a place is: its format, its delimiter, its encoding; and never a secret."""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Literal

import fsspec

from contender.adapters.source_address import passwords, shown
from contender.adapters.source_faults import undecodable
from contender.core.errors import ScaffoldRefused, SourceUnreadable
from contender.core.source import Format, Source

SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}  # fmt: skip
HEAD_LINES = 20
LOOKED_AT = 1000  # rows that tell the decimal sign
UNKNOWN = ("", "na", "n/a", "nan", "null", "none")  # cells that have no value, in whatever capitals
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
DELIMITERS = ",;\t|"
FILES = ("file", "memory", "s3", "gs", "gcs", "abfs", "abfss", "az", "http", "https", "ftp", "sftp", "hdfs")


def source_of(data: str, root: Path, *, query: str = "", connection: str = "") -> tuple[Source, list[str]]:
    """The source at a place, and what was guessed of it.

    Args:
        data: Path, address or SQLAlchemy URL, as it was given.
        root: The checkout: paths inside it are kept relative.
        query: What to select; then `data` is a database's address.
        connection: Airflow connection that has the address with its secrets.

    Raises:
        ScaffoldRefused: A password would be written down, or a database is given without a query.
        SourceUnreadable: There is nothing, or nothing whose format is known.
    """
    _require_no_password(data)
    scheme = data.partition("://")[0] if "://" in data else ""
    if query or (scheme and scheme not in FILES):
        return _database(data, query, connection), []
    place, url = _place(data, root)
    kind, told = _format(place, data), _outside(url)
    if kind not in ("csv", "jsonl"):
        return Source(url=url, format=kind, connection=connection or None), told
    encoding, guessed = _encoding(place, data)
    guessed += told
    delimiter = _delimiter(place, encoding) if kind == "csv" else ","
    if delimiter != ",":
        guessed.append(f"delimiter: {delimiter!r}; change it in the spec's source")
    decimal = _decimal(place, encoding, delimiter) if kind == "csv" and delimiter != "," else "."
    if decimal != ".":
        guessed.append("decimal: numbers are read with a decimal comma, 3,14; change it in the spec's source")
    source = Source(
        url=url, format=kind, delimiter=delimiter, encoding=encoding, decimal=decimal, connection=connection or None
    )
    return source, guessed


def _database(data: str, query: str, connection: str) -> Source:
    if not query:
        raise ScaffoldRefused(
            "a database needs a query", where="QUERY", expected="QUERY='SELECT … FROM …'", got=f"{shown(data)} alone",
            next_step=f"say which rows with QUERY=; files are read by {', '.join(FILES)} and by path",
        )  # fmt: skip
    return Source(url=data, format="sql", query=query, connection=connection or None)


def _require_no_password(data: str) -> None:
    if passwords(data):
        raise ScaffoldRefused(
            "the address has a password, which would be written into the repository",
            where="DATA",
            expected="an address without one, and an Airflow connection that has it",
            got=shown(data),
            next_step="export AIRFLOW_CONN_MY_SOURCE='<the address>', and say CONNECTION=my_source "
            "DATA=<the address without its password>",
        )


def _place(data: str, root: Path) -> tuple[str, str]:
    """Where to look, and what to write down."""
    if "://" in data:
        return data, data
    path = Path(os.path.abspath(os.path.expanduser(data)))  # a link stays what it is
    inside = path.is_relative_to(root)
    return str(path), path.relative_to(root).as_posix() if inside else str(path)


def _outside(url: str) -> list[str]:
    """What is to be known of a path outside of the checkout."""
    said = (
        f"data: {url} lies outside of the checkout and is read by this path wherever a task runs: other machines and "
        "the containers of make up do not have it unless it is put or mounted there"
    )
    return [said] if url.startswith("/") else []


def _format(place: str, data: str) -> Format:
    try:
        files, path = fsspec.core.url_to_fs(place)
        there = files.exists(path)
    except ImportError as error:
        raise SourceUnreadable(
            "a package for this kind of address is not installed", where="DATA", expected="an address that can be read",
            got=f"{data}: {error}", next_step="add the package to requirements.in, make lock; or copy the file here",
        ) from error  # fmt: skip
    if not there:
        looked = "whether the address answers" if "://" in data else "the path, which starts where make was called"
        raise SourceUnreadable(
            "there is no such file", where="DATA", expected="a file, a folder or an address", got=data,
            next_step=f"look at {looked}",
        )  # fmt: skip
    if files.isdir(path):
        if files.exists(f"{path.rstrip('/')}/_delta_log"):
            return "delta"
        if any(name.endswith(".parquet") for name in files.find(path)):
            return "parquet"
        raise SourceUnreadable(
            "the folder is no table", where="DATA", expected="one file, or a folder of Parquet files or a Delta table",
            got=data, next_step="name one file of it, or join its files into one",
        )  # fmt: skip
    name = path.removesuffix(".gz").removesuffix(".zip").removesuffix(".bz2").removesuffix(".xz")
    kind = SUFFIXES.get(Path(name).suffix.lower())
    if kind is None or name != path:
        raise SourceUnreadable(
            "the format is not known by the name", where="DATA",
            expected=f"a name that ends in {', '.join(SUFFIXES)}, or a folder of Parquet files or of a Delta table",
            got=data, next_step="unpack or rename it",
        )  # fmt: skip
    return kind


def _encoding(place: str, data: str) -> tuple[str, list[str]]:
    """The encoding of the whole file, and how it was guessed where it is not UTF-8.

    A file elsewhere is judged by its mark alone: to look at all of it is to fetch it.
    """
    try:
        with fsspec.open(place, "rb") as file:
            start = file.read(4)
        if marked := next((name for mark, name in BOMS.items() if start.startswith(mark)), ""):
            return marked, []
        if "://" in place and not place.startswith(("file:", "memory:")):
            return "utf-8", []
        wrong = undecodable(place, "utf-8")
        if not wrong:
            return "utf-8", []
        encoding = "latin-1" if undecodable(place, "cp1252") else "cp1252"
    except PermissionError as error:
        raise SourceUnreadable(
            "the file may not be read", where="DATA", expected="a file that you may read", got=data,
            next_step="change its mode or owner",
        ) from error  # fmt: skip
    return encoding, [f"encoding: {encoding}, as {wrong} is no UTF-8; look at its text, or change it in the source"]


def _delimiter(place: str, encoding: str) -> str:
    """What parts most fields, as many in each of the first lines; else what Python's sniffer makes of the header."""
    # Bytes of another encoding are told where the rows are read.
    with fsspec.open(place, "rt", encoding=encoding, errors="replace", newline="") as file:
        lines = list(islice(file, HEAD_LINES))
    widths = {one: _width(lines, one) for one in DELIMITERS}
    if max(widths.values()) > 1:
        return max(DELIMITERS, key=lambda one: widths[one])
    try:
        return csv.Sniffer().sniff("".join(lines[:1]), delimiters=DELIMITERS).delimiter
    except csv.Error:
        return ","  # one column, or a header that no delimiter fits better than another


def _width(lines: list[str], delimiter: str) -> int:
    """The number of fields of each line, or 0 where they differ or are no fields."""
    try:
        found = {len(fields) for fields in csv.reader(lines, delimiter=delimiter) if fields}
    except csv.Error:  # a field longer than any is
        return 0
    return found.pop() if len(found) == 1 else 0


def _decimal(place: str, encoding: str, delimiter: str) -> Literal[".", ","]:
    """A comma where numbers of some column have one, not only before three digits, and those of none have a point."""
    with fsspec.open(place, "rt", encoding=encoding, errors="replace", newline="") as file:
        try:
            rows = list(islice(csv.reader(file, delimiter=delimiter), 1, LOOKED_AT))
        except csv.Error:  # a field longer than any is
            return "."
    found = {sign for column in zip_longest(*rows, fillvalue="") for sign in _signs(column)}
    return "," if found == {","} else "."


def _signs(column: Iterable[str]) -> Iterator[str]:
    """The decimal signs that make all values of a column numbers, some of which have one."""
    texts = [text for one in column if (text := one.strip()).lower() not in UNKNOWN]
    for sign in ",.":
        numbers = [re.fullmatch(rf"[+-]?\d+(?:[{sign}](\d+))?", text) for text in texts]
        fractions = {len(number[1]) for number in numbers if number and number[1]}
        if all(numbers) and fractions and (sign == "." or fractions != {3}):  # else it may part thousands
            yield sign
