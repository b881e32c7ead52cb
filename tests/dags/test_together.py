"""Many models read in one process: each DAG is there, and a broken model stands apart from the others."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contender.bench.fleet import PROBE, write_models
from contender.operators.base import ModelOperator
from contender.parsing import catalogue, notes
from contender.parsing.listing import CALLABLE, SETTING, might_contain_dag
from contender.parsing.notes import TOGETHER, TOGETHER_FROM

PARTS = [f"{TOGETHER}/part_{number}.py" for number in (1, 2, 3, 4)]
PURPOSES = ("train", "score", "deploy")


class Fork:
    """A folder of many models, parsed as the DAG processor does: each listed file by itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = write_models(folder, TOGETHER_FROM)

    @property
    def dags(self) -> set[str]:
        """Ids of the DAGs that there are when nothing is broken."""
        return {PROBE} | {f"{model}_{purpose}" for model in self.models for purpose in PURPOSES}

    def of(self, *models: str) -> set[str]:
        return {f"{model}_{purpose}" for model in models for purpose in PURPOSES}

    def edit(self, model: str, declared: str, instead: str) -> None:
        file = self.folder / model / "dag.py"
        text = file.read_text()
        assert declared in text
        file.write_text(text.replace(declared, instead, 1))

    def listed(self) -> list[str]:
        """The files that Airflow parses by themselves, relative to the folder."""
        from airflow.utils.file import list_py_file_paths

        notes._models.cache_clear()
        return sorted(str(Path(path).relative_to(self.folder)) for path in list_py_file_paths(self.folder))

    def parse(self, file: str) -> Any:
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(self.folder / file, bundle_path=self.folder, bundle_name="dags-folder")

    def parse_together(self) -> dict[str, Any]:
        """DAGs of the files that stand for all models, by id."""
        bags = [self.parse(part) for part in PARTS]
        assert [bag.import_errors for bag in bags] == [{}] * len(PARTS)
        assert sum(len(bag.dags) for bag in bags) == len(set().union(*(bag.dags for bag in bags)))
        return {dag_id: dag for bag in bags for dag_id, dag in bag.dags.items()}

    def errors(self, file: str) -> str:
        """What Airflow says of a file that it parses by itself."""
        from airflow.dag_processing.processor import _serialize_dags
        from structlog import get_logger

        found = self.parse(file)
        return "".join([*found.import_errors.values(), *_serialize_dags(found, get_logger())[1].values()])

    def parse_in_a_process(self) -> int:
        """Parse the files of all models in a process of their own; its exit code."""
        files = [str(self.folder / part) for part in PARTS]
        code = f"from airflow.dag_processing.dagbag import DagBag; [DagBag(file) for file in {files}]"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.run([sys.executable, "-c", code], check=False, env=env, capture_output=True).returncode


@pytest.fixture
def fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fork]:
    from airflow.plugins_manager import ensure_plugins_loaded

    ensure_plugins_loaded()  # as in the DAG processor, before any file is read
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv(SETTING, CALLABLE)
    made = Fork(tmp_path / "dags")
    yield made
    notes._models.cache_clear()


def test_many_models_are_a_few_files_and_every_dag_is_in_one_of_them(fork: Fork) -> None:
    assert fork.listed() == PARTS
    for _ in ("first", "again, of which the notes say that all are sound"):
        found = fork.parse_together()
        assert set(found) == fork.dags
        assert {dag.relative_fileloc for dag in found.values()} == set(PARTS)


def test_few_models_are_a_file_each(fork: Fork) -> None:
    for model in fork.models[1:]:
        (fork.folder / model / "dag.py").unlink()
    assert fork.listed() == sorted([f"{fork.models[0]}/dag.py", f"{PROBE}/dag.py"])
    assert fork.parse_together() == {}


def test_without_the_setting_each_model_is_a_file_and_none_is_read_twice(
    fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SETTING)
    files = fork.listed()
    assert len(files) == len(fork.models) + 1 + len(PARTS)
    assert fork.parse_together() == {}
    assert set(fork.parse(f"{fork.models[3]}/dag.py").dags) == fork.of(fork.models[3])


MADE = "train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)"
BROKEN = {
    "a spec that cannot work": ('task="', 'task="un', "where: task"),
    "a file that is no Python": ("SPEC = ModelSpec(", "SPEC = = ModelSpec(", "SyntaxError"),
    "a DAG that goes in a circle": (
        MADE,
        f"{MADE}\ntrain.get_task('gate.decide') >> train.get_task('data.validate')",
        "Cycle",
    ),
    "a DAG that cannot be stored": (
        MADE,
        f"{MADE}\ntrain.timetable = type('Unregistered', (type(train.timetable),), {{}})('@monthly')",
        "Unregistered",
    ),
}


