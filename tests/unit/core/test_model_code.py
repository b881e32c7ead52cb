from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contender.core.model_code import module_of

PACKAGE = "a_model_of_this_test"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def checkout(folder: Path, said: str) -> Path:
    """A checkout with a model whose module imports another one of its package."""
    package = folder / PACKAGE
    package.mkdir(parents=True)
    (package / "words.py").write_text(f"SAID = {said!r}\n")
    (package / "model.py").write_text(f"from {PACKAGE}.words import SAID\n")
    return package


def test_module_of_two_checkouts_each_has_its_own_modules(tmp_path: Path) -> None:
    old, new = checkout(tmp_path / "old", "old"), checkout(tmp_path / "new", "new")
    assert [module_of(folder, "model").SAID for folder in (old, new, old)] == ["old", "new", "old"]


def test_module_of_another_copy_first_on_the_path_takes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, run = checkout(tmp_path / "ours", "ours"), checkout(tmp_path / "run", "run")
    monkeypatch.syspath_prepend(str(ours.parent))
    (ours / "only_here.py").touch()
    assert module_of(run, "model").SAID == "run"
    with pytest.raises(ModuleNotFoundError, match="only_here"):
        module_of(run, "only_here")


def test_module_of_asked_again_is_imported_once(tmp_path: Path) -> None:
    folder = checkout(tmp_path, "once")
    assert module_of(folder, "model") is module_of(folder, "model")
