"""Links inside the repository lead somewhere, and files that a text names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contender.core.settings import CHECKOUT
from tests.docs.pages import PAGES, anchor, headings, name, without_fences

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# `docs/known-at.md`, not `docs/<name>.md`, `expectations/my_model/*.json` or `dags/my_model/dag.py`.
FOLDERS = "dags|plugins|docs|docker|feature_repo|expectations|tests"
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./-]+)`")
OF_THE_READER = "my_model"
WRITTEN_BY_BENCH = {"docs/benchmarks.json"}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_inside_the_repository_lead_to_files_and_headings(path: Path) -> None:
    broken = []
    for target in LINK.findall(without_fences(path.read_text(encoding="utf-8"))):
        file, _, heading = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (path.parent / file) if file else path
        if not there.exists() or (heading and heading not in {anchor(title) for _, title in headings(there)}):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_files_named_in_a_text_exist(path: Path) -> None:
    named = {
        found.rstrip(".") for found in NAMED.findall(path.read_text(encoding="utf-8")) if OF_THE_READER not in found
    }
    assert [found for found in sorted(named - WRITTEN_BY_BENCH) if not (CHECKOUT / found).exists()] == []


def test_readme_tree_names_what_is_there() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("## Where things live") :].split("```")[1]
    entries = re.findall(r"(?m)^( *)([\w./-]+?)/?  +\S", tree)
    outer, missing = "", []
    for indent, entry in entries:
        if len(indent) > 2:  # the rest of a description
            continue
        place = f"{outer}/{entry}" if indent else entry
        outer = outer if indent else entry
        if entry != ".contender" and not (CHECKOUT / place).exists():
            missing.append(place)
    assert missing == []


def test_decisions_are_short_complete_and_listed() -> None:
    folder = CHECKOUT / "docs" / "decisions"
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    listed = (folder / "README.md").read_text(encoding="utf-8")
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 40, path.name
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequence")), path.name
        assert path.name in listed
    assert [path.name[:4] for path in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
