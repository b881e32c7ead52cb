"""What is committed names no machine: no absolute path of one, no address of its network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import CALLERS, PAGES, README, name, tracked

# Put together here, so that this file does not hold what it looks for.
HOMES = ("home", "root", "Users", "work")
MACHINE_PATH = re.compile(rf"(?<![\w.$}}>/~-])/(?:{'|'.join(HOMES)})/\w|/var/{'tmp'}/\w")
PRIVATE_ADDRESS = re.compile(r"\b(?:10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+)\b")
INDEX_ADDRESS = re.compile(r"(?i)(--(extra-)?index-url|index[-_]url\s*=[ \t]*\S|registry\s*=\s*https?:)")
TEXT = {"", ".md", ".py", ".toml", ".txt", ".in", ".yml", ".yaml", ".json", ".svg", ".cfg", ".sh", ".example"}


@pytest.mark.parametrize("pattern", [MACHINE_PATH, PRIVATE_ADDRESS, INDEX_ADDRESS], ids=["path", "address", "index"])
def test_committed_files_name_no_machine(pattern: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        if path.suffix not in TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{name(path)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("path", [*PAGES, *CALLERS], ids=name)
def test_texts_have_no_trailing_space(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, start=1) if line != line.rstrip()] == []


def test_readme_has_a_picture_a_screenshot_and_a_marked_example() -> None:
    text = README.read_text(encoding="utf-8")
    assert "docs/images/chain.svg" in text
    assert "docs/images/flight_delay_train.png" in text
    assert text.index("<!-- summary: begin -->") < text.index("<!-- summary: end -->")