@pytest.mark.parametrize(("declared", "instead", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_model_stands_apart_fails_under_its_own_name_and_comes_back_once_mended(
    fork: Fork, declared: str, instead: str, said: str
) -> None:
    model = next(name for name in fork.models if name.startswith("regression"))
    file = f"{model}/dag.py"
    whole = (fork.folder / file).read_text()
    fork.edit(model, declared, instead)
    assert set(fork.parse_together()) == fork.dags - fork.of(model)
    assert fork.listed() == sorted([*PARTS, file])
    assert said in fork.errors(file)
    (fork.folder / file).write_text(whole)
    assert set(fork.parse_together()) == fork.dags
    assert fork.listed() == PARTS


def test_model_that_ends_the_process_is_left_to_itself_until_it_is_changed(fork: Fork) -> None:
    model = fork.models[7]
    fork.edit(model, "SPEC = ModelSpec(", "import os\nos._exit(7)\nSPEC = ModelSpec(")
    assert fork.parse_in_a_process() == 7
    assert set(fork.parse_together()) == fork.dags - fork.of(model)
    assert fork.listed() == sorted([*PARTS, f"{model}/dag.py"])
    fork.edit(model, "os._exit(7)\n", "")
    assert set(fork.parse_together()) == fork.dags
    assert fork.listed() == PARTS


ENDINGS = {
    "in a file below a model that was found sound": ("", "import os\nos._exit(7)\n"),
    "as if by a key": ("raise KeyboardInterrupt\n", ""),
}


@pytest.mark.parametrize(("declared", "below"), ENDINGS.values(), ids=ENDINGS.keys())
def test_model_that_ends_the_process_in_another_way_costs_one_parse(fork: Fork, declared: str, below: str) -> None:
    model = fork.models[7]
    (fork.folder / model / "parts").mkdir()
    extra = fork.folder / model / "parts" / "extra.py"
    extra.write_text("")
    read = f"import runpy\nrunpy.run_path({str(extra)!r})\n"
    fork.edit(model, "SPEC = ModelSpec(", f"{read}SPEC = ModelSpec(")
    assert set(fork.parse_together()) == fork.dags
    fork.edit(model, "SPEC = ModelSpec(", f"{declared}SPEC = ModelSpec(")
    extra.write_text(below)
    assert fork.parse_in_a_process() != 0
    assert set(fork.parse_together()) == fork.dags - fork.of(model)
    assert fork.listed() == sorted([*PARTS, f"{model}/dag.py"])


def test_model_with_an_object_that_cannot_be_looked_at_stands_apart(fork: Fork) -> None:
    model = fork.models[7]
    lazy = "class Lazy:\n    @property\n    def __class__(self):\n        raise RuntimeError('not bound')\n"
    fork.edit(model, "SPEC = ModelSpec(", f"{lazy}\nlazy = Lazy()\nSPEC = ModelSpec(")
    assert set(fork.parse_together()) == fork.dags - fork.of(model)
    assert fork.listed() == sorted([*PARTS, f"{model}/dag.py"])


def test_task_of_models_read_together_has_its_code_from_beside_them(fork: Fork) -> None:
    for dag_id, dag in fork.parse_together().items():
        if dag_id != PROBE:
            folders = {task.folder for task in dag.tasks if isinstance(task, ModelOperator)}
            assert folders == {fork.folder / dag_id.rsplit("_", 1)[0]}


def test_task_of_models_read_together_imports_what_its_file_put_on_the_path(
    fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fork.models[0]
    (fork.folder / model / "lib").mkdir()
    (fork.folder / model / "lib" / "only_in_the_task.py").touch()
    lib = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'lib'))\n"
    fork.edit(model, "SPEC = ModelSpec(", f"{lib}SPEC = ModelSpec(")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", f"{model}_train")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert set(fork.parse(PARTS[0]).dags) == fork.of(model)
    assert importlib.util.find_spec("only_in_the_task") is not None


def test_models_with_helpers_of_one_name_have_each_its_own(fork: Fork) -> None:
    for model in fork.models[:8]:  # of several parts
        (fork.folder / model / "helpers.py").write_text(f'TITLE = "what {model} does"\n')
        fork.edit(model, "SPEC = ModelSpec(", (
            "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent))\n"
            "import helpers\nSPEC = ModelSpec("
        ))  # fmt: skip
        fork.edit(model, MADE, f"SPEC = SPEC.model_copy(update={{'title': helpers.TITLE}})\n{MADE}")
    found = fork.parse_together()
    assert {model: found[f"{model}_train"].description for model in fork.models[:8]} == {
        model: f"what {model} does" for model in fork.models[:8]
    }
    assert "helpers" not in sys.modules


def test_model_that_never_ends_is_left_out_in_time(fork: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT", "3")
    model = fork.models[7]
    fork.edit(model, "SPEC = ModelSpec(", "import time\ntime.sleep(60)\nSPEC = ModelSpec(")
    assert set(fork.parse_together()) == fork.dags - fork.of(model)
    assert fork.listed() == sorted([*PARTS, f"{model}/dag.py"])
    assert "import timeout" in fork.errors(f"{model}/dag.py")


def test_model_whose_files_seem_to_be_of_the_future_is_read_with_the_others(fork: Fork) -> None:
    file = fork.folder / fork.models[2] / "dag.py"
    later = file.stat().st_mtime + 3600
    os.utime(file, (later, later))
    for _ in ("first", "again"):
        assert set(fork.parse_together()) == fork.dags
    assert fork.listed() == PARTS


def test_model_that_takes_another_ones_dag_id_stands_apart_and_takes_nothing(fork: Fork) -> None:
    first, second = fork.models[0], fork.models[6]
    assert set(fork.parse_together()) == fork.dags  # sound, both
    (fork.folder / second / "dag.py").write_text((fork.folder / first / "dag.py").read_text().replace(
        "file=__file__", "file=None"))  # fmt: skip
    assert set(fork.parse_together()) == fork.dags - fork.of(second)
    assert fork.listed() == sorted([*PARTS, f"{second}/dag.py"])


@pytest.mark.parametrize(
    ("dag_id", "owner"),
    [("a_train", "a"), ("a_train_train", "a_train"), ("a_b_c", "a_b"), ("a_x", "a"), ("a_b", "a"), ("probe", "probe"),
     ("b_train", ""), ("ab_train", "")],
)  # fmt: skip
def test_dag_belongs_to_the_model_whose_name_its_id_begins_with(dag_id: str, owner: str) -> None:
    assert catalogue._owner(dag_id, {"a", "a_train", "a_b", "probe"}) == owner


def test_dag_whose_id_does_not_begin_with_its_models_name_stands_apart_and_is_read(fork: Fork) -> None:
    model = fork.models[0]
    text = (fork.folder / PROBE / "dag.py").read_text().replace(f'DAG("{PROBE}"', 'DAG("stranger"')
    (fork.folder / model / "dag.py").write_text(text)
    assert set(fork.parse_together()) == fork.dags - fork.of(model)
    assert fork.listed() == sorted([*PARTS, f"{model}/dag.py"])
    assert set(fork.parse(f"{model}/dag.py").dags) == {"stranger"}


def test_model_that_another_process_is_just_reading_is_not_taken_for_dead(fork: Fork) -> None:
    with notes.Notes(fork.folder).loading(fork.models[0]):
        assert set(fork.parse_together()) == fork.dags
    assert fork.listed() == PARTS


def test_task_reads_the_file_of_its_own_model_alone(fork: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in fork.models[1:]:
        fork.edit(model, "SPEC = ModelSpec(", "import os\nos._exit(7)\nSPEC = ModelSpec(")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", f"{fork.models[0]}_train")
    assert set(fork.parse(PARTS[0]).dags) == fork.of(fork.models[0])


def test_task_of_a_model_whose_name_begins_with_anothers_finds_its_own(
    fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, longer = fork.models[0], f"{fork.models[0]}_train"
    (fork.folder / first).joinpath("dag.py").rename(fork.folder / "kept.py")
    (fork.folder / longer).mkdir()
    text = (fork.folder / "kept.py").read_text()
    (fork.folder / first / "dag.py").write_text(text)
    (fork.folder / longer / "dag.py").write_text(text.replace(f'name="{first}"', f'name="{longer}"'))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", f"{longer}_score")
    assert f"{longer}_score" in fork.parse(PARTS[0]).dags
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", f"{first}_train")
    assert f"{first}_train" in fork.parse(PARTS[0]).dags


def test_other_files_are_left_to_airflow(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from airflow.sdk import DAG\n")
    (tmp_path / "helper.py").write_text("x = 1\n")
    assert might_contain_dag(str(tmp_path / "mine.py"))
    assert not might_contain_dag(str(tmp_path / "helper.py"))
