"""Queries, part by part, over any SQLAlchemy URL whose driver is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from sqlalchemy import URL, TextClause, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from contender.adapters.source_address import hidden, shown
from contender.core.errors import SourceUnreadable

PART_ROWS = 50_000


def parts_of_query(
    url: str, query: str, root: Path, headers: list[str] | None, *, first: bool = False
) -> Iterator[pd.DataFrame]:
    """Parts of a query's rows, through a cursor on the server where the driver has one.

    Args:
        url: SQLAlchemy URL, with its password.
        query: What to select.
        root: What the path of a SQLite file starts from.
        headers: The columns to keep; all when `None`.
        first: Only the beginning, to learn the headers.

    Raises:
        SourceUnreadable: The database does not answer, or refuses the query.
    """
    try:
        engine = create_engine(_placed(make_url(url), root))
        try:
            with engine.connect() as connection:
                streamed = connection.execution_options(stream_results=True, max_row_buffer=PART_ROWS)
                for part in pd.read_sql(_literal(query), streamed, chunksize=1 if first else PART_ROWS):
                    yield part if headers is None else part[headers]
                    if first:
                        break
        finally:
            engine.dispose()
    except (SQLAlchemyError, ArgumentError, NoSuchModuleError, ImportError) as error:
        raise SourceUnreadable(
            "the query cannot be run",
            where=shown(url),
            expected="a database that answers, and a query that it knows",
            got=hidden(str(getattr(error, "orig", None) or error).strip(), url)[:300],
            next_step="mend the query, or the connection's address; nothing was written",
        ) from error


def _literal(query: str) -> TextClause:
    """The query as it stands: it has no parameters, and a colon in it is a colon."""
    return text(re.sub(r"(?<![:\\]):(?=\w)", r"\\:", query))


def _placed(url: URL, root: Path) -> URL:
    """The same address, where it is that of a SQLite file by its full path: SQLite would make a missing one."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return url
    path = root / name
    if not path.is_file():
        raise SourceUnreadable(
            "there is no such database file",
            where=str(url),
            expected="a SQLite file",
            got=str(path),
            next_step="look at the path: it starts from the checkout where it is not a full one; nothing was written",
        )
    return url.set(database=str(path))
