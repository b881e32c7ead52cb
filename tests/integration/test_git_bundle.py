"""Models from a Git repository on a live platform: a run keeps the commit it started with, to its very end."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contender.client.airflow_api import AirflowApi
from contender.core.settings import CHECKOUT
from contender.embedded.environment import BUNDLES
from contender.embedded.lifecycle import Platform
from tests.docs.pages import example
from tests.integration.flights import DAG, ENDED, RUN_SECONDS, answered, asked, instance
from tests.integration.live import NO_ENGINE, live, wait_until

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]

CODE = ("dags", "feature_repo", "expectations")
SEEN_SECONDS = 60
# Put behind the model's own functions, so that a task's log says whose code it ran.
READS = """

_read = read


def read(table, source=""):
    print("{commit} commit reads", table)
    return _read(table, source)
"""
ROW_COUNT = "expect_table_row_count_to_be_between"
TOO_MANY = {"min_value": 1_000_000}


class Repository:
    """A bare repository with the models' code, and a clone to commit from."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.clone = folder / "models.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "clone", "--quiet", str(self.bare), str(self.clone))
        git(self.clone, "checkout", "--quiet", "-B", "main")
        for name in CODE:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / name, self.clone / name, ignore=ignored)
        # A module beside the definitions that the platform's own checkout has not.
        features = self.clone / "feature_repo"
        (features / "marker.py").write_text('print("feature definitions of the repository")\n')
        definitions = features / "flight_delay.py"
        definitions.write_text(definitions.read_text() + "\nimport feature_repo.marker\n")
        self.commits: dict[str, str] = {}
        self.push("first")

    def push(self, commit: str) -> str:
        """Commit everything, with a model that names the commit when it reads; the commit's SHA."""
        model = Path("dags", "flight_delay", "model.py")
        (self.clone / model).write_text((CHECKOUT / model).read_text() + READS.format(commit=commit))
        git(self.clone, "add", "--all")
        git(self.clone, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", commit)
        git(self.clone, "push", "--quiet", "origin", "main")
        self.commits[commit] = git(self.clone, "rev-parse", "HEAD")
        return self.commits[commit]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def platform(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform whose only DAGs are the repository's, without a Docker engine."""
    home = tmp_path_factory.mktemp("bundle")
    (bundle,) = json.loads(shlex.split(example("docs/production.md", "bundles"))[0].split("=", 1)[1])
    bundle["kwargs"] |= {"repo_url": str(repository.bare), "refresh_interval": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", NO_ENGINE)
        patch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "INFO")  # what a model prints is no warning
        patch.setenv(BUNDLES, json.dumps([bundle]))
        with live(home, DAG, SEEN_SECONDS) as started:
            yield started


@pytest.fixture(scope="module")
def api(platform: Platform) -> Iterator[AirflowApi]:
    """A client of the platform's Airflow."""
    with contextlib.closing(platform.api()) as client:
        yield client


@pytest.fixture(scope="module")
def old(api: AirflowApi, repository: Repository) -> str:
    """A run that began with the first commit and was approved after Airflow had taken up the second one."""
    run, _ = asked(api, {"interval": "2013-02"})
    suite = repository.clone / "expectations" / "flight_delay" / "planes.json"
    content = json.loads(suite.read_text())
    next(item for item in content["expectations"] if item["type"] == ROW_COUNT)["kwargs"] = TOO_MANY
    suite.write_text(json.dumps(content))
    pushed = repository.push("second")
    wait_until(lambda: (api.dag(DAG) or {})["bundle_version"] == pushed, SEEN_SECONDS)
    assert answered(api, run, "Approve", "looks right")["promote.release"] == "success"
    return run


@pytest.fixture(scope="module")
def new(api: AirflowApi, old: str) -> str:
    """A run for the same month, begun after the second commit."""
    run = api.trigger(DAG, {"interval": "2013-02", "trials": 1})
    wait_until(lambda: api.run(DAG, run)["state"] in ENDED, RUN_SECONDS)
    return run


def task(api: AirflowApi, run: str, task_id: str) -> dict[str, Any]:
    return next(found for found in api.tasks(DAG, run) if found["task_id"] == task_id)


def said(api: AirflowApi, run: str, task_id: str) -> str:
    """The log of the task's last try."""
    return json.dumps(api.log(DAG, run, task(api, run, task_id)))


def version(api: AirflowApi, run: str) -> str:
    """The commit that Airflow took the run to; of the DAG version it shows the newest with the same tasks."""
    return str(api.run(DAG, run)["bundle_version"])


def test_run_parked_over_a_commit_ends_with_the_code_of_its_start(
    platform: Platform, api: AirflowApi, repository: Repository, old: str
) -> None:
    assert version(api, old) == repository.commits["first"]
    release = json.loads((platform.home / "releases" / "flight_delay" / "1" / "release.json").read_text())
    assert release["code_revision"] == repository.commits["first"]
    assert release["features_digest"] == api.xcom(DAG, old, "features.materialise")["digest"]
    assert "first commit reads planes" in said(api, old, "data.validate")
    assert "feature definitions of the repository" in said(api, old, "features.materialise")


def test_new_run_takes_code_and_expectations_of_the_new_commit(
    api: AirflowApi, repository: Repository, new: str
) -> None:
    assert version(api, new) == repository.commits["second"]
    failed = task(api, new, "data.validate")
    assert (failed["state"], failed["try_number"]) == ("failed", 1)
    log = said(api, new, "data.validate")
    assert "second commit reads planes" in log
    assert "ValidationFailed" in log


def test_cleared_task_of_the_old_run_runs_the_old_code_and_expectations_again(
    api: AirflowApi, repository: Repository, old: str, new: str
) -> None:
    request = {"dry_run": False, "dag_run_id": old, "task_ids": ["data.validate"], "only_failed": False}
    api._expect("POST", f"/dags/{DAG}/clearTaskInstances", json=request)
    wait_until(lambda: api._expect("GET", instance(old, "data.validate"))["try_number"] == 2, RUN_SECONDS)
    wait_until(lambda: api.run(DAG, old)["state"] in ENDED, RUN_SECONDS)
    assert task(api, old, "data.validate")["state"] == "success"
    assert "first commit reads planes" in said(api, old, "data.validate")
    assert version(api, old) == repository.commits["first"]
