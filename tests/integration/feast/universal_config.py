"""Feast's own test suite is told here to test our stores (its variable FULL_REPO_CONFIGS_MODULE names this module)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.universal.feature_repos.integration_test_repo_config import IntegrationTestRepoConfig
from tests.universal.feature_repos.universal.data_sources.file import DeltaFileSourceCreator, FileDataSourceCreator

from contender.feast_stores.asof import AsofOfflineStoreConfig

ONLINE = {"type": "contender.feast_stores.sqlite_rows.SqliteRowsOnlineStore", "path": "online.db"}
ENGINE = {"type": "contender.feast_stores.rows_engine.RowsComputeEngine"}


class AsofParquet(FileDataSourceCreator):
    """Our offline store over Parquet files."""

    def create_offline_store_config(self) -> AsofOfflineStoreConfig:
        return AsofOfflineStoreConfig()


class AsofDelta(DeltaFileSourceCreator):
    """Our offline store over Delta tables."""

    def create_offline_store_config(self) -> AsofOfflineStoreConfig:
        return AsofOfflineStoreConfig()

    def create_saved_dataset_destination(self) -> Any:
        storage = super().create_saved_dataset_destination()
        # The suite makes the folder; a saved dataset is only written where nothing is.
        Path(storage.file_options.uri).rmdir()
        return storage

    def teardown(self) -> None:
        """Delta's sources are temporary folders, not the files the parent class would close."""


FULL_REPO_CONFIGS = [
    IntegrationTestRepoConfig(provider="local", offline_store_creator=creator, online_store=ONLINE, batch_engine=ENGINE)
    for creator in (AsofParquet, AsofDelta)
]
