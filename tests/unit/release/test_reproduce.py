"""A release made again: the same model from its tables and from its source, or the input that differs by name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from contender.core.settings import CHECKOUT
from contender.release import remake as remaking
from contender.release.reproduce import own_environment
from tests import released_model
from tests.conftest import applied


@dataclass
class World:
    """A checkout with its source, the home that its model was released in, and what was said of making it again.

    Attributes:
        checkout, home: The folders; a test may change its copies.
        again: The home of the next reproduction.
        lines: What was said.
    """

    checkout: Path
    home: Path
    again: Path
    lines: list[str] = field(default_factory=list)

    @property
    def manifest(self) -> Path:
        return self.home / "releases" / "shop" / "1" / "release.json"

    @property
    def env(self) -> dict[str, str]:
        return released_model.environment(self.checkout, self.home)

    def change(self, path: str, old: str, new: str) -> None:
        """Change a file of the checkout."""
        text = (self.checkout / path).read_text()
        assert text.count(old) == 1
        (self.checkout / path).write_text(text.replace(old, new))

    def declare(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the manifest."""
        manifest = json.loads(self.manifest.read_text())
        change(manifest)
        self.manifest.write_text(json.dumps(manifest))

    def remake(self, *, tables: bool) -> bool:
        """Make it again, from the tables or from the source; whether it is the same model."""
        released_model.forget()
        lake = str(self.home / "lake") if tables else ""
        with applied(own_environment(self.again, self.env)):
            return remaking.remake(self.manifest, lake, self.lines.append)

    def parts(self, word: str) -> list[str]:
        """The parts that are `same`, or that `differ`."""
        said = [line.split(f" {word} ")[0].strip() for line in self.lines if re.search(rf" {word} +manifest ", line)]
        return [name for name in said if name != "code revision"]  # of whoever runs the tests


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a checkout and of the home that its model was released in; not to be changed."""
    folder = tmp_path_factory.mktemp("released")
    released_model.write(folder / "checkout")
    with applied(released_model.environment(folder / "checkout", folder / "home")):
        released_model.release(folder / "checkout")
    return folder


@pytest.fixture
def world(released: Path, tmp_path: Path) -> World:
    """A checkout and a home of this test's own."""
    shutil.copytree(released, tmp_path / "own")
    return World(tmp_path / "own" / "checkout", tmp_path / "own" / "home", tmp_path / "again")


PARTS = ["lock digest", "seed", "table visits", "features digest", "features habits", "windows", "training set",
         "holdout", "parameters", "model digest"]  # fmt: skip


@pytest.mark.parametrize("tables", [True, False], ids=["tables", "source"])
def test_remake_of_a_release_gives_the_same_model(world: World, *, tables: bool) -> None:
    assert world.remake(tables=tables)
    assert (world.parts("same"), world.parts("differs")) == (PARTS, [])
    assert world.lines[-1].startswith("The model is the same, byte for byte")


def test_remake_from_a_changed_row_of_the_source_names_the_table(world: World) -> None:
    first = world.checkout.joinpath("source.csv").read_text().splitlines()[1]
    changed = first.rsplit(",", 1)[0] + (",0.0" if first.endswith("1.0") else ",1.0")  # its label
    world.change("source.csv", first, changed)
    assert not world.remake(tables=False)
    assert world.parts("differs") == ["table visits", "training set", "model digest"]
    assert "which explains it, is table visits" in world.lines[-1]


def test_remake_with_a_changed_feature_names_its_definition(world: World) -> None:
    world.change("dags/shop/model.py", "FACTOR = 1.0", "FACTOR = 2.0")
    assert not world.remake(tables=False)
    assert world.parts("differs") == ["features digest", "features habits", "training set", "holdout", "model digest"]
    assert "which explains it, is features digest" in world.lines[-1]


@pytest.mark.parametrize(
    ("field", "name", "shown", "here"),
    [("parameters", "n_estimators", "n_estimators=9", "here n_estimators=8 "),
     ("called_with", "max_depth", "called with max_depth=9", "here called with max_depth=")],
    ids=["the estimator's", "what it was called with"],
)  # fmt: skip
def test_remake_with_a_changed_parameter_of_the_manifest_names_it(
    world: World, field: str, name: str, shown: str, here: str
) -> None:
    world.declare(lambda manifest: manifest[field].update({name: 9}))
    world.remake(tables=True)
    assert world.parts("differs")[0] == "parameters"
    said = next(line for line in world.lines if line.startswith("parameters"))
    assert f"manifest {shown} " in said
    assert here in said


def test_remake_of_a_changed_parameter_explains_another_model_by_it(world: World) -> None:
    world.declare(lambda manifest: manifest["parameters"].update(n_estimators=9))
    assert not world.remake(tables=True)
    assert world.parts("differs") == ["parameters", "model digest"]
    assert "which explains it, is parameters" in world.lines[-1]


def test_remake_with_another_seed_in_the_manifest_names_it(world: World) -> None:
    world.declare(lambda manifest: manifest.update(seed=4))
    assert not world.remake(tables=True)
    assert world.parts("differs")[0] == "seed"
    assert "which explains it, is seed" in world.lines[-1]


def test_remake_from_tables_whose_version_was_vacuumed_names_the_table(world: World) -> None:
    lake = str(world.home / "lake" / "visits")
    rows = DeltaTable(lake).to_pyarrow_table()
    write_deltalake(lake, rows.slice(1), mode="overwrite")
    assert DeltaTable(lake).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert not world.remake(tables=True)
    assert world.parts("differs") == ["table visits"]
    assert any("TableVersionGone" in line or "read the source anew" in line for line in world.lines)
    assert "which explains it, is table visits" in world.lines[-1]


def test_remake_from_newer_tables_takes_the_versions_of_the_manifest(world: World) -> None:
    lake = str(world.home / "lake" / "habits")
    write_deltalake(lake, DeltaTable(lake).to_pyarrow_table().slice(5), mode="overwrite")
    assert world.remake(tables=True)


def test_remake_under_another_lock_that_gives_the_same_model_says_so(world: World) -> None:
    world.declare(lambda manifest: manifest.update(lock_digest="0" * 64))
    assert world.remake(tables=True)
    assert world.parts("differs") == ["lock digest"]
    assert "although these differ: " in world.lines[-1]


def test_remake_from_a_source_that_is_gone_says_at_which_step(world: World) -> None:
    world.declare(lambda manifest: manifest.update(model="nobody"))
    assert not world.remake(tables=False)
    assert any(line.startswith("SpecError: there is no such model in this checkout") for line in world.lines)
    assert world.lines[-1].startswith("No model could be made")


def test_reproduce_of_the_champion_leaves_the_home_as_it_was(world: World) -> None:
    before = list(released_model.state(world.home))
    backends = ("CONTENDER", "MLFLOW", "FEAST", "AIRFLOW")
    env = {name: value for name, value in os.environ.items() if not name.startswith(backends)}
    env |= world.env | {"PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "plugins")])}
    kept = world.again / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "contender.release.reproduce", "shop", "--keep", str(kept)],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from the tables of" in done.stdout.splitlines()[0]
    assert list(released_model.state(world.home)) == before
    assert (kept / "lake" / "visits").is_dir()


def test_main_of_a_release_of_another_model_fails(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.declare(lambda manifest: manifest.update(model_digest="0" * 64))
    released_model.forget()
    with applied(own_environment(world.again, world.env)):
        assert remaking.main([str(world.manifest), "--tables", str(world.home / "lake")]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("The model is another one, ")
