"""The Feast repositories the tests of the stores work on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore

from tests.unit.feast_stores.histories import feature_repo, write_history


@pytest.fixture(scope="session")
def shared_repo(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureStore, Path]:
    """The repository and its folder, for tests that overwrite the history themselves."""
    root = tmp_path_factory.mktemp("feast")
    write_history(root / "history", [])
    return feature_repo(root), root


@pytest.fixture
def repo(tmp_path: Path) -> Callable[..., FeatureStore]:
    """Make a repository of one's own over a history."""

    def make(rows: Sequence[tuple[Any, ...]] = (), **config: Any) -> FeatureStore:
        write_history(tmp_path / "history", rows)
        return feature_repo(tmp_path, **config)

    return make
