"""A live platform with so many models that they are parsed together, one of which is broken and then mended."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from contender.bench.fleet import PROBE, write_models
from contender.client.airflow_api import AirflowApi
from contender.embedded.environment import environment
from contender.embedded.lifecycle import bring_up, take_down
from contender.embedded.ports import choose_ports
from contender.parsing.notes import TOGETHER, TOGETHER_FROM
from tests.integration.live import NO_ENGINE, wait_until

HEAVY = "heavy"
HEAVY_FILE = f'''"""Airflow DAG of more tasks than run at once, none of which ends by itself."""

import time
from datetime import UTC, datetime

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

with DAG("{HEAVY}", start_date=datetime(2013, 1, 1, tzinfo=UTC), schedule=None) as dag:
    for number in range(20):
        PythonOperator(task_id=f"task_{{number}}", python_callable=lambda: time.sleep(3600))
'''

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fork") / "dags"
    write_models(folder, TOGETHER_FROM)
    (folder / HEAVY).mkdir()
    (folder / HEAVY / "dag.py").write_text(HEAVY_FILE)
    return folder


@pytest.fixture(scope="module")
def api(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowApi]:
    home = tmp_path_factory.mktemp("many")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTENDER_MODELS", str(models))
        patch.setenv("DOCKER_HOST", NO_ENGINE)
        try:
            with contextlib.closing(bring_up(home, print).api()) as client:
                yield client
        finally:
            take_down(home, print)


def test_broken_model_shows_under_its_own_name_and_the_others_stay_and_run(models: Path, api: AirflowApi) -> None:
    def place(model: str) -> str:
        """First part of the path of the file that the model's DAG is parsed from."""
        return str(api.dag(f"{model}_train")["relative_fileloc"]).split("/", maxsplit=1)[0]  # type: ignore[index]

    names = sorted(path.parent.name for path in models.glob("*_*/dag.py"))
    broken, others = names[3], [name for name in names if name != names[3]]
    file = models / broken / "dag.py"
    whole = file.read_text()
    wait_until(lambda: all(api.dag(f"{name}_train") is not None for name in names), 180)
    assert api.import_errors() == []
    assert {place(name) for name in names} == {TOGETHER}

    file.write_text(whole.replace("SPEC = ModelSpec(", "SPEC = ModelSpec(\n    titel='',", 1))
    wait_until(lambda: bool(api.import_errors()), 120)
    (error,) = api.import_errors()
    assert error["filename"] == f"{broken}/dag.py"
    assert "unknown field 'titel'" in error["stack_trace"]
    assert "expected: 'title', or one of schema_version" in error["stack_trace"]
    assert not [name for name in others if api.dag(f"{name}_train")["is_stale"]]  # type: ignore[index]

    api.unpause(PROBE)
    run = api.trigger(PROBE, {})
    wait_until(lambda: api.run(PROBE, run)["state"] == "success", 120)

    file.write_text(whole)
    wait_until(lambda: api.import_errors() == [], 120)
    wait_until(lambda: not api.dag(f"{broken}_train")["is_stale"], 120)  # type: ignore[index]
    wait_until(lambda: place(broken) == TOGETHER, 120)


def test_model_with_more_tasks_than_slots_leaves_one_to_the_others(api: AirflowApi) -> None:
    api.unpause(HEAVY)
    api.unpause(PROBE)
    heavy = api.trigger(HEAVY, {})

    def states() -> Counter[str | None]:
        return Counter(task["state"] for task in api.tasks(HEAVY, heavy))

    slots = int(environment(Path("/home"), choose_ports({}, free=lambda _: True))["AIRFLOW__CORE__PARALLELISM"])
    wait_until(lambda: states()["running"] == slots - 1, 120)
    run = api.trigger(PROBE, {})
    wait_until(lambda: api.run(PROBE, run)["state"] == "success", 120)
    assert states()["running"] == slots - 1
    assert states()["success"] == 0
