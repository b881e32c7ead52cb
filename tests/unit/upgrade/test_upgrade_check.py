"""`make upgrade-check` in a fork: real repositories, a real next version of the schema, nothing changed by looking."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contender.core import schema
from contender.core.settings import CHECKOUT
from contender.upgrade.__main__ import CLEAN, EDITS, REFUSED, main
from contender.upgrade.versions import is_platform
from tests.docs.pages import example

GOOD = (CHECKOUT / "dags" / "flight_delay" / "dag.py").read_text(encoding="utf-8")
BEFORE = (CHECKOUT / "tests" / "unit" / "core" / "specs" / "flight_delay_813db9d.txt").read_text(encoding="utf-8")
# The next version of the schema, as its author would write it: one entry, and the field itself.
NEXT = schema.VERSION + 1
ENTRY = f'Change({NEXT}, "views go stale", (Renamed("View", "max_age_hours", "stale_after_hours"),)),\n)\nVERSION ='


def git(root: Path, *arguments: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ["-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=root, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(root: Path, files: dict[str, str], message: str) -> str:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD")


def put_platform(root: Path) -> None:
    """What the check needs of the platform, as it is here."""
    here = root / "plugins" / "contender"
    for part in ("core", "upgrade"):
        shutil.copytree(
            CHECKOUT / "plugins" / "contender" / part, here / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    (here / "__init__.py").write_text("")


def next_version(root: Path) -> dict[str, str]:
    """The files of the platform that a renamed field changes, and of the model that upstream keeps."""
    core = root / "plugins" / "contender" / "core"
    listed = (core / "schema.py").read_text().replace(")\nVERSION =", f"    {ENTRY}", 1)
    dag = GOOD.replace("max_age_hours", "stale_after_hours").replace(f"={schema.VERSION},", f"={NEXT},", 1)
    return {
        "plugins/contender/core/schema.py": listed.replace("import Edit, Given", "import Edit, Given, Renamed", 1),
        "plugins/contender/core/spec.py": (core / "spec.py").read_text().replace("max_age_hours", "stale_after_hours"),
        "dags/flight_delay/dag.py": dag,
        "Makefile": "help:\n\t@echo newer\n",
    }


def renamed(model: str, text: str = GOOD) -> str:
    return text.replace('name="flight_delay"', f'name="{model}"')


def put_models(root: Path, texts: dict[str, str]) -> None:
    for model, text in texts.items():
        (root / "dags" / model).mkdir(parents=True)
        (root / "dags" / model / "dag.py").write_text(text, encoding="utf-8")


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """The platform with its reference model; tag `bare` is from before there were versions, `v2` is today's."""
    root = tmp_path / "upstream"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root, {"Makefile": "help:\n", "dags/flight_delay/dag.py": BEFORE}, "Before versions")
    git(root, "tag", "bare")
    put_platform(root)
    commit(root, {"dags/flight_delay/dag.py": GOOD, "dags/.airflowignore": ""}, "Versions")
    git(root, "tag", "v2")
    return root


@pytest.fixture
def fork(tmp_path: Path, upstream: Path) -> Path:
    """A fork of `v2` with a model of its own and a change to the Makefile, and upstream a version further."""
    git(tmp_path, "clone", "--quiet", "--origin", "upstream", str(upstream), "fork")
    root = tmp_path / "fork"
    commit(root, {"dags/churn/dag.py": renamed("churn"), "Makefile": "help:\n\t@echo ours\n"}, "Ours")
    commit(upstream, next_version(upstream), "Rename a field")
    git(upstream, "tag", "v3")
    git(root, "fetch", "--quiet", "--tags", "upstream")
    return root


def told(capsys: pytest.CaptureFixture[str], root: Path, to: str = "") -> tuple[int, str]:
    """Exit code and output of the check; it must have written nothing."""
    before = state(root)
    code = main(["--root", str(root), *(["--to", to] if to else [])])
    assert state(root) == before
    said = capsys.readouterr()
    return code, said.out + said.err


