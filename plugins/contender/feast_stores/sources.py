"""Read and write the tables behind a Feast `FileSource`: Delta Lake and Parquet, with pyarrow alone.

A Delta table is read through its log (`deltalake`), at one version fixed when it is opened. Files that a later
overwrite replaced are therefore never read, which globbing the directory would do. DuckDB's `delta` extension is
not used: it is downloaded at run time.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from feast.data_format import DeltaFormat, ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource

from contender.core.errors import DataError, some


@dataclass(frozen=True)
class OpenedTable:
    """A table as it stands: its data, where it is, and its Delta version (None for Parquet)."""

    dataset: pads.Dataset
    where: str
    version: int | None

    @property
    def columns(self) -> list[str]:
        """The table's column names, in its own order."""
        return list(self.dataset.schema.names)

    def require(self, columns: Sequence[str], wanted_by: str) -> None:
        """Raise `DataError` if the table lacks any of the columns."""
        missing = [name for name in columns if name not in self.dataset.schema.names]
        if missing:
            raise DataError(
                f"{wanted_by} needs columns its table does not have",
                where=self.where,
                expected=some(columns, limit=20),
                got=f"missing {some(missing)}; there are {some(self.columns, limit=20)}",
                next_step="correct the feature view, its field_mapping, or rebuild the table",
            )

    def read(
        self,
        columns: Sequence[str],
        *,
        time_column: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pa.Table:
        """The named columns of the rows with `start` <= `time_column` <= `end`; a bound that is None is open.

        The bounds prune files by their statistics, so a short window of a long table is a short read.
        """
        bounds = None
        if time_column is not None:
            kind = self.dataset.schema.field(time_column).type
            require_timestamp(kind, time_column, self.where)
            if start is not None:
                bounds = pads.field(time_column) >= _literal(start, kind)
            if end is not None:
                upper = pads.field(time_column) <= _literal(end, kind)
                bounds = upper if bounds is None else bounds & upper
        unique = list(dict.fromkeys(columns))
        return self.dataset.to_table(columns=unique, filter=bounds)


def require_timestamp(kind: pa.DataType, column: str, where: str) -> None:
    """Raise `DataError` unless the type is a timestamp or a date."""
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise DataError(
            f"column {column} is no timestamp",
            where=where,
            expected="a timestamp, in UTC, of microseconds",
            got=str(kind),
            next_step="write the column as a UTC timestamp",
        )


def _literal(at: datetime, kind: pa.DataType) -> pa.Scalar:
    """A time as a scalar of the column's own type; a column without a zone is UTC, as in Feast."""
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if pa.types.is_date(kind):
        return pa.scalar(aware.date(), type=kind)
    if kind.tz is None:
        return pa.scalar(aware.replace(tzinfo=None), type=kind)
    return pa.scalar(aware, type=pa.timestamp("us", "UTC")).cast(kind, safe=False)


def file_source(source: DataSource | None, wanted_by: str) -> FileSource:
    """The source as a `FileSource`, or a `DataError`: this store reads Delta and Parquet files only."""
    if isinstance(source, FileSource):
        return source
    raise DataError(
        f"{wanted_by} has no FileSource",
        where="feature_store.yaml, offline_store",
        expected="feast.FileSource with DeltaFormat or ParquetFormat",
        got="none" if source is None else type(source).__name__,
        next_step="give the feature view a FileSource as (batch) source",
    )


def resolve(source: FileSource, repo_path: str | Path | None) -> str:
    """The table's absolute path or URI; a relative path counts from the feature repository."""
    path = source.path.removeprefix("file://")
    return str(FileSource.get_uri_for_file_path(repo_path, path))


def is_delta(source: FileSource) -> bool:
    """Whether the source is declared to be a Delta table."""
    return isinstance(source.file_format, DeltaFormat)


def open_table(
    source: DataSource | None, repo_path: str | Path | None, wanted_by: str, version: int | None = None
) -> OpenedTable:
    """Open a source's table, a Delta table at `version` or else at its newest.

    Raises:
        DataError: No such table; not a FileSource; or a Delta table declared as Parquet, of which Feast's own
            file store would also read the rows that were overwritten or deleted since.
    """
    declared = file_source(source, wanted_by)
    where = resolve(declared, repo_path)
    try:
        if is_delta(declared):
            table = DeltaTable(where, version=version, storage_options=_storage_options(declared))
            return OpenedTable(table.to_pyarrow_dataset(), where, table.version())
        if declared.file_format is not None and not isinstance(declared.file_format, ParquetFormat):
            raise DataError(
                f"{wanted_by} has a table of an unknown format",
                where=where,
                expected="DeltaFormat or ParquetFormat",
                got=type(declared.file_format).__name__,
            )
        if (Path(where) / "_delta_log").is_dir():
            raise DataError(
                f"{wanted_by} reads a Delta table as Parquet, which would bring back overwritten rows",
                where=where,
                expected="FileSource(file_format=DeltaFormat())",
                got="ParquetFormat or none",
                next_step="set the file_format of the source",
            )
        filesystem, path = FileSource.create_filesystem_and_path(where, declared.s3_endpoint_override)
        dataset = pads.dataset(path, format="parquet", partitioning="hive", filesystem=filesystem)
    except (TableNotFoundError, FileNotFoundError) as error:
        raise DataError(
            f"{wanted_by} has no table",
            where=where,
            expected="a Delta table or Parquet files",
            got="nothing there",
            next_step="build the feature table first",
        ) from error
    return OpenedTable(dataset, where, None)


def _storage_options(source: FileSource) -> dict[str, str] | None:
    return {"AWS_ENDPOINT_URL": source.s3_endpoint_override} if source.s3_endpoint_override else None


def write_whole(table: pa.Table, source: FileSource, repo_path: str | Path | None) -> None:
    """Write the table as the whole content of the source, replacing what was there in one step."""
    where = resolve(source, repo_path)
    if is_delta(source):
        write_deltalake(
            where, table, mode="overwrite", schema_mode="overwrite", storage_options=_storage_options(source)
        )
        return
    filesystem, path = FileSource.create_filesystem_and_path(where, source.s3_endpoint_override)
    if filesystem is not None:
        pq.write_table(table, path, filesystem=filesystem)
        return
    if Path(path).is_dir():
        path = str(Path(path) / "part-0.parquet")
    _replace_file(table, path)


def append(table: pa.Table, source: FileSource, repo_path: str | Path | None) -> None:
    """Add the table's rows to the source; a single Parquet file is rewritten beside itself, then renamed."""
    where = resolve(source, repo_path)
    if is_delta(source):
        write_deltalake(where, table, mode="append", storage_options=_storage_options(source))
    elif Path(where).is_dir():
        _replace_file(table, str(Path(where) / f"part-{uuid.uuid4().hex}.parquet"))
    else:
        present = pq.read_table(where)
        _replace_file(pa.concat_tables([present.cast(table.schema), table]), where)


def _replace_file(table: pa.Table, path: str) -> None:
    """Write beside the target and rename, so that a reader sees the old file or the new one, whole."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    beside = f"{path}.{uuid.uuid4().hex}.tmp"
    pq.write_table(table, beside)
    os.replace(beside, path)


def to_micros(column: pa.ChunkedArray, where: str, name: str) -> Any:
    """A timestamp column as int64 microseconds since the epoch, UTC, in one piece; nulls stay null.

    Finer units are floored to the microsecond.
    """
    require_timestamp(column.type, name, where)
    zone = getattr(column.type, "tz", None)
    micros = column.cast(pa.timestamp("us", zone), safe=False)
    return micros.cast(pa.int64()).combine_chunks()
