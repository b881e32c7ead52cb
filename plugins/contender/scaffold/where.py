"""Which source a place is: its format, its delimiter, its encoding; and never a secret."""

from __future__ import annotations

import codecs
import csv
import os
from pathlib import Path
from urllib.parse import urlsplit

import fsspec

from contender.adapters.source_sql import has_password, shown
from contender.core.errors import ScaffoldRefused, SourceUnreadable
from contender.core.source import Format, Source

SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}  # fmt: skip
HEAD_BYTES = 1_000_000
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
    if scheme and urlsplit(data).password:
        raise ScaffoldRefused(
            "the address has a password, which would be written into the repository", where="DATA",
            expected="an address without one", got=shown(data),
            next_step="give the credentials by the environment, as fsspec reads them, or a connection that has the "
            "address: CONNECTION=my_source",
        )  # fmt: skip
    place, url = _place(data, root)
    kind = _format(place, data)
    if kind not in ("csv", "jsonl"):
        return Source(url=url, format=kind, connection=connection or None), []
    encoding, text = _text(place, data)
    guessed = []
    if encoding != "utf-8":
        why = "its first bytes say so" if encoding.startswith("utf") else "the bytes are no UTF-8"
        guessed.append(f"encoding: {encoding}, as {why}; change it in the spec's source")
    delimiter = _delimiter(text) if kind == "csv" else ","
    if delimiter != ",":
        guessed.append(f"delimiter: {delimiter!r}; change it in the spec's source")
    return Source(url=url, format=kind, delimiter=delimiter, encoding=encoding, connection=connection or None), guessed


def _database(data: str, query: str, connection: str) -> Source:
    if not query:
        raise ScaffoldRefused(
            "a database needs a query", where="QUERY", expected="QUERY='SELECT … FROM …'", got=f"{shown(data)} alone",
            next_step=f"say which rows with QUERY=; files are read by {', '.join(FILES)} and by path",
        )  # fmt: skip
    return Source(url=data, format="sql", query=query, connection=connection or None)


def _require_no_password(data: str) -> None:
    if "://" in data and has_password(data):
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
    name = path.removesuffix(".gz").removesuffix(".zip").removesuffix(".bz2").removesuffix(".xz")
    kind = SUFFIXES.get(Path(name).suffix.lower())
    if kind is None or name != path:
        raise SourceUnreadable(
            "the format is not known by the name", where="DATA",
            expected=f"a name that ends in {', '.join(SUFFIXES)}, or a folder of Parquet files or of a Delta table",
            got=data, next_step="unpack or rename it",
        )  # fmt: skip
    return kind


def _text(place: str, data: str) -> tuple[str, str]:
    try:
        with fsspec.open(place, "rb") as file:
            head = file.read(HEAD_BYTES)
    except PermissionError as error:
        raise SourceUnreadable(
            "the file may not be read", where="DATA", expected="a file that you may read", got=data,
            next_step="change its mode or owner",
        ) from error  # fmt: skip
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", head.decode("utf-16", errors="ignore")
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        try:
            # The head may end within a character.
            text = head.decode(encoding) if len(head) < HEAD_BYTES else head[: head.rfind(b"\n") + 1].decode(encoding)
        except UnicodeDecodeError:
            continue
        plain = encoding == "utf-8-sig" and not head.startswith(b"\xef\xbb\xbf")
        return ("utf-8" if plain else encoding), text
    return "latin-1", head.decode("latin-1")


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    try:
        return csv.Sniffer().sniff(first, delimiters=",;\t|").delimiter
    except csv.Error:
        return ","  # one column, or a header that no delimiter fits better than another
