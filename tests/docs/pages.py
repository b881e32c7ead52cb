"""The texts that a reader sees, and what the tests look up in them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from contender.core.settings import CHECKOUT

README = CHECKOUT / "README.md"
PAGES = [README, CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
CALLERS = [
    CHECKOUT / ".ci" / "run",
    CHECKOUT / ".github" / "workflows" / "ci.yml",
    CHECKOUT / ".pre-commit-config.yaml",
]


def name(path: Path) -> str:
    """The path inside the checkout, as a test's id."""
    return path.relative_to(CHECKOUT).as_posix()


def headings(path: Path) -> list[tuple[int, str]]:
    """Level and text of each heading outside fenced blocks."""
    text = without_fences(path.read_text(encoding="utf-8"))
    return [(len(level), title.strip()) for level, title in re.findall(r"(?m)^(#{1,6}) (.+)$", text)]


def without_fences(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", text)


def anchor(title: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def tracked() -> list[Path]:
    """Every file of the checkout that git knows and that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return [path for part in listed.stdout.split("\0") if part and (path := CHECKOUT / part).is_file()]


def blocks(path: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: the line before each, which says what becomes of it, and its content."""
    return re.findall(r"(?ms)^([^\n]*)\n```\w*\n(.*?)^```$", path.read_text(encoding="utf-8"))


def example(page: str, marked: str) -> str:
    """The block of a page (`docs/swap.md`) with `<!-- run: <marked> -->` above it, for a test to run."""
    (found,) = [text for above, text in blocks(CHECKOUT / page) if above == f"<!-- run: {marked} -->"]
    return found
