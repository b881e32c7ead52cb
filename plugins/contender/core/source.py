"""`Source`: where the platform reads a table's rows, without any secret."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from contender.core.declared import Declared
from contender.core.policy import Identifier

Format = Literal["csv", "parquet", "delta", "jsonl", "sql"]
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
    time_format: str = ""
    time_zone: str = "UTC"
    row_number: bool = False
    types: dict[Identifier, ColumnType] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _query_and_format_agree(self) -> Self:
        if (self.format == "sql") != bool(self.query):
            raise ValueError(f"query={self.query!r} and format={self.format!r}: a query is for sql, and sql needs one")
        return self
