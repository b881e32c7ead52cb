"""Where Feast's feature logging ends up: a folder of Parquet files that only ever grows."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feast.feature_logging import LoggingDestination
from feast.infra.offline_stores.file_source import FileLoggingDestination

from contender.core.errors import DataError
from contender.feast_stores.sources import file_source, resolve


def write_logged(rows: pa.Table, destination: LoggingDestination, repo_path: str | Path | None) -> None:
    """Add the rows to the destination's folder as new files, one folder for each partition value.

    Raises:
        DataError: The destination is not a folder of files.
    """
    if not isinstance(destination, FileLoggingDestination):
        raise DataError(
            "logged features can only be written to files",
            where="the feature service's logging_config",
            expected="FileLoggingDestination",
            got=type(destination).__name__,
        )
    root = resolve(file_source(destination.to_data_source(), "the logging destination"), repo_path)
    pq.write_to_dataset(
        rows,
        root,
        partition_cols=destination.partition_by,
        basename_template=f"{uuid.uuid4().hex}-{{i}}.parquet",
        existing_data_behavior="overwrite_or_ignore",
    )
