"""A checkout to make models in: the templates, and the folders that a model is written to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contender.core.settings import CHECKOUT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return checkout(tmp_path)


def checkout(folder: Path) -> Path:
    """A checkout below a folder."""
    made = folder / "checkout"
    shutil.copytree(
        CHECKOUT / "dags" / "templates", made / "dags" / "templates", ignore=shutil.ignore_patterns("__py*")
    )
    for part in ("feature_repo", "expectations", "tests/models", "data"):
        (made / part).mkdir(parents=True)
    return made


def files_of(root: Path) -> set[str]:
    """Every file of a checkout but the templates and the data."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not {"templates", "data", "__pycache__"} & set(path.relative_to(root).parts)
    }
