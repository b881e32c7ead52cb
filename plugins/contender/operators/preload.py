"""What the process that forks the tasks imports before it does.

A task is a fork of a fork: of the scheduler with the LocalExecutor, of the worker with Celery's. What that process has
imported is there in every task for nothing; what it has not, every task imports anew: measured, ten tasks that need
MLflow and scikit-learn take 4 s instead of 57 s. Nothing is *run* here: OpenMP's threads do not survive a fork.
`airflow_local_settings.py` of each platform calls it.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
import warnings

AIRFLOW = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.sdk.bases.decorator",
    "airflow.providers.standard.operators.python",
    "airflow.providers.standard.decorators.python",
)
LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow.dataset",
    "sklearn.pipeline",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.metrics",
    "duckdb",
    "deltalake",
    "feast",
    "feast.infra.registry.sql",
    "mlflow",
    "mlflow.sklearn",
    "optuna",
    "onnxruntime",
    "skl2onnx",
    "great_expectations",
    "matplotlib.pyplot",
    "docker",
    "cyclonedx.output.json",
    "in_toto_attestation.v1.statement",
    "securesystemslib.signer",
)

log = logging.getLogger(__name__)


def wanted(arguments: list[str], executor: str) -> bool:
    """Whether this process is the one whose forks run tasks.

    Args:
        arguments: Its command line.
        executor: Airflow's executor.
    """
    command = arguments[:3]
    return "worker" in command or ("scheduler" in command and "LocalExecutor" in executor)


def preload(arguments: list[str] | None = None) -> list[str]:
    """Import everything if tasks are forks of this process.

    Returns:
        Names of the modules that were imported. One that is missing is left to the task that needs it, which then
        fails with its own name in the log.
    """
    executor = os.environ.get("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    if not wanted(sys.argv if arguments is None else arguments, executor):
        return []
    started, imported = time.monotonic(), []
    # It reports each of its own closures at level info, thousands of lines in the scheduler's log.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    for name in (*AIRFLOW, *LIBRARIES):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what libraries deprecate among each other is not the reader's
                importlib.import_module(name)
        except ImportError as error:
            log.warning("Not preloaded, tasks that need it will be slower: %s (%s)", name, error)
        else:
            imported.append(name)
    log.info("Preloaded %d modules in %.1f s", len(imported), time.monotonic() - started)
    return imported
