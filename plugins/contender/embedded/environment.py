"""The environment of every process of the embedded platform.

It is made in this one place: the launcher, tests and benchmarks use the same. The figures behind Airflow's settings
are in `docs/benchmarks.md`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from contender.core.settings import CHECKOUT, Settings
from contender.embedded.ports import HOST, Ports
from contender.parsing.listing import CALLABLE, SETTING, seconds_between_passes

ADMIN = "admin"
BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
# Airflow is given this path. SQLite takes one writer at a time, and its 5 s of patience are short on busy cores.
SQLITE_CONNECT_ARGS = {"timeout": 60}


def environment(home: Path, ports: Ports, user: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that the platform sets, to be laid over the user's.

    Whatever names a backend or tunes one is only a default: a variable of the same name in `user` wins. Places,
    ports and addresses of this platform are always ours, lest an exported `AIRFLOW_HOME` of another installation
    be written to.

    Args:
        home: Absolute folder of everything the platform writes.
        ports: The ports its servers listen on.
        user: The surrounding environment; the process's own when left out.

    Returns:
        Absolute paths and settings, all as text.
    """
    user = os.environ if user is None else user
    models = Path(user.get("CONTENDER_MODELS") or CHECKOUT / "dags").resolve()
    # With bundles of the user's, the models' code is each run's own checkout; ours on the path would hide it.
    bundled = bool(user.get(BUNDLES)) and not user.get("CONTENDER_MODELS")
    values = {**_mlflow(home), **_feast(), **_airflow_tuning(models, user), **_threads(), **_quiet()}
    values["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home / 'airflow' / 'airflow.db'}"
    values = {name: user.get(name) or value for name, value in values.items()}
    if values["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("sqlite:"):
        values["AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS"] = f"{__name__}.SQLITE_CONNECT_ARGS"
    ours = {
        "CONTENDER_HOME": str(home),
        "CONTENDER_MODELS": "" if bundled else str(models),
        "CONTENDER_MLFLOW_UI": _mlflow_ui(values["MLFLOW_TRACKING_URI"], ports),
        "PYTHONPATH": os.pathsep.join(_python_path(models, user.get("PYTHONPATH", ""), bundled)),
        "PATH": os.pathsep.join(_unique([str(Path(sys.executable).parent), user.get("PATH", os.defpath)])),
        **_airflow_places(home, ports, models),
        **_no_proxy_here(user),
    }
    return {**values, **ours}


def name_mlflow(places: Settings) -> None:
    """Have this process find MLflow: where its own variable does not name one, it is that of the embedded platform."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        os.environ["MLFLOW_TRACKING_URI"] = _mlflow(places.home)["MLFLOW_TRACKING_URI"]


def _airflow_places(home: Path, ports: Ports, models: Path) -> dict[str, str]:
    base = home / "airflow"
    url = f"http://{HOST}:{ports.airflow}"
    return {
        "AIRFLOW_HOME": str(base),
        "AIRFLOW__CORE__DAGS_FOLDER": str(models),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(base / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{ports.execution}/execution/",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(ports.airflow),
        "AIRFLOW__API__BASE_URL": url,
        # The default is one temporary folder for all checkouts of the machine.
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(base / "bundles"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(base / "logs"),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports.worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports.trigger_logs),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(ports.scheduler_health),
    }


def _airflow_tuning(models: Path, user: Mapping[str, str]) -> dict[str, str]:
    asked = user.get("AIRFLOW__CORE__PARALLELISM", "")  # what is no number is Airflow's to refuse
    parallelism = int(asked) if asked.isdigit() else min(8, max(4, os.cpu_count() or 4))
    return {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        # One model's trials leave another model a slot.
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(max(1, parallelism - 1)),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        # Tasks inherit the imports of `preload.py` through the fork; Python 3.14 would not fork of itself.
        "AIRFLOW__CORE__MP_START_METHOD": "fork",
        "AIRFLOW__API__INSTANCE_NAME": "Contender",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # At the default of 5 s a supervisor often holds the slot of an ended task that long. Never 0.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": str(seconds_between_passes(models)),
        # Many models are read in one process, which the default of 50 s is short for on busy cores.
        SETTING: CALLABLE,
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
    }


def _threads() -> dict[str, str]:
    """OpenMP's threads wait asleep, not spinning.

    Tasks run side by side, each with as many threads as there are cores. Measured on 2 busy cores, three fits of
    gradient boosting at once: 162 s spinning, 1.3 s asleep. How many threads there are is left to the user.
    """
    return {"OMP_WAIT_POLICY": "PASSIVE"}


def _mlflow(home: Path) -> dict[str, str]:
    return {
        # Tasks write to the database directly; the server is for the reader.
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
        # Without it an experiment made through the database keeps its artefacts in the working directory.
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(home / "mlflow" / "artifacts"),
        # 120 s and 7 retries of MLflow's own outlast a task's patience.
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def _mlflow_ui(tracking: str, ports: Ports) -> str:
    """A server of the user's shows its runs itself; a database is shown by ours."""
    return tracking if tracking.startswith("http") else f"http://{HOST}:{ports.mlflow}"


def _feast() -> dict[str, str]:
    return {"FEAST_FS_YAML_FILE_PATH": str(CHECKOUT / "feature_repo" / "feature_store.yaml"), "FEAST_USAGE": "False"}


def _quiet() -> dict[str, str]:
    return {
        "DO_NOT_TRACK": "true",
        "GX_ANALYTICS_ENABLED": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "MPLBACKEND": "Agg",
        "ORT_DISABLE_TELEMETRY": "1",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "PYTHONUNBUFFERED": "1",
        # Airflow renames its processes; this keeps the new name from overwriting the environment we find them by.
        "SPT_NOENV": "1",
    }


def _no_proxy_here(user: Mapping[str, str]) -> dict[str, str]:
    """Tasks speak to the API server by HTTP; a proxy of the user's must not get in between."""
    listed = [part for part in (user.get("NO_PROXY") or user.get("no_proxy") or "").split(",") if part]
    joined = ",".join(_unique([*listed, HOST, "localhost"]))
    return {"NO_PROXY": joined, "no_proxy": joined}


def _python_path(models: Path, inherited: str, bundled: bool) -> list[str]:
    path = _unique([str(CHECKOUT), str(CHECKOUT / "plugins"), str(models), *inherited.split(os.pathsep)])
    return [part for part in path if not (bundled and part == str(models))]


def _unique(parts: list[str]) -> list[str]:
    return list(dict.fromkeys(part for part in parts if part))
