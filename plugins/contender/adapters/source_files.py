"""Files and folders, part by part: CSV, JSON lines, Parquet and Delta, on disk or wherever fsspec reaches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import fs

from contender.core.errors import SourceUnreadable, some
from contender.core.source import Source

PART_ROWS = 50_000
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
    place = url if "://" in url else str(root / url)
    with _readable(source, url):
        if source.format in ("parquet", "delta"):
            yield from _columnar(source, place, headers, first=first)
        else:
            yield from _lines(source, place, headers, first=first)


def _lines(source: Source, place: str, headers: list[str] | None, *, first: bool) -> Iterator[pd.DataFrame]:
    size = HEAD_ROWS[source.format] if first else PART_ROWS
    if source.format == "csv":
        _refuse_repeated(source, place)
    with fsspec.open(place, "rb") as file:
        if source.format == "csv":
            # With `usecols` the parser passes over lines that have too many fields.
            parts: Any = pd.read_csv(
                file, sep=source.delimiter, encoding=source.encoding, dtype="string", chunksize=size
            )
        else:
            parts = pd.read_json(
                file, lines=True, encoding=source.encoding, dtype=False, convert_dates=False, chunksize=size
            )
        for part in parts:
            if type(part.index) is not pd.RangeIndex:  # the first column became the index
                raise ValueError("the rows have more fields than the header")
            yield part if headers is None else part.reindex(columns=headers)
            if first:
                return


def _refuse_repeated(source: Source, place: str) -> None:
    """Pandas would number columns of one name, and the spec would mean the first of them."""
    with fsspec.open(place, "rb") as file:
        head = pd.read_csv(
            file, sep=source.delimiter, encoding=source.encoding, header=None, nrows=1, dtype="string"
        ).iloc[0]
    names = [str(name) for name in head]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceUnreadable(
            "columns share a name",
            where=source.url,
            expected="each header once",
            got=some(repeated),
            next_step="give each column a name of its own",
        )


def _columnar(source: Source, place: str, headers: list[str] | None, *, first: bool) -> Iterator[pd.DataFrame]:
    if source.format == "delta":
        dataset = DeltaTable(place).to_pyarrow_dataset()
    else:
        handler, path = fsspec.core.url_to_fs(place)
        dataset = ds.dataset(path, filesystem=fs.PyFileSystem(fs.FSSpecHandler(handler)), format="parquet")
    if first:
        yield dataset.schema.empty_table().to_pandas()
        return
    for batch in dataset.to_batches(columns=headers, batch_size=PART_ROWS):
        if batch.num_rows:
            yield batch.to_pandas()


@contextmanager
def _readable(source: Source, url: str) -> Iterator[None]:
    """What goes wrong in reading, in words of the source."""
    try:
        yield
    except FileNotFoundError as error:
        raise _unreadable(source, "there is no such file", url, error) from error
    except TableNotFoundError as error:
        raise _unreadable(source, "there is no such Delta table", url, error) from error
    except PermissionError as error:
        raise _unreadable(source, "the file may not be read", url, error) from error
    except UnicodeError as error:
        what = f"the file has bytes that are no {source.encoding}"
        raise _unreadable(source, what, url, error, "say which encoding it has in the spec's source") from error
    except pd.errors.EmptyDataError as error:
        raise _unreadable(source, "the source is empty", url, error) from error
    except (pd.errors.ParserError, pa.ArrowInvalid, DeltaError, ValueError) as error:
        raise _unreadable(source, f"the file is not the {source.format} that it is said to be", url, error) from error
    except ImportError as error:
        raise _unreadable(source, "a package for this kind of address is not installed", url, error) from error
    except OSError as error:
        raise _unreadable(source, "the source cannot be read", url, error) from error


def _unreadable(source: Source, what: str, url: str, error: Exception, next_step: str = "") -> SourceUnreadable:
    return SourceUnreadable(
        what,
        where=url,
        expected=f"{source.format}, {source.encoding}" if source.format in ("csv", "jsonl") else source.format,
        got=f"{type(error).__name__}: {str(error).strip()[:300]}",
        next_step=next_step or "mend the source or its declaration; nothing was written",
    )
