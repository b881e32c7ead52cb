from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contender.core import decisions
from contender.core.errors import ReleaseMissing
from contender.core.records import Decision
from contender.core.settings import Settings, settings
from contender.release.manifests import find, read
from contender.release.reproduce import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with versions 1 and 2 of `tiny`, of which 1 was promoted last."""
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path / "home"))
    for version in ("1", "2"):
        manifest = settings().releases / "tiny" / version / "release.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("{}")
    settings().decisions.mkdir()
    for number, version in enumerate(("1", "2", "1")):
        decisions.append(settings().decisions / "tiny.jsonl", Decision(
            model="tiny", kind="promotion", subject=f"version {version}", actor="ada", run=f"run {number}",
            time=datetime(2013, 1, 1 + number, tzinfo=UTC),
        ))  # fmt: skip
    return settings()


@pytest.mark.parametrize("form", ["manifest", "folder", "version", "model"])
def test_find_takes_each_form(place: Settings, form: str) -> None:
    manifest = place.releases / "tiny" / "1" / "release.json"
    asked = {"manifest": str(manifest), "folder": str(manifest.parent), "version": "tiny/1", "model": "tiny"}[form]
    assert find(asked, place) == manifest.resolve()


@pytest.mark.parametrize("asked", ["", "nobody", "tiny/7", "/nowhere/release.json"])
def test_find_of_no_release_names_those_there_are(place: Settings, asked: str) -> None:
    with pytest.raises(ReleaseMissing, match="tiny/1, tiny/2"):
        find(asked, place)


@pytest.mark.parametrize("text", ["{", "[]", '{"model": "tiny"}'], ids=["no json", "a list", "fields missing"])
def test_read_of_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "release.json").write_text(text)
    with pytest.raises(ReleaseMissing, match=r"release\.json"):
        read(tmp_path / "release.json")


def test_main_of_what_is_no_release_says_what_is_accepted(place: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nobody"]) == 1
    assert f"<model> for its champion; in {place.releases}: tiny/1, tiny/2" in capsys.readouterr().err
