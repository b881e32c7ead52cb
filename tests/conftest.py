"""One home for a whole test session, and the reference model trained in it once.

What tools read when they are imported is set here, before any test module imports them. The variables that name
backends are set by fixtures alone, so that tests which start processes of their own do not pass them on.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HOME = Path(tempfile.mkdtemp(prefix="contender-tests-"))

os.environ.update(
    CONTENDER_HOME=str(HOME),
    AIRFLOW_HOME=str(HOME / "airflow"),
    AIRFLOW__CORE__DAGS_FOLDER=str(Path(__file__).parents[1] / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(Path(__file__).parents[1] / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
    DO_NOT_TRACK="true",
    GX_ANALYTICS_ENABLED="False",
    FEAST_USAGE="False",
    GIT_PYTHON_REFRESH="quiet",
    MPLBACKEND="Agg",
    CONTENDER_OSV="none",  # no test asks the world; those of the scan have a server of their own
)
# Threads that wait in a busy loop for their turn make a fit of one second last thirty where processors are shared.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before Feast is imported, which switches prometheus-client to counters in files that all apps of a process share.
import prometheus_client  # noqa: E402, F401

from tests.online_stores import address, own_redis, redis_server, session_redis  # noqa: E402, F401
from tests.postgres import own_postgres, postgres  # noqa: E402, F401
from tests.predictions import predictions_address  # noqa: E402, F401
from tests.s3 import s3  # noqa: E402, F401

INTERVAL = "2013-02"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests share a process where there are several (`--dist loadgroup`), and which begin first.

    Those of one file do, for their fixtures; so do all that need the trained model, which is then trained once, all
    that need the one Docker engine of the machine, whose images and containers they count, and all that look at one
    live platform. Groups with a long timeout begin first, then those of many tests, lest one long test be left to the
    end.
    """
    groups = {item: _group(item) for item in items}
    longest, sizes = dict.fromkeys(groups.values(), 0), Counter(groups.values())
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
        if timeout := item.get_closest_marker("timeout"):
            longest[group] = max(longest[group], timeout.args[0])
    items.sort(key=lambda item: (-longest[groups[item]], -sizes[groups[item]], groups[item]))


def _group(item: pytest.Item) -> str:
    needs = {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())}
    if needs & {"engine", "stack"}:
        return "engine"
    return next((name for name in ("trained", "flights") if name in needs), item.path.stem)


def pytest_sessionfinish() -> None:
    """Remove the session's home."""
    shutil.rmtree(HOME, ignore_errors=True)


@dataclass(frozen=True)
class Trained:
    """One run of `flight_delay_train` by Airflow, on an empty home and without a Docker engine.

    Attributes:
        home: Where everything was written.
        states: State of each task instance, by task id; of a mapped task's, by `task_id[map_index]`.
        returned: What each task returned, likewise.
    """

    home: Path
    states: dict[str, str]
    returned: dict[str, Any]


@pytest.fixture(scope="session")
def platform_home() -> Path:
    """The folder that `CONTENDER_HOME` names in this session."""
    return HOME


@pytest.fixture(scope="session")
def backends(platform_home: Path) -> dict[str, str]:
    """The variables that name the backends below the home, as the launcher sets them, and no Docker engine."""
    from contender.core.settings import ONLINE_STORE

    return {
        "MLFLOW_TRACKING_URI": f"sqlite:///{platform_home / 'mlflow.db'}",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "CONTENDER_FEAST_REGISTRY": f"sqlite:///{platform_home / 'feast_registry.db'}",
        "CONTENDER_ONLINE_STORE": str(platform_home / ONLINE_STORE),
        "DOCKER_HOST": "tcp://127.0.0.1:1",
        "DOCKER_API_VERSION": "1.41",
    }


@pytest.fixture(scope="session")
def bag(platform_home: Path, backends: Mapping[str, str]) -> Any:
    """The repository's DAGs, known to a metadata database of this session."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    from contender.core.settings import settings

    with applied(backends):
        platform_home.joinpath("airflow").mkdir(exist_ok=True)
        initdb()
        parsed = DagBag(settings().models, bundle_path=settings().models, bundle_name="dags-folder")
        DagBundlesManager().sync_bundles_to_db()
        sync_bag_to_db(parsed, "dags-folder", None)
        return parsed


@pytest.fixture(scope="session")
def trained(bag: Any, platform_home: Path, backends: Mapping[str, str]) -> Trained:
    """The first training run of the reference model, and what is left of it."""
    # Feast's definitions take the lake's place when they are imported; another test may have had another one.
    sys.modules.pop("feature_repo.flight_delay", None)
    with applied(backends):
        states, returned = run_dag(bag.dags["flight_delay_train"], interval=INTERVAL, trials=1)
    failed = sorted(task for task, state in states.items() if state == "failed")
    assert not failed, f"the first run of flight_delay_train failed at {failed}; its log is above"
    return Trained(home=platform_home, states=states, returned=returned)


@pytest.fixture
def platform(trained: Trained, backends: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Trained:
    """The trained platform, with its backends in the environment of this test."""
    for name, value in backends.items():
        monkeypatch.setenv(name, value)
    return trained


def run_dag(dag: Any, **params: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Run a DAG in this process; states and results of its task instances by id."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    run = dag.test(run_conf=params)
    states, returned = {}, {}
    with create_session() as session:
        for ti in run.get_task_instances(session=session):
            name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            states[name] = str(ti.state)
            found = XComModel.get_many(
                run_id=run.run_id, dag_ids=dag.dag_id, task_ids=ti.task_id, key="return_value",
                map_indexes=ti.map_index,
            )  # fmt: skip
            value = session.scalars(found).first()
            returned[name] = None if value is None else XComModel.deserialize_value(value)
    return states, returned


@contextmanager
def applied(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables in the environment of a block, for fixtures that outlive a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield
