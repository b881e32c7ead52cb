"""The examples of docs/compose.md, run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contender.core.spec import ModelSpec
from contender.factory import model_dags
from contender.operators.promote import PromoteRelease
from contender.stages import train
from tests.docs.pages import example
from tests.made_model import environment, made
from tests.unit.scaffold.conftest import root  # noqa: F401  fixture
from tests.unit.test_tasks import COLUMNS, SMALL, rows

PAGE = "docs/compose.md"
LAST_LINE = "train, score, deploy = model_dags(SPEC, doc=__doc__, file=__file__)\n"


def run(code: str) -> dict[str, Any]:
    """What a block leaves behind, by name."""
    names: dict[str, Any] = {}
    exec(compile(code, PAGE, "exec"), names)  # noqa: S102  our own page's
    return names


@pytest.mark.slow
def test_validate_and_train_only_ends_in_a_registered_challenger(root: Path, tmp_path: Path) -> None:  # noqa: F811
    file = made(root, "classification")
    declared = file.read_text()
    assert declared.endswith(LAST_LINE)
    file.write_text(declared.removesuffix(LAST_LINE) + example(PAGE, "fit-only"))
    env = environment(root, tmp_path / "home")

    def airflow(*arguments: str) -> str:
        call = [sys.executable, "-W", "ignore", "-m", "airflow", *arguments]
        done = subprocess.run(call, env=env, capture_output=True, text=True, check=False, timeout=250)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout + done.stderr

    airflow("db", "migrate")
    airflow("dags", "reserialize")
    airflow("dags", "test", "mine_fit")
    look = "import mlflow; print(mlflow.MlflowClient().get_model_version_by_alias('mine', 'challenger').version)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", look], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"


def test_release_without_the_decision_s_evidence_and_verdict_does_not_load() -> None:
    with pytest.raises(TypeError, match="missing keyword arguments 'evidence', 'inventory', 'verdict'"):
        PromoteRelease(task_id="release", spec=SMALL, assembled={}, materialised={}, fitted={})


def test_ensemble_is_stored_with_the_answers_it_was_fitted_to() -> None:
    names = run(example(PAGE, "ensemble"))
    spec = ModelSpec(**(dict(SMALL) | {"views": (), "columns": COLUMNS}))
    frame = rows(spec)
    fitted = train.fit(names["estimator"], {"max_iter": 20}, frame, spec)
    stored = train.store(fitted, frame, spec)
    assert stored.largest_difference <= train.TOLERANCE
    assert train.scores(stored.content, train.inputs(frame, spec.columns)).std() > 0


def test_settings_of_tasks_reach_those_tasks_alone() -> None:
    names = run(example(PAGE, "tasks"))
    tasks = model_dags(ModelSpec(**(dict(SMALL) | {"tasks": names["tasks"]})), doc=None)[0].task_dict
    assert tasks["train.trial"].executor_config == {"pod_template_file": "/opt/pods/large.yaml"}
    assert [name for name, task in tasks.items() if task.executor_config] == ["train.trial"]
    assert [name for name, task in tasks.items() if task.queue == "large"] == ["train.fit"]
