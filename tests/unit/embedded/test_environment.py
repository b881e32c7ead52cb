from __future__ import annotations

from pathlib import Path

import pytest

from contender.core.settings import CHECKOUT
from contender.embedded.environment import BUNDLES, environment
from contender.embedded.ports import Ports

HOME = Path("/somewhere/home")
PORTS = Ports(airflow=1, mlflow=2, serving=3, execution=7, worker_logs=4, trigger_logs=5, scheduler_health=6)


def test_environment_two_homes_share_no_place_and_no_port() -> None:
    one = environment(HOME, PORTS, user={})
    other = environment(Path("/other"), Ports(11, 12, 13, 14, 15, 16, 17), user={})
    for name, value in one.items():
        if str(HOME) in value or name.endswith("_PORT"):
            assert other[name] != value, name


def test_environment_every_path_is_absolute() -> None:
    values = environment(HOME, PORTS, user={})
    assert values["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{HOME}/airflow/airflow.db"
    assert values["MLFLOW_TRACKING_URI"] == f"sqlite:///{HOME}/mlflow/mlflow.db"
    for name in ("AIRFLOW_HOME", "CONTENDER_HOME", "CONTENDER_MODELS", "FEAST_FS_YAML_FILE_PATH"):
        assert Path(values[name]).is_absolute(), name


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_URI", "FEAST_FS_YAML_FILE_PATH", "AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__PARALLELISM"]
)
def test_environment_backend_set_by_user_wins(name: str) -> None:
    assert environment(HOME, PORTS, user={name: "mine"})[name] == "mine"


@pytest.mark.parametrize(("parallelism", "of_one"), [("16", "15"), ("2", "1"), ("1", "1")])
def test_environment_one_dag_leaves_a_slot_of_those_there_are(parallelism: str, of_one: str) -> None:
    values = environment(HOME, PORTS, user={"AIRFLOW__CORE__PARALLELISM": parallelism})
    assert values["AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG"] == of_one


@pytest.mark.parametrize(
    ("tracking", "shown"),
    [
        ("", "http://127.0.0.1:2"),
        ("postgresql://db/mlflow", "http://127.0.0.1:2"),
        ("http://theirs:5", "http://theirs:5"),
    ],
)
def test_environment_mlflow_ui_is_the_users_server_or_ours(tracking: str, shown: str) -> None:
    assert environment(HOME, PORTS, user={"MLFLOW_TRACKING_URI": tracking})["CONTENDER_MLFLOW_UI"] == shown


@pytest.mark.parametrize("name", ["AIRFLOW_HOME", "AIRFLOW__API__PORT", "AIRFLOW__CORE__DAGS_FOLDER"])
def test_environment_place_of_another_installation_is_not_used(name: str) -> None:
    assert environment(HOME, PORTS, user={name: "theirs"})[name] != "theirs"


def test_environment_python_path_leads_with_checkout_and_keeps_the_users() -> None:
    path = environment(HOME, PORTS, user={"PYTHONPATH": "/mine"})["PYTHONPATH"].split(":")
    assert path == [str(CHECKOUT), str(CHECKOUT / "plugins"), str(CHECKOUT / "dags"), "/mine"]


def test_environment_models_folder_set_is_the_dags_folder() -> None:
    values = environment(HOME, PORTS, user={"CONTENDER_MODELS": "/models"})
    assert values["AIRFLOW__CORE__DAGS_FOLDER"] == "/models"
    assert "/models" in values["PYTHONPATH"].split(":")


def test_environment_of_many_models_has_their_files_read_less_often(tmp_path: Path) -> None:
    def seconds(models: int) -> str:
        for number in range(models):
            (tmp_path / f"model_{number}").mkdir(exist_ok=True)
            (tmp_path / f"model_{number}" / "dag.py").touch()
        values = environment(HOME, PORTS, user={"CONTENDER_MODELS": str(tmp_path)})
        return values["AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"]

    assert [seconds(models) for models in (1, 50, 79, 80, 159, 160, 500)] == ["10", "10", "10", "20", "20", "30", "70"]


def test_environment_proxy_of_the_user_spares_the_loopback_interface() -> None:
    values = environment(HOME, PORTS, user={"no_proxy": "intranet"})
    assert values["NO_PROXY"] == values["no_proxy"] == "intranet,127.0.0.1,localhost"


def test_environment_openmp_waits_asleep_with_as_many_threads_as_it_likes() -> None:
    values = environment(HOME, PORTS, user={})
    assert values["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "OMP_NUM_THREADS" not in values


def test_environment_with_bundles_of_the_users_leaves_our_models_off_the_path() -> None:
    user = {BUNDLES: "[]", "PYTHONPATH": f"{CHECKOUT / 'dags'}:/mine"}
    values = environment(HOME, PORTS, user=user)
    assert values["PYTHONPATH"].split(":") == [str(CHECKOUT), str(CHECKOUT / "plugins"), "/mine"]
    assert values["CONTENDER_MODELS"] == ""
