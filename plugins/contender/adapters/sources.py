"""Tables that the platform reads itself: files, folders and queries, streamed, and no column that is not asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from contender.adapters.source_files import parts_of_file, rows_held, width_of_file
from contender.adapters.source_sql import parts_of_query
from contender.adapters.source_values import converted
from contender.core.errors import SourceUnreadable, some
from contender.core.naming import identifiers
from contender.core.source import ColumnType, Source
from contender.core.spec import ROW

SAMPLE_ROWS = 50_000
WIDEST = 2_000  # columns that are profiled: more is a table that was turned on its side, or wants a choice first


def read(source: Source, types: Mapping[str, ColumnType], *, root: Path, url: str = "") -> pd.DataFrame:
    """All rows of a source.

    Args:
        source: Where they lie.
        types: The columns to read, by the names that `identifiers` makes of the headers, and what they hold.
        root: What relative paths start from.
        url: Address that takes the place of the source's own, because it has a secret in it.

    Returns:
        Just these columns, in this order: int64, float64 (truth values as 0 and 1), pandas `string`, or
        `datetime64[us, UTC]`; numbered by `row` where the source says so.

    Raises:
        SourceUnreadable: There is nothing to read, a column is gone, or a value is not of its type.
    """
    numbered = ROW in types and source.row_number
    wanted = {name: kind for name, kind in types.items() if not (name == ROW and numbered)}
    parts = list(streamed(source, wanted, root, url))
    if not sum(map(len, parts)):
        raise _empty(source)
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(**{ROW: range(len(frame))})[list(types)] if numbered else frame


def streamed(source: Source, types: Mapping[str, ColumnType], root: Path, url: str = "") -> Iterator[pd.DataFrame]:
    """The same part by part, without numbers, for what need not be held whole."""
    rows = 0
    for part in _parts(source, root, url, list(types)):
        named = {name: converted(part[name], kind, source, rows) for name, kind in types.items()}
        yield pd.DataFrame(named, index=part.index)
        rows += len(part)


def sample(source: Source, *, root: Path, rows: int = SAMPLE_ROWS, url: str = "") -> tuple[pd.DataFrame, bool]:
    """The first rows of a source with all its columns, by their headers; text where the format knows no types.

    Returns:
        The rows, fewer of a wide table, and whether there are more.

    Raises:
        SourceUnreadable: There is nothing to read, or more than `WIDEST` columns.
    """
    if source.format != "sql":
        _require_narrow(source, width := width_of_file(source, root, url or source.url))
        rows = min(rows, rows_held(width))
    parts: list[pd.DataFrame] = []
    for part in _raw(source, root, url, None):
        _require_narrow(source, len(part.columns))
        parts.append(part)
        if sum(map(len, parts)) > rows:
            break
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if frame.empty:
        raise _empty(source)
    return frame.head(rows), len(frame) > rows


def spread(source: Source, *, root: Path, rows: int = SAMPLE_ROWS, url: str = "") -> tuple[pd.DataFrame, bool]:
    """As `sample`, but of rows at equal distances through the whole source, which is read to its end.

    A source is often sorted, by time for one: its first rows then look like no others.
    """
    head, more = sample(source, root=root, rows=rows, url=url)
    if not more:
        return head, False
    kept, rows, step, seen = head.iloc[:0], len(head), 1, 0
    for part in _raw(source, root, url, None):
        found = part.set_axis(range(seen, seen + len(part)))
        kept, seen = pd.concat([kept, found[found.index % step == 0]]), seen + len(part)
        while len(kept) > rows:
            step *= 2
            kept = kept[kept.index % step == 0]
    return kept.reset_index(drop=True), True


def _require_narrow(source: Source, width: int) -> None:
    if width > WIDEST:
        raise SourceUnreadable(
            "the table is too wide to make a model of",
            where=source.url,
            expected=f"at most {WIDEST:,} columns",
            got=f"{width:,} columns",
            next_step="choose columns: give a narrower file, or a database and a QUERY that names them",
        )


def _parts(source: Source, root: Path, url: str, wanted: list[str]) -> Iterable[pd.DataFrame]:
    """Parts of the source with the wanted columns, by their names."""
    headers: list[str] | None = None
    for head in _raw(source, root, url, None, first=True):
        headers = [str(header) for header in head.columns]
    if headers is None:
        raise _empty(source)
    named = dict(zip(identifiers(headers), headers, strict=True))
    if lacking := [name for name in wanted if name not in named]:
        raise SourceUnreadable(
            "columns are gone",
            where=source.url,
            expected=some(wanted, 20),
            got=f"no {some(lacking)}; there are {some(named, 20)}",
            next_step="mend the source, or take the columns out of the spec",
        )
    back = {named[name]: name for name in wanted}
    for part in _raw(source, root, url, list(back)):
        yield part.rename(columns=back)


def _raw(
    source: Source, root: Path, url: str, headers: list[str] | None, *, first: bool = False
) -> Iterable[pd.DataFrame]:
    if source.format == "sql":
        return parts_of_query(url or source.url, source.query, root, headers, first=first)
    return parts_of_file(source, root, url or source.url, headers, first=first)


def _empty(source: Source) -> SourceUnreadable:
    return SourceUnreadable(
        "the source is empty",
        where=source.url,
        expected="a header and at least one row" if source.format == "csv" else "at least one row",
        got="nothing",
        next_step="look where it comes from; nothing was written",
    )