def state(root: Path) -> dict[str, str]:
    """Digest of every file below a folder, those of git as well."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


def test_upgrade_check_names_every_edit_of_the_forks_own_model_and_who_changed_what(
    fork: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = told(capsys, fork, "v3")
    assert code == EDITS
    assert f"whose schema is version {NEXT}" in said
    lines = [number for number, line in enumerate(GOOD.splitlines(), start=1) if "max_age_hours" in line]
    for number in lines:
        assert f"      line {number}: `View(name=" in said
    assert said.count("      line ") == len(lines) + 1
    assert f"line 27: `schema_version={schema.VERSION},` → `schema_version={NEXT},`" in said
    assert "dags/flight_delay/dag.py  ok: it comes with the merge" in said
    assert "it changes platform files: Makefile 1, plugins 2." in said
    assert "Platform files that this checkout changed itself: 1\n  M Makefile  also changed there" in said
    assert "Specs that need an edit: 1 of 2." in said


def test_upgrade_check_after_the_merge_and_its_edits_is_clean(fork: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(fork, "checkout", "--quiet", "HEAD~1", "--", "Makefile")
    commit(fork, {}, "Take upstream's Makefile again")
    git(fork, "merge", "--quiet", "--no-edit", "v3")
    code, said = told(capsys, fork, "v3")
    assert (code, "Specs that need an edit: 1 of 2." in said) == (EDITS, True)
    dag = fork / "dags" / "churn" / "dag.py"
    text = dag.read_text().replace("max_age_hours", "stale_after_hours")
    dag.write_text(text.replace(f"schema_version={schema.VERSION}", f"schema_version={NEXT}"))
    code, said = told(capsys, fork, "v3")
    assert code == CLEAN, said
    assert said.count("  ok\n") == 2
    assert "Platform files that this checkout changed itself: 0" in said


def test_upgrade_check_against_the_path_of_a_newer_checkout_tells_the_same(
    fork: Path, upstream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_ref = told(capsys, fork, "v3")
    by_path = told(capsys, fork, str(upstream))
    worktree = upstream.parent / "beside"
    git(upstream, "worktree", "add", "--quiet", "--detach", str(worktree), "v3")
    by_worktree = told(capsys, fork, "../beside")
    assert by_ref[1].split("\n", 1)[1] == by_path[1].split("\n", 1)[1] == by_worktree[1].split("\n", 1)[1]
    assert by_ref[0] == by_path[0] == by_worktree[0] == EDITS


def test_upgrade_as_the_page_says_ends_in_a_merged_fork_whose_specs_are_told_apart(
    fork: Path, upstream: Path, tmp_path: Path
) -> None:
    git(fork, "checkout", "--quiet", "HEAD~1", "--", "Makefile")
    commit(fork, {}, "Take upstream's Makefile again")
    git(fork, "remote", "remove", "upstream")
    remote = example("docs/upgrade.md", "remote").replace(
        "https://github.com/<where-you-forked-from>/contender.git", str(upstream)
    )
    # The fork is too small to be installed and tested: of make's targets it has the check.
    make = f"""make() {{
        echo "make $1"
        [ "$1" != upgrade-check ] || {sys.executable} -m contender.upgrade --root . ${{2:+--to "${{2#TO=}}"}} || true
    }}"""
    commands = "\n".join(["set -eu", make, remote, example("docs/upgrade.md", "upgrade")])
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT / "plugins"), "GIT_AUTHOR_NAME": "Ada", "GIT_COMMITTER_NAME": "Ada",
           "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_COMMITTER_EMAIL": "ada@example.org"}  # fmt: skip
    done = subprocess.run(["bash", "-c", commands], cwd=fork, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("make ")] == [
        "make upgrade-check", "make install", "make upgrade-check", "make test",
    ]  # fmt: skip
    assert "Specs that need an edit: 1 of 2." in done.stdout
    assert git(fork, "rev-parse", "--abbrev-ref", "HEAD") == "upgrade"
    git(fork, "merge-base", "--is-ancestor", "v3", "upgrade")


def test_upgrade_check_counts_what_is_not_committed_and_what_both_changed_of_a_model(
    fork: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (fork / "plugins" / "contender" / "mine.py").write_text("")
    (fork / "dags" / "flight_delay" / "dag.py").write_text(GOOD.replace("trials=3", "trials=9"))
    code, said = told(capsys, fork, "v3")
    assert code == EDITS
    assert "  A plugins/contender/mine.py\n" in said
    assert "Files of models that were changed on both sides:\n  M dags/flight_delay/dag.py" in said
    assert "Specs that need an edit: 2 of 2." in said


def test_upgrade_check_of_the_version_it_stands_on_is_clean(fork: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, fork, "v2")[0] == CLEAN


def test_upgrade_check_without_to_asks_the_platform_of_the_command_and_needs_no_git(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, text in {"old": BEFORE, "new": GOOD}.items():
        (tmp_path / "dags" / model).mkdir(parents=True)
        (tmp_path / "dags" / model / "dag.py").write_text(renamed(model, text))
    code, said = told(capsys, tmp_path)
    assert code == EDITS
    assert "dags/new/dag.py  ok\n" in said
    assert f"dags/old/dag.py  edit\n      before line 27 put `schema_version={schema.VERSION},`\n" in said


def test_upgrade_check_of_a_fork_from_before_the_command_is_asked_of_a_newer_checkout(
    fork: Path, upstream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the newer checkout's `make upgrade-check FORK=…` does; the fork has no platform that could check anything."""
    git(fork, "checkout", "--quiet", "bare")
    commit(fork, {"dags/churn/dag.py": renamed("churn", BEFORE)}, "Ours, of long ago")
    before = state(fork)
    env = os.environ | {"PYTHONPATH": str(upstream / "plugins"), "PYTHONDONTWRITEBYTECODE": "1"}
    call = [sys.executable, "-m", "contender.upgrade", "--root", str(fork)]
    done = subprocess.run(call, cwd=upstream, env=env, capture_output=True, text=True, check=False)
    assert state(fork) == before
    assert done.returncode == EDITS, done.stderr
    assert f"dags/churn/dag.py  edit\n      before line 27 put `schema_version={NEXT},`" in done.stdout
    assert "dags/flight_delay/dag.py  ok: it comes with the merge" in done.stdout
    assert "Platform files that this checkout changed itself: 0" in done.stdout


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        pytest.param("v9", "there is no such version of the platform; where: TO; expected: a branch", id="unknown"),
        pytest.param("--all", "there is no such version of the platform", id="option"),
        pytest.param("../nowhere", "there is no such version of the platform", id="no-folder"),
        pytest.param("bare", "that version cannot check specs; where: TO=bare", id="before-versions"),
        pytest.param("..", "that version cannot check specs", id="folder-without-platform"),
    ],
)
def test_upgrade_check_of_what_is_no_version_is_refused(
    fork: Path, capsys: pytest.CaptureFixture[str], to: str, expected: str
) -> None:
    before = state(fork)
    assert main(["--root", str(fork), f"--to={to}"]) == REFUSED
    assert state(fork) == before
    said = capsys.readouterr()
    assert said.out == ""
    assert expected in said.err
    assert "; next: " in said.err


def test_upgrade_check_of_a_checkout_without_a_common_commit_says_so(
    fork: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "copied"
    other.mkdir()
    put_platform(other)
    code, said = told(capsys, fork, str(other))
    assert code == CLEAN
    assert "No commit is known that both have in common" in said


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("plugins/contender/core/spec.py", True), ("tests/unit/core/test_spec.py", True), ("Makefile", True),
        ("dags/.airflowignore", True), ("dags/templates/anomaly/dag.py", True),
        ("feature_repo/feature_store.yaml", True),
        ("dags/churn/dag.py", False), ("feature_repo/churn.py", False), ("tests/models/test_churn_model.py", False),
        ("expectations/churn/customers.json", False),
    ],
)  # fmt: skip
def test_is_platform_parts_the_platforms_files_from_the_models(path: str, expected: bool) -> None:
    assert is_platform(path) is expected
