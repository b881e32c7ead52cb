"""What every task is tried again after: a process that was killed, and something outside that did not answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Context, RetryAction
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowRuntimeError

from contender.core.errors import (
    EngineUnavailable,
    OnlineStoreUnreachable,
    RegistryUnreachable,
    TableContended,
    TrackingUnreachable,
)

OUTSIDE = (
    EngineUnavailable, OnlineStoreUnreachable, RegistryUnreachable, TrackingUnreachable,
    TableContended,  # by runs of other models that share it
    AirflowRuntimeError,  # Airflow's own API server
)  # fmt: skip
# PostgreSQL, where Feast's registry and Optuna's studies lie. By name: parsing a DAG imports no library of a stage.
OUTSIDE_BY_NAME = frozenset(
    {
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.InterfaceError",
        "optuna.exceptions.StorageInternalError",  # how Optuna passes on what SQLAlchemy raises
    }
)


class RetryOutside(RetryPolicy):
    """Retry what says that something outside did not answer; every other exception repeats, and fails at once.

    Airflow's `ExceptionRetryPolicy` takes names of classes too, but imports them when the DAG is parsed.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide by the exception's class and those that it is derived from; its causes are not looked at."""
        names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(exception).__mro__}
        if isinstance(exception, OUTSIDE) or names & OUTSIDE_BY_NAME:
            return RetryDecision(RetryAction.RETRY, reason=f"{type(exception).__name__}: something did not answer")
        return RetryDecision.fail()


RETRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=10), "retry_policy": RetryOutside()}
