"""Every block of the pages is run by a test, or is nothing to run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contender.core.settings import CHECKOUT, settings
from contender.embedded.environment import environment
from contender.embedded.ports import choose_ports
from contender.parsing.listing import CALLABLE, SETTING
from tests.docs.pages import PAGES, blocks, example, name

RUN, SHOWN = re.compile(r"<!-- run: ([\w.-]+) -->"), re.compile(r"<!-- (shown|summary): [\w ]+ -->")
FETCHED = re.compile(r'example\((?:"([\w./-]+)"|PAGE), "([\w.-]+)"\)')


def fetched() -> set[tuple[str, str]]:
    """Page and mark of each block that a test runs."""
    found: set[tuple[str, str]] = set()
    for path in (CHECKOUT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        own = re.search(r'(?m)^PAGE = "([\w./-]+)"$', text)
        found |= {(page or (own[1] if own else ""), marked) for page, marked in FETCHED.findall(text)}
    return found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_block_says_what_becomes_of_it(path: Path) -> None:
    unmarked = [text for above, text in blocks(path) if not RUN.fullmatch(above) and not SHOWN.fullmatch(above)]
    assert unmarked == []


def test_every_block_to_be_run_is_run_by_a_test_and_no_test_runs_another() -> None:
    marked = {(name(path), found[1]) for path in PAGES for above, _ in blocks(path) if (found := RUN.fullmatch(above))}
    assert marked == fetched()


def exported(commands: str, names: list[str]) -> dict[str, str]:
    """What variables are after a shell's exports."""
    show = f"import json, os; print(json.dumps({{name: os.environ[name] for name in {names}}}))"
    command = ["bash", "-euc", f'{commands}\nexec "$0" -c "$1"', sys.executable, show]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_variables_for_a_shell_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ["CONTENDER_HOME", "CONTENDER_PORT_AIRFLOW", "CONTENDER_SOURCE", "MLFLOW_TRACKING_URI", "DOCKER_HOST"]
    for variable, value in exported(example("docs/configuration.md", "shell"), names).items():
        monkeypatch.setenv(variable, value)
    assert settings().home == Path("/path/to/home")
    assert settings().source == "/path/to/files"
    ports = choose_ports({}, free=lambda _: True)
    assert ports.airflow == int(os.environ["CONTENDER_PORT_AIRFLOW"])
    made = environment(tmp_path, ports)
    assert made["MLFLOW_TRACKING_URI"] == made["CONTENDER_MLFLOW_UI"] == "http://mlflow.example:5000"
    assert "DOCKER_HOST" not in made  # left as it is


def test_setting_for_many_models_is_the_one_that_is_asked_for() -> None:
    assert exported(example("docs/scale.md", "setting"), [SETTING]) == {SETTING: CALLABLE}
