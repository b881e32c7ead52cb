"""The launcher on a live platform in a folder of its own: start, run, use again, mend, stop."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import requests

from contender.adapters.containers import Engine
from contender.client.airflow_api import AirflowApi
from contender.core.errors import EngineUnavailable
from contender.core.settings import CHECKOUT
from contender.embedded import processes
from contender.embedded.environment import ADMIN
from contender.embedded.lifecycle import take_down

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODELS = CHECKOUT / "tests" / "integration" / "platform_models"
Run = Callable[..., subprocess.CompletedProcess[str]]


# Starts a platform as `make demo` does, and says how to reach it.
UP = """
import json, sys
from contender.core.settings import settings
from contender.embedded.lifecycle import bring_up
up = bring_up(settings().home, lambda line: print(line, file=sys.stderr))
print(json.dumps({"ports": up.ports.facts(), "url": up.airflow_url, "password": up.password}))
"""


def environment(home: Path, **variables: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "MLFLOW_"))},
        "CONTENDER_HOME": str(home),
        "CONTENDER_MODELS": str(MODELS),
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "plugins")]),
        **variables,
    }


def command(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = environment(home, **variables)
    call = [sys.executable, "-m", "contender.embedded", *arguments]
    return subprocess.run(call, env=env, capture_output=True, text=True, check=False, timeout=400)


def runs(up: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs that a platform tells whoever logs in with its password."""
    with contextlib.closing(AirflowApi(up["url"], ADMIN, up["password"])) as api:
        return api.runs("toy_train")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder whose platform is up, and what one said of itself that was started at the same moment.

    The other is down again; `runs` has what it answered while both were up.
    """
    folder, other = tmp_path_factory.mktemp("platform"), tmp_path_factory.mktemp("other")
    starting = subprocess.Popen([sys.executable, "-c", UP], env=environment(other), stdout=subprocess.PIPE, text=True)
    try:
        started = command(folder, "demo", "--model", "toy", "--interval", "2013-06")
        assert started.returncode == 0, started.stdout + started.stderr
        (folder / "first.txt").write_text(started.stdout)
        said = json.loads(starting.communicate(timeout=400)[0])
        said["runs"] = runs(said)
        assert take_down(other, print) == 0
        yield folder, said
    finally:
        starting.communicate()
        command(folder, "stop")
        assert [processes.end_survivors(one) for one in (folder, other)] == [0, 0]


@pytest.fixture(scope="module")
def home(homes: tuple[Path, dict[str, Any]]) -> Path:
    """A folder whose platform is up."""
    return homes[0]


def pids(home: Path) -> dict[str, int]:
    return {name: record.pid for name, record in processes.recorded(home).items()}


def airflow_url(home: Path) -> str:
    return f"http://127.0.0.1:{json.loads((home / 'platform.json').read_text())['ports']['airflow']}"


def test_demo_first_start_shows_progress_summary_and_addresses(home: Path) -> None:
    text = (home / "first.txt").read_text()
    password = json.loads((home / "airflow" / "passwords.json").read_text())["admin"]
    for part in (
        "scheduler      ready after",
        "train.trial[1]",
        "skipped",
        "flights: 1,234 rows validated, 2 quarantined",
        "HOLD",
        "a toy is never promoted",
        "serving      nothing: there is no champion to serve",
        f"{airflow_url(home)}   user admin, password {password}",
        "/contender/data_docs/toy/2013-06/flights.html",
        "`make stop` ends the platform",
    ):
        assert part in text, text


def test_bring_up_two_homes_at_once_each_has_its_own_ports_and_answers_its_own_password(
    homes: tuple[Path, dict[str, Any]],
) -> None:
    home, other = homes
    one = {
        "ports": json.loads((home / "platform.json").read_text())["ports"],
        "url": airflow_url(home),
        "password": json.loads((home / "airflow" / "passwords.json").read_text())["admin"],
    }
    for name in ("airflow", "execution", "mlflow", "worker_logs", "scheduler_health"):
        assert one["ports"][name] != other["ports"][name]
    assert one["password"] != other["password"]
    assert other["runs"] == []
    assert [run["conf"]["interval"] for run in runs(one)] == ["2013-06"]


def test_api_of_tasks_is_a_process_of_its_own_lest_the_two_lock_each_other_out(home: Path) -> None:
    ports = json.loads((home / "platform.json").read_text())["ports"]
    assert pids(home)["execution-api"] != pids(home)["api-server"]

    def answers(api: str, path: str) -> bool:
        answer = requests.get(f"http://127.0.0.1:{ports[api]}{path}", timeout=10)
        return answer.ok and "json" in answer.headers["Content-Type"]  # the UI has a page for whatever path

    assert answers("airflow", "/api/v2/version")
    assert not answers("airflow", "/execution/health")
    assert answers("execution", "/execution/health")
    assert not answers("execution", "/api/v2/version")


def test_demo_tasks_keep_their_artefacts_in_the_home(home: Path) -> None:
    assert len(list((home / "mlflow" / "artifacts").rglob("hello.txt"))) == 1
    assert not (home / "mlruns").exists()


def test_demo_tasks_reach_the_docker_engine_that_its_caller_does(home: Path) -> None:
    (told,) = (home / "mlflow" / "artifacts").rglob("engine.txt")
    try:
        Engine.connect()
    except EngineUnavailable:
        assert told.read_text() == "none answers"
    else:
        assert told.read_text() == "answers"


def test_scheduler_has_preloaded_what_tasks_import(home: Path) -> None:
    mapped = Path(f"/proc/{pids(home)['scheduler']}/maps").read_text()
    assert "sklearn" in mapped
    assert "onnxruntime" in mapped


def test_demo_again_uses_the_running_platform(home: Path) -> None:
    before = pids(home)
    again = command(home, "demo", "--model", "toy", "--interval", "2013-07")
    assert again.returncode == 0, again.stderr
    assert pids(home) == before
    assert "Starting" not in again.stdout


def test_demo_failing_task_names_it_with_its_error_and_log(home: Path) -> None:
    failed = command(home, "demo", "--model", "toy", "--interval", "2013-12")
    assert failed.returncode == 1
    assert "data.validate: ValueError: column temp: expected Fahrenheit, got Celsius" in failed.stderr
    log = Path(failed.stderr.split("log: ")[1].splitlines()[0])
    assert "Celsius" in log.read_text()
    assert re.search(r"data\.validate +FAILED", failed.stdout)
    assert "will try again" not in failed.stdout


def test_demo_killed_process_and_unreachable_server_are_tried_again(home: Path) -> None:
    again = command(home, "demo", "--model", "toy", "--interval", "2013-11")
    assert again.returncode == 0, again.stdout + again.stderr
    for task in (r"data\.validate", r"train\.trial\[1\]"):
        assert re.search(rf"{task} +failed, will try again", again.stdout), again.stdout
        assert re.search(rf"{task} +done", again.stdout), again.stdout
    assert not re.search(r"train\.trial\[0\] +failed", again.stdout)


def test_demo_interrupted_leaves_the_platform_up(home: Path) -> None:
    before = pids(home)
    env = {**os.environ, "CONTENDER_HOME": str(home), "CONTENDER_MODELS": str(MODELS)}
    env["PYTHONPATH"] = str(CHECKOUT / "plugins")
    call = [sys.executable, "-u", "-m", "contender.embedded", "demo", "--model", "toy"]
    with subprocess.Popen(call, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "Triggered" in process.stdout.readline()
        refused = command(home, "demo", "--model", "toy")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert "stays up" in process.stderr.read()
    assert refused.returncode == 1
    assert f"another `demo` works on this platform; where: {home}; got: process {process.pid}" in refused.stderr
    assert all(processes.is_alive(record) for record in processes.recorded(home).values())
    assert pids(home) == before


def test_data_docs_need_the_login_and_stay_in_their_folder(home: Path) -> None:
    report = home / "data_docs" / "toy" / "report.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("<h1>a report</h1>")
    url = f"{airflow_url(home)}/contender/data_docs"
    password = json.loads((home / "airflow" / "passwords.json").read_text())["admin"]
    with requests.Session() as http:
        http.trust_env = False
        assert http.get(f"{url}/toy/report.html").status_code == 401
        login = {"username": "admin", "password": password}
        token = http.post(f"{airflow_url(home)}/auth/token", json=login).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        assert "a report" in http.get(f"{url}/toy/report.html").text
        assert "toy/report.html" in http.get(f"{url}/").text
        assert '<a href="report.html">' in http.get(f"{url}/toy/").text
        for path in ("..%2fairflow%2fpasswords.json", "%2fetc%2fpasswd", "toy/..%2f..%2fplatform.json", "..%2f"):
            assert http.get(f"{url}/{path}").status_code == 404, path


def test_demo_after_a_killed_scheduler_mends_the_platform(home: Path) -> None:
    before = pids(home)
    os.kill(before["scheduler"], signal.SIGKILL)
    mended = command(home, "demo", "--model", "toy", "--interval", "2013-08")
    assert mended.returncode == 0, mended.stderr
    assert "a part of it had ended" in mended.stdout
    assert pids(home)["scheduler"] != before["scheduler"]


def test_stop_leaves_no_process_and_again_is_fine(home: Path) -> None:
    sessions = set(pids(home).values())
    stopped = command(home, "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert processes.survivors(home) == []
    assert [process for process in psutil.process_iter() if _session(process) in sessions] == []
    again = command(home, "stop")
    assert (again.returncode, again.stdout.strip()) == (0, "Nothing to stop: the platform is not running")


def test_stop_where_nothing_ever_ran_exits_0(tmp_path: Path) -> None:
    stopped = command(tmp_path / "none", "stop")
    assert (stopped.returncode, stopped.stdout.strip()) == (0, "Nothing to stop: there is no platform here")


def test_demo_port_taken_says_which_and_starts_nothing(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = str(server.getsockname()[1])
        failed = command(tmp_path, "demo", "--model", "toy", CONTENDER_PORT_AIRFLOW=port)
    assert failed.returncode == 1
    assert f"port {port} belongs to another program; where: CONTENDER_PORT_AIRFLOW" in failed.stderr
    assert processes.recorded(tmp_path) == {}


def test_demo_mlflow_unreachable_at_start_says_so_and_starts_nothing(tmp_path: Path) -> None:
    failed = command(tmp_path, "demo", "--model", "toy", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert failed.returncode == 1
    assert "MLflow does not answer; where: MLFLOW_TRACKING_URI=http://127.0.0.1:9" in failed.stderr
    assert processes.recorded(tmp_path) == {}


def test_demo_unknown_model_names_the_known_ones(tmp_path: Path) -> None:
    failed = command(tmp_path, "demo", "--model", "nope")
    assert failed.returncode == 1
    assert "there is no model nope" in failed.stderr
    assert "one of toy" in failed.stderr


def _session(process: psutil.Process) -> int:
    """The session of a living process; one that has ended and only waits to be reaped has none."""
    try:
        return -1 if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (ProcessLookupError, psutil.NoSuchProcess):
        return -1
