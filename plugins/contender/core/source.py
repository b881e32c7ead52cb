"""`Source`: where the platform reads a table's rows, without any secret."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Literal, Self
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from contender.core.declared import Declared
from contender.core.misfits import Misfit, refuse
from contender.core.policy import Identifier

Format = Literal["csv", "parquet", "delta", "jsonl", "sql"]
SECRET = ("password", "passwd", "pwd", "sslpassword")  # parameters by which drivers take one
ColumnType = Literal["int64", "float64", "string", "timestamp"]


class Source(Declared):
    """A file, a folder or a query. Headers become column names by `contender.core.naming.identifiers`.

    Attributes:
        url: Path (relative ones from the checkout), address that fsspec opens (`s3://…`, `https://…`), or SQLAlchemy
            URL (`postgresql+psycopg2://host/database`). Never with a password: name a `connection` instead.
        format: What lies there.
        query: For `sql`, what to select.
        connection: Airflow connection whose URI takes the place of `url` when a task reads it.
        delimiter, encoding: Of a CSV file.
        decimal: What parts the fraction of its numbers; with a comma, one that is written with a point is none.
        time_format: How times are written, as in `strptime`; empty for ISO 8601.
        time_zone: Zone of times that name none.
        row_number: Whether the rows are numbered, from 0, in the column `row`: for rows that have no key of their own.
        types: Columns to read beyond those that the spec implies, or otherwise than it implies.
    """

    url: str
    format: Format
    query: str = ""
    connection: Identifier | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    time_format: str = ""
    time_zone: str = "UTC"
    row_number: bool = False
    types: dict[Identifier, ColumnType] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        refuse(self._misfits())
        return self

    def _misfits(self) -> Iterator[Misfit]:
        if (self.format == "sql") != bool(self.query):
            yield Misfit("query", "a query where the format is 'sql', and none elsewhere", repr(self.query))
        if _has_password(self.url):  # and it is not shown
            yield Misfit(
                "url", "an address without a password: name an Airflow `connection` that has it", "one with it"
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            yield Misfit("encoding", "one that Python knows, e.g. 'utf-8' or 'cp1252'", repr(self.encoding))
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield Misfit("time_zone", "a name of the tz database, e.g. 'Europe/Berlin'", repr(self.time_zone))


def _has_password(url: str) -> bool:
    """Whether an address has a password, in its place or as a parameter."""
    try:
        parts = urlsplit(url)
        return bool(parts.password) or any(name.lower() in SECRET for name, value in parse_qsl(parts.query) if value)
    except ValueError:  # no address; what it is, its reader says
        return False
