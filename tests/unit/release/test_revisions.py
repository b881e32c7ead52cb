from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from contender.release import code
from contender.release.revisions import other_code, other_libraries

THEN = "numpy==1.0 \\\n    --hash=sha256:aa\nmlflow[extras]==3.0\nold==1\n"
NOW = "numpy==2.0 \\\n    --hash=sha256:bb\nmlflow[extras]==3.0\nnew==1\n"


def git(root: Path, *arguments: str) -> str:
    named = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(["git", *named, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout whose first commit has another lock than its newest."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    git(checkout, "init", "-q")
    for lock in (THEN, NOW):
        (checkout / "requirements.txt").write_text(lock)
        git(checkout, "add", ".")
        git(checkout, "commit", "-qm", "a lock")
    return checkout


@pytest.fixture
def then(root: Path) -> str:
    return git(root, "rev-parse", "HEAD~1")


def test_other_code_that_the_repository_has_gives_the_commands(root: Path, then: str) -> None:
    said = other_code(root, then, root / "release.json")
    beside = root.parent / f"checkout-{then[:12]}"
    assert f"git worktree add {beside} {then} && make -C {beside} reproduce RELEASE={root / 'release.json'}" in said
    assert "uncommitted" not in said
    assert "uncommitted" in other_code(root, f"{then}-dirty", root / "release.json")


def test_other_code_of_this_very_commit_needs_no_other_checkout(root: Path) -> None:
    now = git(root, "rev-parse", "HEAD")
    said = [other_code(root, revision, root / "release.json") for revision in (now, f"{now}-dirty")]
    assert said == ["files here are not committed", "its uncommitted files are in no repository"]


@pytest.mark.parametrize("revision", ["0" * 40, "unknown", "--help"])
def test_other_code_that_the_repository_lacks_is_to_be_fetched(root: Path, revision: str) -> None:
    assert "is not in this repository" in other_code(root, revision, root / "release.json")


def test_other_libraries_are_named_with_both_versions(root: Path, then: str) -> None:
    said = other_libraries(root, then, hashlib.sha256(THEN.encode()).hexdigest())
    assert said == "libraries that differ: new absent, here 1, numpy 1.0, here 2.0, old 1, here absent"


def test_other_libraries_of_a_lock_that_git_lacks_are_not_guessed(root: Path, then: str) -> None:
    assert "cannot be named" in other_libraries(root, then, "0" * 64)
    assert "cannot be named" in other_libraries(root, "unknown", "0" * 64)


def test_a_revision_that_is_an_option_of_git_is_none(root: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    assert "is no revision" in other_libraries(root, f"--output={victim}", "a" * 64)
    assert not code._checked_out(root, f"--output={victim}", tmp_path)
    assert victim.read_text() == "kept"
