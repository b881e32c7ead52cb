"""The counting rule of `lines_for_a_new_model`, and the file of what other projects ask for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from contender.bench import lines_elsewhere
from contender.bench.lines_count import Count, Part, count, generated
from contender.core.settings import CHECKOUT
from tests.docs.pages import example

PYTHON = '''"""Docstring
of two lines."""

# a comment
import os  # and one behind code


def double(x: int) -> int:
    """One line."""
    text = """a string
    # of three lines, none of which
    is a docstring"""
    return (
        x

        + len(text)  # blank above
    )
'''
MARKED = """first = 1
# BEGIN
second = load_iris()
third = 3
# END
fourth = 4
# BEGIN
fifth = 5
# END
"""
TODOS = """a: 1
# TODO: say which
b: iris
# TODO(optional): leave it
c: 3

d: 4  # TODO: this one
# TODO: this too
# with a second line
e: 5
"""
ASKED = Part(mark=r"TODO(?!\(optional\))", example="iris")


@pytest.mark.parametrize(
    ("text", "name", "part", "expected"),
    [
        pytest.param(PYTHON, "x.py", Part(), Count(9, 0), id="python"),
        pytest.param("", "x.py", Part(), Count(0, 0), id="empty"),
        pytest.param('def f():\n    """Only this."""\n', "x.py", Part(), Count(1, 0), id="docstring-alone"),
        pytest.param("%cd /tmp\n!ls\nx = 7 \\\n    % 2\n", "x.py.tmpl", Part(), Count(2, 0), id="notebook"),
        pytest.param('{\n  "a": 1\n\n}\n', "x.json", Part(), Count(3, 0), id="json"),
        pytest.param(MARKED, "x.py", Part("BEGIN", "END", example="iris"), Count(3, 1), id="between-marks"),
        pytest.param(TODOS, "x.yml", ASKED, Count(3, 1), id="todos"),
        pytest.param(TODOS, "x.yml.tmpl", Part("^a:", "^c:", mark="TODO", example="iris"), Count(1, 1), id="within"),
    ],
)  # fmt: skip
def test_count_of_a_file(text: str, name: str, part: Part, expected: Count) -> None:
    assert count(text, name, part) == expected


def test_count_of_what_is_no_python_fails() -> None:
    with pytest.raises(SyntaxError):
        count("def f(:\n", "x.py")


@pytest.mark.parametrize(
    ("template", "made"),
    [
        pytest.param("{%- if fast %}\na\n{%- else %}\nb\n{%- endif %}\nc", "\na\nc", id="jinja"),
        pytest.param("{{ if (eq .store `no`) }}a{{ else if (eq .store `yes`) }}b{{ end }}", "b", id="go-else-if"),
        pytest.param("{{ if and (eq .store `yes`) (eq .recipes `no`) }}a{{- else -}}b{{ end }}", "a", id="go-and"),
        pytest.param("{{ if or (eq .store `no`) (eq .recipes `yes`) }}a{{- else -}} b{{ end }}", "b", id="go-or"),
        pytest.param("x-{{template `model_name` .}}-{{ .store }}: ${var.a}", "x-name-yes: ${var.a}", id="go-names"),
        pytest.param("{% include 'header' %}a", "a", id="include"),
    ],
)
def test_generated_text_is_what_the_answers_make_of_a_template(template: str, made: str) -> None:
    assert generated(template, {"fast": True, "store": "yes", "recipes": "no"}) == made


def test_generated_text_without_an_answer_fails() -> None:
    with pytest.raises(UndefinedError):
        generated("{{ nothing }}", {})


def test_elsewhere_every_count_has_its_source_in_the_documents() -> None:
    page = (CHECKOUT / "docs" / "new-model.md").read_text(encoding="utf-8")
    for entry in lines_elsewhere.elsewhere():
        assert re.fullmatch(r"[0-9a-f]{40}", entry["commit"])
        assert entry["address"] == f"https://github.com/{entry['repository']}/tree/{entry['commit']}"
        assert f"({entry['address']})" in page
        assert f"at {entry['commit'][:9]}" in page
        assert entry["says"], "a file counts only where the project's own documents say so"
        for saying in entry["says"]:
            assert f"{saying['line']}" in page
        for file in entry["files"]:
            name = Path(generated(file["path"], entry["answers"]).removesuffix(".tmpl"))
            assert name.name in page or name.stem in page
            assert 0 <= file["at_least"] <= file["lines"]
            assert file["reason"]


def test_recount_is_given_a_clone_of_each_project_that_was_counted() -> None:
    python, _, module, *given = example("docs/new-model.md", "recount").split()
    assert (python, module) == ("python", "contender.bench.lines_elsewhere")
    assert {clone.removesuffix("=CLONE") for clone in given} == {
        entry["repository"] for entry in lines_elsewhere.elsewhere()
    }


def test_recount_of_a_clone_finds_a_count_and_a_quotation_that_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "train.py").write_text(MARKED)
    (clone / "README.md").write_text("# Title\n\nPut your code\nbetween the marks, please.\n")
    who = ["-c", "user.name=tests", "-c", "user.email=tests@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *arguments], cwd=clone, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, check=True, capture_output=True, text=True).stdout
    part = {"begins": "BEGIN", "ends": "END", "example": "iris"}
    entry = {
        "way": "by default", "repository": "a/b", "commit": commit.strip(), "answers": {},
        "says": [{"path": "README.md", "line": 3, "text": "Put your code between the marks"}],
        "files": [{"path": "train.py", "part": part, "lines": 3, "at_least": 1, "reason": "marked"}],
    }  # fmt: skip
    data = tmp_path / "elsewhere.json"

    def recount(*more: str) -> tuple[int, str]:
        code = lines_elsewhere.recount([f"a/b={clone}", *more], data)
        return code, capsys.readouterr().out

    lines_elsewhere.save([entry], data)
    assert recount() == (0, "same     3    1  by default: train.py\n")
    lines_elsewhere.save([{**entry, "files": [{**entry["files"][0], "lines": 2}]}], data)  # type: ignore[index,dict-item]
    assert recount() == (1, "DIFFERS  3    1  by default: train.py\n")
    assert recount("--write")[0] == 0
    assert lines_elsewhere.elsewhere(data) == [entry]
    lines_elsewhere.save([{**entry, "says": [{"path": "README.md", "line": 4, "text": "Put your code"}]}], data)
    code, said = recount()
    assert (code, "NOT SAID  README.md:4" in said) == (1, True)
