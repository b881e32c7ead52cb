from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from contender.core import naming
from contender.core.errors import ReleaseBroken, ReleaseMissing
from contender.core.settings import Settings, settings
from contender.release.__main__ import main as verify
from contender.release.find import held, read
from contender.release.reproduce import main as reproduce


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with versions 1 and 2 of `tiny`, of which 1 bears the alias, and a model without a champion."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("tiny/1", "tiny/2", "new/1"):
        manifest = folder / "releases" / name / "release.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("{}")
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    client.create_registered_model("tiny")
    for _ in ("1", "2"):
        client.create_model_version("tiny", source=str(folder))
    client.set_registered_model_alias("tiny", naming.CHAMPION, "1")
    return folder


@pytest.fixture
def place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The home's places, from a folder that has a release of another home by the name of one of this home's."""
    monkeypatch.setenv("CONTENDER_HOME", str(home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
    monkeypatch.setenv("HOME", str(home))
    for folder in ("tiny/1", "tiny/7", "deep/tiny/1", "."):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "release.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    return settings()


OWN = "{home}/releases/tiny/1"


@pytest.mark.parametrize(
    ("asked", "folder"),
    [("tiny/1", OWN), ("tiny/1/", OWN), ("tiny", OWN), (OWN, OWN), (OWN + "/release.json", OWN),
     ("~/releases/tiny/1", OWN), ("~/releases/tiny/1/release.json", OWN), ("tiny/2", "{home}/releases/tiny/2"),
     ("./tiny/1", "{here}/tiny/1"), ("tiny/1/release.json", "{here}/tiny/1"), ("release.json", "{here}"),
     ("deep/tiny/1", "{here}/deep/tiny/1"), (".", "{here}")],
)  # fmt: skip
def test_held_takes_each_form_and_a_name_for_no_path(
    place: Settings, home: Path, tmp_path: Path, asked: str, folder: str
) -> None:
    found = held(asked.format(home=home), place)
    assert found.folder == Path(folder.format(home=home, here=tmp_path)).resolve()
    assert found.named == ("/".join(found.folder.parts[-2:]) if found.folder.is_relative_to(home.resolve()) else "")


@pytest.mark.parametrize("asked", ["", "nobody", "tiny/7", "new", "/nowhere/release.json", "{home}/releases", "~/tiny"])
def test_release_that_is_not_there_is_told_by_both_commands_with_those_that_are(
    place: Settings, home: Path, capsys: pytest.CaptureFixture[str], asked: str
) -> None:
    with pytest.raises(ReleaseMissing, match="say RELEASE=<one of these>: new/1, tiny/1, tiny/2") as raised:
        held(asked.format(home=home), place)
    for command in (lambda name: verify(["verify", name]), lambda name: reproduce([name])):
        assert command(asked.format(home=home)) == 1
        assert str(raised.value) in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": "tiny"}'], ids=["none", "no json", "a list", "fields"])
def test_read_of_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ReleaseBroken, match=r"release\.json"):
        read(tmp_path / "release.json", text.encode())
