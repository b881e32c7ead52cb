"""The stage words are the same in operators, task groups, README and docs/stages.md, and so are the tasks."""

from __future__ import annotations

import ast
import re

from contender.core.settings import CHECKOUT
from tests.docs.pages import README, headings

PACKAGE = CHECKOUT / "plugins" / "contender"
STAGES = CHECKOUT / "docs" / "stages.md"


def task_groups() -> list[str]:
    """Task groups in the order of the factory, read from its source: importing Airflow takes seconds."""
    tree = ast.parse((PACKAGE / "factory" / "dags.py").read_text(encoding="utf-8"))
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TaskGroup"
    ]
    return [call.args[0].value for call in sorted(calls, key=lambda call: call.lineno)]  # type: ignore[attr-defined]


def test_stages_page_has_one_heading_for_each_task_group() -> None:
    assert [title for level, title in headings(STAGES) if level == 2] == task_groups()


def test_readme_stage_section_has_the_training_dag_s_groups() -> None:
    found = headings(README)
    start = found.index((2, "The stages"))
    under = [title for level, title in found[start + 1 : start + 1 + len(task_groups())] if level == 3]
    assert under == [group for group in task_groups() if group not in {"score", "deploy"}]


def test_operators_have_the_stage_words_as_stems() -> None:
    shared = {
        "__init__", "approval", "base", "evaluation", "in_process", "preload", "registry", "report", "supply_chain",
        "timetable",
    }  # fmt: skip
    stems = {path.stem for path in (PACKAGE / "operators").glob("*.py")} - shared
    assert stems == set(task_groups())


def test_stages_page_names_every_task() -> None:
    source = (PACKAGE / "factory" / "dags.py").read_text(encoding="utf-8")
    verbs = set(re.findall(r'task_id="(\w+)"', source)) | {"promote", "hold", "reject"}
    said = {task for _, task in re.findall(r"`(\w+)\.(\w+)`", STAGES.read_text(encoding="utf-8"))}
    assert verbs - said == set()


def test_picture_names_every_task_group() -> None:
    picture = (CHECKOUT / "docs" / "images" / "chain.svg").read_text(encoding="utf-8")
    assert [group for group in task_groups() if f">{group}<" not in picture] == []
