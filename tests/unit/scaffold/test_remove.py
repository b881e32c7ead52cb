"""`make remove-model`: the model's files and no others, unless somebody needs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contender.adapters.features import Features
from contender.core.errors import ScaffoldRefused
from contender.core.settings import CHECKOUT, settings
from contender.scaffold.belongings import declared, files_of
from contender.scaffold.remove import main, take_away
from tests.docs.pages import example
from tests.made_model import made
from tests.unit.scaffold.conftest import checkout
from tests.unit.scaffold.conftest import files_of as all_files


def put(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = checkout(tmp_path_factory.mktemp("once"))
    made(root, "forecasting", "churn")
    made(root, "classification", "churn_eu")
    return root


@pytest.fixture
def two(once: Path, tmp_path: Path) -> Path:
    """A checkout with `churn`, with a feature file and suites, and `churn_eu`, whose name begins alike."""
    return shutil.copytree(once, tmp_path / "checkout")


def test_remove_lists_the_model_s_files_and_what_stays_and_removes_none(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = all_files(two)
    assert main(["churn"], two) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "Would be removed:\n  tests/models/test_churn_model.py\n  expectations/churn/\n  feature_repo/churn.py\n"
        "  dags/churn/\nGit could not bring back, as it is now: any of them: they are in no repository that git reads\n"
        "Stays on purpose"
    )
    assert f"  decisions   {settings().decisions / 'churn.jsonl'}, " in said
    assert "churn, churn_history, churn_quarantine, churn_training_set, churn_predictions, _built/churn\n" in said
    assert said.endswith("\nNothing was removed. Next: make remove-model MODEL=churn YES=1\n")
    assert all_files(two) == before


def test_remove_takes_the_model_s_files_alone(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = all_files(two)
    own = re.compile(r"(dags|expectations)/churn/|feature_repo/churn\.py|.*/test_churn_model")
    gone = set(filter(own.match, before))
    assert main(["churn", "--yes"], two) == 0
    assert all_files(two) == before - gone
    assert len(gone) == 11
    assert capsys.readouterr().out.startswith("Removed:\n  tests/models/test_churn_model.py\n")
    assert list(two.glob(".new-model-*")) == []
    assert main(["churn"], two) == 1


def test_remove_of_a_model_with_a_longer_name_leaves_the_shorter(two: Path) -> None:
    put(two, "tests/models/test_churn_eu_suites.py")
    assert [path.name for path in files_of(two, "churn_eu")] == [
        "test_churn_eu_model.py", "test_churn_eu_suites.py", "churn_eu", "churn_eu",
    ]  # fmt: skip
    assert [path.name for path in files_of(two, "churn")] == ["test_churn_model.py", "churn", "churn.py", "churn"]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        pytest.param("dags/b/dag.py", 'T = Table(name="t", owner="churn")', "b names it and cannot be read", id="old"),
        pytest.param("dags/b/dag.py", "import sys\nsys.exit('churn')", "b names it and cannot be read", id="exits"),
        pytest.param("dags/b/model.py", "from churn.model import estimator", "dags/b/model.py imports it", id="code"),
        pytest.param("dags/b/model.py", "import dags.churn.model as m", "dags/b/model.py imports it", id="module"),
        pytest.param("feature_repo/b.py", "from feature_repo import churn", "feature_repo/b.py imports it", id="views"),
    ],
)
def test_remove_of_a_model_that_others_need_is_refused(
    two: Path, capsys: pytest.CaptureFixture[str], path: str, text: str, expected: str
) -> None:
    put(two, path, text)
    before = all_files(two)
    assert main(["churn", "--yes"], two) == 1
    assert expected in capsys.readouterr().err
    assert all_files(two) == before


def test_remove_of_an_owner_names_who_shares_what(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (two / "dags" / "churn_eu" / "dag.py").read_text(encoding="utf-8")
    shared = text.replace('name="churn_eu"', 'name="other"', 1)
    shared = re.sub(r'(Table\(\s*name="churn_eu",)', r'\1 owner="churn_eu",', shared)
    assert shared.count('owner="churn_eu"') == 1
    put(two, "dags/other/dag.py", shared)
    assert main(["churn_eu", "--yes"], two) == 1
    assert "got:      other shares it (churn_eu)\n  next:     remove these first" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["# churn\n", "'churn'\n", "import churn_eu\nfrom .churn import x\n", "from churn import (\n"],
    ids=["comment", "string", "others", "broken"],
)  # fmt: skip
def test_remove_of_a_model_that_is_merely_named_goes_ahead(two: Path, text: str) -> None:
    put(two, "dags/b/model.py", text)
    assert main(["churn", "--yes"], two) == 0


@pytest.mark.parametrize("name", ["", "nope", "templates", "all_models", "../churn", "entities", "churn*"])
def test_remove_of_what_is_no_model_is_refused(two: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    put(two, "feature_repo/entities.py")
    put(two, "dags/all_models/part_0.py")
    before = all_files(two)
    assert main(["--yes", "--", name], two) == 1
    assert "expected: one of churn, churn_eu\n" in capsys.readouterr().err
    assert all_files(two) == before


def test_remove_of_a_model_that_crashes_goes_ahead(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(two, "dags/churn/dag.py", "import os\nos._exit(3)\n")
    assert main(["churn", "--yes"], two) == 0
    assert (
        "not known, as its dag.py fails: it ends the process that loads it, with exit code 3" in capsys.readouterr().out
    )
    assert not (two / "dags" / "churn").exists()


def test_remove_that_fails_half_way_leaves_all_as_it_was(two: Path) -> None:
    before = all_files(two)
    with pytest.raises(ScaffoldRefused, match=r"could not be removed.*nothing was removed"):
        take_away(two, [*files_of(two, "churn"), two / "gone"])
    assert all_files(two) == before
    assert list(two.glob(".new-model-*")) == []


def test_remove_tells_what_git_could_not_bring_back(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    who = ["-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for arguments in (["init", "-q"], ["add", "--all"], [*who, "commit", "-qm", "All"]):
        subprocess.run(["git", *arguments], cwd=two, env=env, check=True)
    assert main(["churn"], two) == 0
    assert "Git could not" not in capsys.readouterr().out
    put(two, "dags/churn/notes.txt")
    put(two, "dags/churn/.gitignore", "*.pkl\n.gitignore\n")
    put(two, "dags/churn/big.pkl")
    assert main(["churn"], two) == 0
    said = capsys.readouterr().out
    (lost,) = [line for line in said.splitlines() if line.startswith("Git could not bring back")]
    assert set(lost.split(": ")[1].split(", ")) == {
        f"dags/churn/{name}" for name in ("notes.txt", ".gitignore", "big.pkl")
    }


def test_remove_that_is_interrupted_after_a_file_was_moved_leaves_all_as_it_was(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename, count = all_files(two), Path.rename, []

    def interrupted(path: Path, to: Path) -> Path:
        moved = rename(path, to)
        count.append(path)
        if len(count) == 2:
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        take_away(two, files_of(two, "churn"))
    assert all_files(two) == before
    assert list(two.glob(".new-model-*")) == []


def test_remove_of_a_model_that_begins_with_anothers_spec_tells_of_its_own_tables_alone(two: Path) -> None:
    file = two / "dags" / "churn" / "dag.py"
    other = "(Table(name='flights', time_column=None, key=('x',)),)"
    more = f"BASE = SPEC.model_copy(update={{'name': 'base', 'tables': {other}}})"
    put(
        two, "dags/churn/dag.py", f"{file.read_text(encoding='utf-8')}\nfrom contender.core.spec import Table\n{more}\n"
    )
    assert "flights" not in declared(file).lake
    assert "churn" in declared(file).lake


def typed(commands: str, tmp_path: Path) -> list[str]:
    """What `make` is asked for when the commands are typed in a folder, and `docker`, in whose place another stands."""
    docker = put(tmp_path, "bin/docker", '#!/bin/sh\necho "docker $*" >> said.txt\necho 5a1d\necho 5a1d\n')
    docker.chmod(0o755)
    env = os.environ | {"PATH": f"{docker.parent}{os.pathsep}{os.environ['PATH']}"}
    shell = f'make() {{ echo "make $*" >> said.txt; }}\n{commands}'
    subprocess.run(["bash", "-euc", shell], cwd=tmp_path, env=env, capture_output=True, check=True)
    return (tmp_path / "said.txt").read_text(encoding="utf-8").splitlines()


def asked(line: str, **env: str) -> str:
    """The arguments of the command that a line for `make` would run."""
    call = [*line.split(), "--dry-run", "--no-print-directory", "--old-file=install"]
    # Of a `make` that these tests are run by, nothing is handed on.
    given = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(call, cwd=CHECKOUT, env=given | env, capture_output=True, text=True, check=True)
    return done.stdout.split("scaffold.remove")[1].strip()


def test_page_removes_as_the_makefile_takes_it(tmp_path: Path) -> None:
    lines = typed(example("docs/new-model.md", "remove"), tmp_path)
    assert lines == ["make remove-model MODEL=churn", "make remove-model MODEL=churn YES=1"]
    assert [asked(line) for line in lines] == ["'churn'", "'churn' --yes"]


def test_make_remove_model_takes_nothing_from_the_environment_or_by_default() -> None:
    env = {"MODEL": "flight_delay", "YES": "1"}
    assert asked("make remove-model", **env) == "''"
    assert asked("make remove-model YES=1", **env) == "'' --yes"
    words = {word: asked(f"make remove-model MODEL=churn YES={word}") for word in ("0", "no", "1")}
    assert words == {"0": "'churn'", "no": "'churn'", "1": "'churn' --yes"}


def test_page_deletes_the_tables_that_the_command_names(two: Path, tmp_path: Path) -> None:
    commands = example("docs/new-model.md", "remove-rest")
    # The page's model has an entity, this one is a forecast: its view has another name.
    tables = declared(two / "dags" / "churn" / "dag.py").lake
    home = tmp_path / ".contender"
    kept = [home / "lake" / "churn_eu", home / "releases" / "churn", home / "decisions" / "churn"]
    gone = [*(home / "lake" / name for name in tables), home / "data_docs" / "churn", home / "serving" / "churn"]
    for folder in (*kept, *gone):
        folder.mkdir(parents=True)
    said = typed(commands.replace("churn_features", "churn_history"), tmp_path)
    assert said == [
        *(f"make airflow ARGS=dags delete --yes churn_{dag}" for dag in ("train", "score", "deploy")),
        "docker image ls --quiet contender/churn", "docker image rm --force 5a1d",
    ]  # fmt: skip
    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


def test_page_deletes_the_views_from_the_registry_and_the_online_store(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for name, value in {
        "CONTENDER_HOME": home, "CONTENDER_FEATURE_REPO": two / "feature_repo",
        "FEAST_FS_YAML_FILE_PATH": CHECKOUT / "feature_repo" / "feature_store.yaml",
        "CONTENDER_FEAST_REGISTRY": f"sqlite:///{tmp_path / 'registry.db'}",
        "CONTENDER_ONLINE_STORE": tmp_path / "online.db",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    features = Features(settings())
    features.apply(features.definitions("churn", ["churn_history"]), "churn")
    assert [view.name for view in Features(settings()).store.list_feature_views()] == ["churn_history"]
    block = example("docs/new-model.md", "remove-views").replace("churn_features", "churn_history")
    subprocess.run([sys.executable, "-W", "ignore", "-c", block], check=True)
    assert Features(settings()).store.list_feature_views() == []
