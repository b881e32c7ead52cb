"""Every make target that a text or a caller names is one of the Makefile."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from contender.bench.__main__ import benches, chosen
from contender.core.settings import CHECKOUT
from tests.docs.pages import CALLERS, PAGES, README, name

MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"(?m)^([a-z][a-z-]*):", MAKEFILE))
DESCRIBED = set(re.findall(r"(?m)^([a-z][a-z-]*):.*## \S", MAKEFILE))
# `make demo` in backticks, or at the start of a line of a fenced block or of a hook, or after `run:`.
SAID = re.compile(r"(?m)(?:`|^|run: |entry: )make ([a-z][a-z-]*)")
LOOP = re.compile(r"for target in ([a-z -]+); do")


def commands(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8")
    looped = {target for targets in LOOP.findall(text) for target in targets.split()}
    return set(SAID.findall(text)) | looped


@pytest.mark.parametrize("path", [*PAGES, *CALLERS], ids=name)
def test_commands_named_in_a_text_are_make_targets(path: Path) -> None:
    families = {command for command in commands(path) if command.startswith("bench-")}
    assert commands(path) - families <= TARGETS
    assert all(chosen(family.removeprefix("bench-"), benches()) for family in families)


@pytest.mark.parametrize("path", CALLERS, ids=name)
def test_callers_call_make_and_nothing_else_of_ours(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert commands(path)
    assert not re.search(r"\b(pytest|ruff|mypy|lint-imports)\b", text), "hooks and CI only call make targets"


def test_readme_names_the_two_commands_first() -> None:
    text = README.read_text(encoding="utf-8")
    assert re.findall(r"(?m)^make [a-z-]+", text)[:2] == ["make demo", "make test"]


@pytest.mark.parametrize(
    ("said", "env", "runs"),
    [
        ("STACK=compose", {"YES": "1"}, "contender.stack prune"),
        ("STACK=compose YES=1", {"MODEL": "churn"}, "contender.stack prune churn --yes"),
    ],
    ids=["of all", "of one, removed"],
)
def test_prune_of_the_stack_takes_what_prune_does(said: str, env: dict[str, str], runs: str) -> None:
    assert runs == ran(f"prune {said}", env)


@pytest.mark.parametrize(
    ("said", "env", "asked"),
    [("", {}, "flight_delay"), ("MODEL=churn", {}, "churn"), ("", {"MODEL": "churn"}, "churn"),
     ("RELEASE=~/a MODEL=churn", {}, "~/a")],
    ids=["default", "model", "model of the environment", "release"],
)  # fmt: skip
def test_verify_and_reproduce_mean_the_same_release(said: str, env: dict[str, str], asked: str) -> None:
    assert ran(f"verify {said}", env) == f"contender.embedded verify {asked}"
    assert ran(f"reproduce {said}", env) == f"contender.release.reproduce {asked}"


def ran(said: str, env: dict[str, str]) -> str:
    """The module that make would run, with its arguments as it gets them."""
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MODEL", "YES", "RELEASE", "STACK"}
    own = {name: value for name, value in os.environ.items() if name not in outer}
    call = ["make", "--dry-run", "--no-print-directory", "--old-file=install", *said.split()]
    shown = subprocess.run(call, cwd=CHECKOUT, env=own | env, capture_output=True, text=True, check=True).stdout
    return " ".join(shlex.split(shown.splitlines()[-1])).partition(" -m ")[2]


def test_makefile_every_phony_target_is_described_in_help() -> None:
    phony = re.search(r"(?m)^\.PHONY: (.+)$", MAKEFILE)
    assert phony is not None
    assert set(phony[1].split()) == DESCRIBED
