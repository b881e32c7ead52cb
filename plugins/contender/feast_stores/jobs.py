"""The retrieval job the ASOF store hands out: run when asked for its rows, saved where Feast says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from contender.core.errors import RowsNotConserved
from contender.feast_stores.sources import file_source, resolve, write_whole


class ArrowRetrievalJob(RetrievalJob):
    """A retrieval that yields one Arrow table.

    Attributes:
        tables_read: The Delta version of each table the job reads, by path; None for a Parquet table.
    """

    def __init__(
        self,
        compute: Callable[[], pa.Table],
        *,
        repo_path: str | Path | None,
        tables_read: Mapping[str, int | None],
        full_feature_names: bool = False,
        on_demand_feature_views: list[OnDemandFeatureView] | None = None,
        metadata: RetrievalMetadata | None = None,
        index: pd.Index[Any] | None = None,
    ) -> None:
        super().__init__()
        self.tables_read = dict(tables_read)
        self._compute = compute
        self._repo_path = repo_path
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = on_demand_feature_views or []
        self._metadata = metadata
        self._index = index

    def to_df(self, validation_reference: Any = None, timeout: int | None = None) -> pd.DataFrame:
        """The rows as a frame, in the order of the entity frame and with its index."""
        frame: pd.DataFrame = super().to_df(validation_reference=validation_reference, timeout=timeout)
        if self._index is None:
            return frame
        if len(frame) != len(self._index):
            raise RowsNotConserved(
                "the retrieval has not the rows of the entity frame",
                where="on-demand feature views",
                expected=len(self._index),
                got=len(frame),
            )
        frame.index = self._index
        return frame

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._compute()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._compute().to_pandas()
        return frame

    @property
    def full_feature_names(self) -> bool:
        """Whether output columns are `view__feature`."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The on-demand views Feast applies to the rows."""
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Features, keys and time range of the retrieval; None where there is no entity frame."""
        return self._metadata

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the rows to a file or Delta storage, whole or not at all.

        Raises:
            SavedDatasetLocationAlreadyExists: Something is there and `allow_overwrite` is false.
        """
        target = file_source(storage.to_data_source(), "a saved dataset")
        if not allow_overwrite and Path(resolve(target, self._repo_path)).exists():
            raise SavedDatasetLocationAlreadyExists(location=target.path)
        write_whole(self.to_arrow(timeout=timeout), target, self._repo_path)
