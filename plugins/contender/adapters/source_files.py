"""Files and folders, part by part: CSV, JSON lines, Parquet and Delta, on disk or wherever fsspec reaches."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow.dataset as ds
from deltalake import DeltaTable
from pyarrow import fs

from contender.adapters.source_faults import readable
from contender.core.errors import SourceUnreadable, some
from contender.core.source import Source

PART_ROWS = 50_000
PART_CELLS = 5_000_000  # of a part of a wide table: some hundred megabytes of text
HEAD_ROWS = {"csv": 1, "jsonl": 1000}  # rows that tell the columns: a JSON line need not have them all


def parts_of_file(
    source: Source, root: Path, url: str, headers: list[str] | None, *, first: bool = False
) -> Iterator[pd.DataFrame]:
    """Parts of a file's rows.

    Args:
        source: Its declaration.
        root: What a relative path starts from.
        url: Path or address.
        headers: The columns to read; all when `None`.
        first: Only the beginning, to learn the headers.

    Raises:
        SourceUnreadable: It is missing, may not be read, or is not of its format.
    """
    place = _place(root, url)
    with readable(source, url, place):
        if source.format in ("parquet", "delta"):
            yield from _columnar(source, place, headers, first=first)
        else:
            yield from _lines(source, place, headers, first=first)


def width_of_file(source: Source, root: Path, url: str) -> int:
    """The number of its columns, by its schema, its header or its first line.

    Raises:
        SourceUnreadable: See `parts_of_file`.
    """
    place = _place(root, url)
    with readable(source, url, place):
        if source.format in ("parquet", "delta"):
            return len(_dataset(source, place).schema.names)
        if source.format == "csv":
            return len(_header(source, place))
        return _width_of_line(source, place)


def rows_held(width: int) -> int:
    """How many rows of so many columns may be held at a time."""
    return max(1, PART_CELLS // max(width, 1))


def _place(root: Path, url: str) -> str:
    return url if "://" in url else str(root / url)


def _lines(source: Source, place: str, headers: list[str] | None, *, first: bool) -> Iterator[pd.DataFrame]:
    size = HEAD_ROWS[source.format] if first else PART_ROWS
    if source.format == "csv":
        names = _header(source, place)
        _refuse_repeated(source, names)
        width = len(names)
    else:
        width = _width_of_line(source, place)
    size = min(size, rows_held(width))
    with fsspec.open(place, "rb") as file:
        if source.format == "csv":
            # With `usecols` the parser passes over lines that have too many fields.
            parts: Any = pd.read_csv(
                file, sep=source.delimiter, encoding=source.encoding, dtype="string", chunksize=size
            )
        else:
            parts = pd.read_json(
                file, lines=True, encoding=source.encoding, dtype=False, convert_dates=False, convert_axes=False,
                chunksize=size,
            )  # fmt: skip
        for part in parts:
            if type(part.index) is not pd.RangeIndex:  # the first column became the index
                raise ValueError("the rows have more fields than the header")
            if not all(isinstance(name, str) for name in part.columns):
                raise ValueError("a line is no JSON object")
            yield part if headers is None else part.reindex(columns=headers)
            if first:
                return


def _header(source: Source, place: str) -> list[str]:
    """The first line of a CSV file that is not blank."""
    with fsspec.open(place, "rt", encoding=source.encoding, newline="") as file:
        names = next((line for line in csv.reader(file, delimiter=source.delimiter) if line), None)
    if names is None:
        raise pd.errors.EmptyDataError("there is no header")
    return names


def _width_of_line(source: Source, place: str) -> int:
    """Number of fields of the first line of a file of JSON lines."""
    with fsspec.open(place, "rt", encoding=source.encoding) as file:
        found = json.loads(next((line for line in file if line.strip()), "{}"))
    return len(found) if isinstance(found, dict) else 0


def _refuse_repeated(source: Source, names: list[str]) -> None:
    """Pandas would number columns of one name, and the spec would mean the first of them."""
    if repeated := sorted(name for name, times in Counter(names).items() if name and times > 1):
        raise SourceUnreadable(
            "columns share a name",
            where=source.url,
            expected="each header once",
            got=some(repeated),
            next_step="give each column a name of its own",
        )


def _columnar(source: Source, place: str, headers: list[str] | None, *, first: bool) -> Iterator[pd.DataFrame]:
    dataset = _dataset(source, place)
    if first:
        yield dataset.schema.empty_table().to_pandas(ignore_metadata=True)  # by which pandas makes a column its index
        return
    size = min(PART_ROWS, rows_held(len(headers or dataset.schema.names)))
    # Read ahead by one: the default of sixteen holds as many parts in memory.
    for batch in dataset.to_batches(columns=headers, batch_size=size, batch_readahead=1, fragment_readahead=1):
        if batch.num_rows:
            yield batch.to_pandas(ignore_metadata=True)


def _dataset(source: Source, place: str) -> ds.Dataset:
    if source.format == "delta":
        return DeltaTable(place).to_pyarrow_dataset()
    handler, path = fsspec.core.url_to_fs(place)
    files = fs.PyFileSystem(fs.FSSpecHandler(handler))
    # A folder named `region=north` holds the rows of that region.
    return ds.dataset(path, filesystem=files, format="parquet", partitioning="hive")
