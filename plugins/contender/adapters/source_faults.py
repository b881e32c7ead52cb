"""What may be wrong with a file, and in which line."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pandas as pd
import pyarrow as pa
from deltalake.exceptions import DeltaError, TableNotFoundError

from contender.adapters.source_address import hidden, shown
from contender.core.errors import SourceUnreadable
from contender.core.source import Source

BLOCK_BYTES = 1 << 20
NEWLINE = b"\n"


@contextmanager
def readable(source: Source, url: str, place: str) -> Iterator[None]:
    """What goes wrong in reading, in words of the source.

    Args:
        source: Its declaration.
        url: Its address.
        place: Where it lies: the same, or the full path.

    Raises:
        SourceUnreadable: Anything did.
    """
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
        next_step = f"write it anew with iconv -f <its encoding> -t {source.encoding}, or name it in the spec's source"
        raise _unreadable(source, what, url, error, next_step, undecodable(place, source.encoding)) from error
    except pd.errors.EmptyDataError as error:
        raise _unreadable(source, "the source is empty", url, error) from error
    except (pd.errors.ParserError, pa.ArrowInvalid, DeltaError, csv.Error, ValueError) as error:
        what = f"the file is not the {source.format} that it is said to be"
        got = _broken_line(place, source.encoding) if source.format == "jsonl" else ""
        raise _unreadable(source, what, url, error, got=got) from error
    except ImportError as error:
        raise _unreadable(source, "a package for this kind of address is not installed", url, error) from error
    except OSError as error:
        raise _unreadable(source, "the source cannot be read", url, error) from error


def undecodable(place: str, encoding: str) -> str:
    """Where the first byte lies that the encoding does not know, `byte 0xe9 in line 7`; empty where there is none."""
    decoder, line, block = codecs.getincrementaldecoder(encoding)(), 1, b""
    with fsspec.open(place, "rb") as file:
        try:
            while block := file.read(BLOCK_BYTES):
                decoder.decode(block)
                line += block.count(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            return f"byte 0x{error.object[error.start]:02x} in line {line + before.count(NEWLINE)}"
    return ""


def _broken_line(place: str, encoding: str) -> str:
    """The first line that is no JSON object, by its number; empty where there is none."""
    with fsspec.open(place, "rt", encoding=encoding) as file:
        for number, line in enumerate(file, 1):
            try:
                found = json.loads(line) if line.strip() else {}
            except ValueError as error:
                return f"line {number}: {error}"
            if not isinstance(found, dict):
                return f"line {number} is no JSON object: {line.strip()[:60]}"
    return ""


def _unreadable(
    source: Source, what: str, url: str, error: Exception, next_step: str = "", got: str = ""
) -> SourceUnreadable:
    return SourceUnreadable(
        what,
        where=shown(url),
        expected=f"{source.format}, {source.encoding}" if source.format in ("csv", "jsonl") else source.format,
        got=got or f"{type(error).__name__}: {hidden(str(error).strip(), url)[:300]}",
        next_step=next_step or "mend the source or its declaration; nothing was written",
    )
