"""What every DAG of the platform must have."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from sqlalchemy import exc

from contender.core.errors import (
    EngineUnavailable,
    OnlineStoreUnreachable,
    PromotionRefused,
    TableContended,
    TrackingUnreachable,
    ValidationFailed,
)

VERBS = {
    "validate", "load", "build", "materialise", "assemble", "plan", "trial", "fit", "measure", "decide", "promote",
    "hold", "reject", "prove", "inventory", "approve", "push", "release", "predict", "serve", "prune",
}  # fmt: skip


@pytest.fixture(params=["flight_delay_train", "flight_delay_score", "flight_delay_deploy"])
def dag(request: pytest.FixtureRequest, bag: Any) -> Any:
    return bag.dags[request.param]


def test_dag_has_an_owner_tags_and_documentation(dag: Any) -> None:
    assert dag.owner == "ml-platform"
    model, purpose = dag.dag_id.rsplit("_", 1)
    assert set(dag.tags) == {model, purpose}
    for part in ("Purpose", "Inputs", "Outputs", "What is normal", "When to worry", "Owner"):
        assert f"**{part}" in dag.doc_md
    assert dag.description


def test_dag_starts_with_the_data_and_runs_once_at_a_time(dag: Any) -> None:
    assert dag.start_date.isoformat() == "2013-01-01T00:00:00+00:00"
    # An end would take the tasks out of runs that are triggered later: the timetable has it.
    assert dag.end_date is None
    assert all(task.end_date is None for task in dag.tasks)
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_dag_retries_nothing_that_will_repeat(dag: Any) -> None:
    for task in dag.tasks:
        database = (exc.IntegrityError("INSERT", {}, Exception()), exc.ProgrammingError("SELEC", {}, Exception()))
        ours = (ValidationFailed("bad rows"), PromotionRefused("no"))
        for error in (*ours, *database, DuplicatedStudyError(), ValueError("bug"), MemoryError()):
            assert task.retry_policy.evaluate(error, 1, task.retries).action is RetryAction.FAIL


def test_dag_retries_what_was_killed_and_what_did_not_answer(dag: Any) -> None:
    for task in dag.tasks:
        assert (task.retries, task.retry_delay.total_seconds()) == (2, 10)
        api = AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))
        database = (exc.OperationalError("SELECT 1", {}, Exception()), exc.InterfaceError("SELECT 1", {}, Exception()))
        ours = (
            EngineUnavailable("away"), OnlineStoreUnreachable("away"), TableContended("busy"),
            TrackingUnreachable("away"),
        )  # fmt: skip
        for error in (*ours, *database, StorageInternalError(), api):
            assert task.retry_policy.evaluate(error, 1, task.retries).action is RetryAction.RETRY


def test_dag_retries_what_a_database_that_is_away_really_raises(dag: Any) -> None:
    from feast.infra.registry.sql import SqlRegistry, SqlRegistryConfig

    from contender.adapters import tuning

    away = "postgresql+psycopg2://a:b@127.0.0.1:1/c"
    config = SqlRegistryConfig(registry_type="sql", path=away)
    for ask in (lambda: tuning.parameters(away, "study", 0), lambda: SqlRegistry(config, "project", None)):
        with pytest.raises(Exception) as raised:  # noqa: PT011  the policy says which it may be
            ask()
        for task in dag.tasks:
            assert task.retry_policy.evaluate(raised.value, 1, task.retries).action is RetryAction.RETRY, raised


def test_task_groups_explain_themselves_in_one_sentence(dag: Any) -> None:
    groups = [group for name, group in dag.task_group_dict.items() if name]
    assert groups
    for group in groups:
        assert group.tooltip, group.group_id
        assert not group.tooltip.endswith(".")
        assert ". " not in group.tooltip


def test_task_ids_are_a_stage_and_a_verb(dag: Any) -> None:
    for task_id in dag.task_ids:
        stage, verb = task_id.split(".")
        assert stage in dag.task_group_dict
        assert verb in VERBS


def test_each_stage_has_one_colour_of_its_own(bag: Any) -> None:
    of_stage: dict[str, set[str]] = {}
    for dag in bag.dags.values():
        for task in dag.tasks:
            if task.task_type != "EmptyOperator":
                of_stage.setdefault(task.task_id.split(".")[0], set()).add(task.ui_color)
    assert all(len(colours) == 1 for colours in of_stage.values()), of_stage
    assert len(set().union(*of_stage.values())) == len(of_stage)


def test_dag_serialised_twice_is_the_same(dag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(dag)


def test_dag_folder_synced_again_makes_no_new_version(bag: Any) -> None:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dag_version import DagVersion
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    def versions() -> int:
        with create_session() as session:
            return int(session.scalar(select(func.count()).select_from(DagVersion)) or 0)

    before = versions()
    assert before == len(bag.dags)
    again = DagBag(bag.dag_folder, bundle_path=bag.bundle_path, bundle_name="dags-folder")
    sync_bag_to_db(again, "dags-folder", None)
    assert versions() == before
