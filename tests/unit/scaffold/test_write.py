from __future__ import annotations

import os
from pathlib import Path

import pytest

from contender.core.errors import ScaffoldRefused
from contender.scaffold.request import places
from contender.scaffold.write import write
from tests.unit.scaffold.conftest import files_of

FILES = {
    "expectations/mine/mine.json": "{}", "feature_repo/mine.py": "x = 1\n", "tests/models/test_mine_model.py": "",
    "dags/mine/dag.py": "SPEC = 1\n", "dags/mine/model.py": "",
}  # fmt: skip


def test_write_puts_every_file_in_its_place_and_nothing_beside(root: Path) -> None:
    write(root, FILES, places(root, "mine"))
    assert files_of(root) == set(FILES)
    assert (root / "dags/mine/dag.py").read_text() == "SPEC = 1\n"


class Interrupted:
    """A place that stops the writing when it is looked at: the Ctrl-C of somebody who lost patience."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def exists(self) -> bool:
        raise self.error


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError("no space left on device")], ids=["Ctrl-C", "full disk"]
)
def test_write_interrupted_after_any_place_leaves_nothing(root: Path, after: int, error: BaseException) -> None:
    given: list[Path] = list(places(root, "mine"))
    given.insert(after, Interrupted(error))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ScaffoldRefused):
        write(root, FILES, given)
    assert files_of(root) == set()


def test_write_where_somebody_was_faster_leaves_theirs(root: Path) -> None:
    (root / "dags/mine").mkdir()
    (root / "dags/mine/dag.py").write_text("theirs")
    with pytest.raises(ScaffoldRefused, match=r"there is such a file by now; where: dags/mine"):
        write(root, FILES, places(root, "mine"))
    assert files_of(root) == {"dags/mine/dag.py"}
    assert (root / "dags/mine/dag.py").read_text() == "theirs"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_write_without_permission_is_refused(root: Path) -> None:
    (root / "dags").chmod(0o555)
    with pytest.raises(ScaffoldRefused, match="could not be written"):
        write(root, FILES, places(root, "mine"))
