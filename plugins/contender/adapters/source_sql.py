"""Queries, part by part, over any SQLAlchemy URL whose driver is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from contender.core.errors import SourceUnreadable

PART_ROWS = 50_000


def parts_of_query(url: str, query: str, headers: list[str] | None, *, first: bool = False) -> Iterator[pd.DataFrame]:
    """Parts of a query's rows, through a cursor on the server where the driver has one.

    Args:
        url: SQLAlchemy URL, with its password.
        query: What to select.
        headers: The columns to keep; all when `None`.
        first: Only the beginning, to learn the headers.

    Raises:
        SourceUnreadable: The database does not answer, or refuses the query.
    """
    try:
        engine = create_engine(make_url(url))
        with engine.connect() as connection:
            streamed = connection.execution_options(stream_results=True, max_row_buffer=PART_ROWS)
            for part in pd.read_sql(text(query), streamed, chunksize=1 if first else PART_ROWS):
                yield part if headers is None else part[headers]
                if first:
                    break
        engine.dispose()
    except (SQLAlchemyError, ArgumentError, NoSuchModuleError, ImportError) as error:
        raise SourceUnreadable(
            "the query cannot be run",
            where=shown(url),
            expected="a database that answers, and a query that it knows",
            got=str(getattr(error, "orig", None) or error).strip()[:300],
            next_step="mend the query, or the connection's address; nothing was written",
        ) from error


def shown(url: str) -> str:
    """The address without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "an address that is no SQLAlchemy URL"


def has_password(url: str) -> bool:
    """Whether the address carries a password, which no file of the repository may."""
    try:
        return make_url(url).password is not None
    except ArgumentError:
        return False
