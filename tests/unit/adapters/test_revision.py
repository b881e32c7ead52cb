"""Which commit a checkout is at, and what the code of a model is."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from contender.adapters.revision import code_revision, model_code_digest
from contender.core.settings import Settings, settings


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one model, committed."""
    for name, text in (("dags/toy/model.py", "A = 1\n"), ("feature_repo/toy.py", "B = 1\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "one")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def places(root: Path) -> Settings:
    return replace(settings(), models=root / "dags", feature_repo=root / "feature_repo")


def test_code_revision_of_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    assert code_revision(checkout) == git(checkout, "rev-parse", "HEAD")


def test_code_revision_of_changed_code_is_dirty(checkout: Path) -> None:
    (checkout / "dags" / "toy" / "model.py").write_text("A = 2\n")
    assert code_revision(checkout) == git(checkout, "rev-parse", "HEAD") + "-dirty"


def test_code_revision_outside_git_is_unknown(tmp_path: Path) -> None:
    assert code_revision(tmp_path) == "unknown"


@pytest.mark.parametrize("name", ["dags/toy/model.py", "feature_repo/toy.py"])
def test_model_code_digest_changes_with_each_file_of_the_root(checkout: Path, name: str) -> None:
    before = model_code_digest(places(checkout), "toy")
    assert model_code_digest(places(checkout), "toy") == before
    (checkout / name).write_text("C = 3\n")
    assert model_code_digest(places(checkout), "toy") != before
