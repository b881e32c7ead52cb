"""Each spec of a checkout is read by itself: wherever it is declared, and whatever the file does besides."""

from __future__ import annotations

from pathlib import Path

import pytest

from contender.core import schema
from contender.upgrade.__main__ import CLEAN, EDITS
from contender.upgrade.specs import check
from tests.docs.pages import example
from tests.unit.upgrade.test_upgrade_check import BEFORE, GOOD, NEXT, put_models, told

SPEC = GOOD[GOOD.index("ModelSpec(\n") : GOOD.index("\n)\n") + 2]
HEAD, TAIL = GOOD.split(f"SPEC = {SPEC}\n")
INLINE = f"{HEAD}train, score, deploy = model_dags({SPEC}, doc=__doc__)\ntrain.tags.add('ours')\n"
MAPPING = GOOD.replace("SPEC = ModelSpec(", "FACTS = dict(").replace("\ntrain,", "\nSPEC = ModelSpec(**FACTS)\ntrain,")
LOOP = f"""{HEAD}
import contender.factory
for region in ("east", "west"):
    for dag in contender.factory.model_dags({SPEC.replace('"flight_delay"', 'f"flight_delay_{region}"')}, doc=__doc__):
        globals()[str(dag.dag_id)] = dag
"""
MADE = f"{HEAD}def made():\n    return {SPEC}\n\ntrain, score, deploy = model_dags(made(), doc=__doc__)\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(GOOD.replace("trials=3", "trials=0"), "it says: SpecError: Tuning cannot be", id="value"),
        pytest.param(BEFORE.replace("trials=3", "trials=0"), "and then: SpecError: Tuning cannot", id="old-and-value"),
        pytest.param("SPEC = (", "it says: SyntaxError", id="no-python"),
        pytest.param("import nothing_of_that_name\n" + GOOD, "it says: ModuleNotFoundError", id="import"),
        pytest.param(
            GOOD.replace(f"schema_version={schema.VERSION}", f"schema_version={NEXT}"),
            "it says: SpecError: the spec is of a newer version", id="newer",
        ),
        pytest.param(GOOD.replace("SPEC = ", "print("), "it says: SyntaxError", id="cut"),
    ],
)  # fmt: skip
def test_upgrade_check_of_a_spec_that_cannot_work_says_why_and_checks_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, expected: str
) -> None:
    put_models(tmp_path, {"broken": text, "good": GOOD})
    code, said = told(capsys, tmp_path)
    assert code == EDITS
    assert expected in said
    assert "dags/good/dag.py  ok\n" in said
    assert "Specs that need an edit: 1 of 2." in said


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        pytest.param("raise SystemExit(3)", "it says: SystemExit: 3", id="exit"),
        pytest.param("raise KeyboardInterrupt", "it says: KeyboardInterrupt", id="interrupt"),
        pytest.param("class End(BaseException): ...\nraise End('now')", "it says: End: now", id="no-exception"),
        pytest.param("import os\nos._exit(0)", "it ends the process that loads it, with exit code 0", id="quiet-exit"),
        pytest.param("import ctypes\nctypes.string_at(0)", "it ends the process that loads it, by SIGSEGV", id="crash"),
    ],
)
def test_upgrade_check_of_a_model_that_ends_its_process_says_so_and_checks_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ends: str, expected: str
) -> None:
    put_models(tmp_path, {"a_good": GOOD, "broken": f"{BEFORE}\n{ends}\n", "good": GOOD})
    code, said = told(capsys, tmp_path)
    assert code == EDITS
    assert f"dags/broken/dag.py  edit\n      before line 27 put `schema_version={schema.VERSION},`\n" in said
    assert expected.replace("it says", "and then") in said
    assert "dags/a_good/dag.py  ok\n" in said
    assert "dags/good/dag.py  ok\n" in said
    assert "Specs that need an edit: 1 of 3." in said


def test_check_of_a_model_that_never_ends_gives_it_its_time_and_leaves_none_of_its_processes(tmp_path: Path) -> None:
    endless = "import subprocess, time\nchild = subprocess.Popen(['sleep', '997'])\n"
    endless += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\ntime.sleep(998)\n"
    put_models(tmp_path, {"endless": GOOD + endless, "good": GOOD})
    slow, good = check(tmp_path, seconds=2)
    assert (slow.path, slow.problem) == (
        "dags/endless/dag.py", "it does not end: it was given 2 s; what is slow belongs into a task",
    )  # fmt: skip
    assert (good.path, good.problem) == ("dags/good/dag.py", "")
    assert not alive(int((tmp_path / "pid").read_text()))


def alive(pid: int) -> bool:
    """Whether a process runs, not whether it waits for its parent to take note of its end."""
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_upgrade_check_of_a_model_that_prints_from_below_python_is_not_disturbed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_models(tmp_path, {"loud": "import os\nos.write(1, b'{')\n" + GOOD})
    assert told(capsys, tmp_path)[0] == CLEAN


def test_upgrade_check_of_a_dag_of_ones_own_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = GOOD[: GOOD.index("train, score, deploy =")] + example("docs/compose.md", "fit-only")
    name = "from contender.factory"
    put_models(
        tmp_path,
        {"own": own, "module": own.replace(f"{name} import model_dag\n", f"{name}.model_dag import model_dag\n")},
    )
    assert told(capsys, tmp_path)[0] == CLEAN


@pytest.mark.parametrize("text", [INLINE, LOOP, MADE], ids=["in-the-call", "in-a-loop", "in-a-function"])
def test_upgrade_check_finds_a_spec_wherever_its_file_declares_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    old = text.replace(f"    schema_version={schema.VERSION},\n", "")
    wrong = text.replace("trials=3", "trials=0")
    put_models(tmp_path, {"new": text, "old": old, "wrong": wrong})
    code, said = told(capsys, tmp_path)
    assert code == EDITS
    line = text[: text.index("    schema_version=")].count("\n") + 1
    assert "dags/new/dag.py  ok\n" in said
    assert f"dags/old/dag.py  edit\n      before line {line} put `schema_version={schema.VERSION},`\n  dags" in said
    assert "dags/wrong/dag.py  cannot be used\n      it says: SpecError: Tuning cannot be" in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(GOOD.replace("SPEC = ModelSpec(", "M = ModelSpec\nSPEC = M("), "SPEC = M(", id="renamed"),
        pytest.param(MAPPING, "SPEC = ModelSpec(**FACTS)", id="mapping"),
    ],
)
def test_upgrade_check_of_an_old_spec_that_no_rule_sees_names_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: str
) -> None:
    old = text.replace(f"    schema_version={schema.VERSION},\n", "")
    put_models(tmp_path, {"old": old})
    code, said = told(capsys, tmp_path)
    assert code == EDITS
    assert f"dags/old/dag.py, line {old.split(chr(10)).index(line) + 1}; expected: " in said
    assert f"put `schema_version={schema.VERSION},` into ModelSpec(…)" in said


def test_upgrade_check_of_a_spec_that_is_never_made_says_which_line_declares_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEAD}def made():\n    return {SPEC}\n"
    put_models(tmp_path, {"never": text})
    code, said = told(capsys, tmp_path)
    assert code == EDITS
    line = text[: text.index("schema_version=")].count("\n") + 1
    assert f"it says: the ModelSpec of line {line} is not made when the file is loaded; expected: SPEC = " in said


def test_upgrade_check_of_dags_that_declare_no_spec_leaves_them_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dags" / "plain").mkdir(parents=True)
    (tmp_path / "dags" / "plain" / "dag.py").write_text("print('hello')\n")
    assert told(capsys, tmp_path)[0] == CLEAN
