"""The stack as its users meet it: brought up from a clean clone, used by browser, by command and by client.

The tests build on each other, in this order: bringing it up takes minutes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from contender.adapters.revision import CODE
from contender.embedded import screenshot
from tests.conftest import INTERVAL, Trained
from tests.docs.pages import example
from tests.stack.conftest import DEMO, Stack, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(2400)]

TRAIN, DEPLOY = "flight_delay_train", "flight_delay_deploy"
ENDED = {"success", "failed"}
REQUEST = {"flight": 407, "origin": "JFK", "dest": "LAX", "carrier": "VX", "tailnum": "N626VA"}
SERVERS = ("redis", "postgres", "mlflow", "engine-proxy", "airflow-apiserver", "airflow-scheduler",
           "airflow-dag-processor", "airflow-triggerer", "router")  # fmt: skip


def end_of(stack: Stack, run_id: str, *, dag: str = TRAIN, seconds: float = 900) -> dict[str, Any]:
    """The run's row once it has ended; it must have succeeded."""
    with stack.api() as api:
        wait_until(lambda: api.run(dag, run_id)["state"] in ENDED, seconds, f"{dag} {run_id}")
        failed = [(task["task_id"], task["map_index"]) for task in api.tasks(dag, run_id) if task["state"] == "failed"]
        assert api.run(dag, run_id)["state"] == "success", failed
        return api.run(dag, run_id)


def served_version(stack: Stack) -> str:
    answer = requests.get(f"{stack.url}/models/flight_delay/about", timeout=10)
    return str(answer.json()["about"]["version"]) if answer.ok else ""


def test_up_clean_clone_says_where_it_is_and_runs_healthy(stack: Stack) -> None:
    assert stack.url in stack.first_words
    assert stack.secrets["CONTENDER_ADMIN_PASSWORD"] in stack.first_words
    assert stack.well()


def test_up_again_changes_nothing_and_tells_no_secret(stack: Stack) -> None:
    before = stack.secrets
    ids = {row["Id"] for row in stack.containers()}
    again = stack.make("up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert stack.secrets == before
    assert {row["Id"] for row in stack.containers()} == ids
    assert [name for name, value in before.items() if len(value) > 8 and value in again.stdout + again.stderr] == []


def require_published_on_loopback_alone(stack: Stack) -> None:
    bound = {
        (row["Config"]["Labels"].get("com.docker.compose.service"), binding["HostIp"])
        for row in stack.containers()
        for bindings in (row["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or ()
    }
    assert bound == {("router", "127.0.0.1")}


def require_confined(stack: Stack) -> None:
    for row in stack.containers():
        name = row["Name"]
        users = {line.split()[1] for line in stack.docker("top", row["Id"], "-eo", "pid,uid").splitlines()[1:]}
        assert "0" not in users, f"{name} has processes of root"
        assert row["HostConfig"]["Memory"] > 0, name
        assert row["HostConfig"]["CapDrop"] == ["ALL"], name
        assert "Health" in row["State"], name
        assert row["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped", name


def require_socket_in_the_proxy_alone(stack: Stack) -> None:
    holders = [
        row["Config"]["Labels"].get("com.docker.compose.service")
        for row in stack.containers()
        if any(mount["Destination"].endswith("docker.sock") for mount in row["Mounts"])
    ]
    assert holders == ["engine-proxy"]


def require_sound(stack: Stack, *, served: int = 0, workers: int = 0) -> None:
    """What holds of every container, and that those meant are among them."""
    assert len(stack.containers()) == len(SERVERS) + served + workers
    require_published_on_loopback_alone(stack)
    require_confined(stack)
    require_socket_in_the_proxy_alone(stack)


def test_containers_of_the_idle_stack_are_confined(stack: Stack) -> None:
    require_sound(stack)


@contextlib.contextmanager
def browser(stack: Stack, path: str) -> Iterator[Any]:
    """A page, logged in by the form that opens in its place."""
    try:
        screenshot.chromium()
    except screenshot.NoBrowser as missing:
        pytest.skip(str(missing))
    user, password = stack.secrets["CONTENDER_ADMIN_USER"], stack.secrets["CONTENDER_ADMIN_PASSWORD"]
    with screenshot.page(stack.url, password, path, user=user) as shown:
        yield shown


def test_browser_first_run_equals_that_of_the_embedded_platform(stack: Stack, trained: Trained) -> None:
    with stack.api() as api:
        wait_until(lambda: api.dag(TRAIN) is not None and api.dag(DEPLOY) is not None, 120, "the DAGs to be parsed")
        assert api.import_errors() == []
        api.unpause(TRAIN)
    with browser(stack, f"/dags/{TRAIN}") as page:
        page.get_by_test_id("trigger-dag-button").click()
        page.fill("#element_interval", INTERVAL)
        page.keyboard.press("Tab")
        page.fill("input[name=element_trials]", "1")
        page.keyboard.press("Tab")
        page.wait_for_timeout(300)
        page.locator("[data-testid=trigger-dag-submit]").click()
        with stack.api() as api:
            wait_until(lambda: len(api.runs(TRAIN)) == 1, 60, "the run to be made")
            run_id = str(api.runs(TRAIN)[0]["dag_run_id"])
        end_of(stack, run_id)
        page.goto(f"{stack.url}/dags/{TRAIN}/runs/{run_id}")
        page.get_by_text("Success", exact=True).first.wait_for()
    with stack.api() as api:
        fitted, evidence, assembled = (
            api.xcom(TRAIN, run_id, task) for task in ("train.fit", "gate.measure", "train.assemble")
        )
        verdict = api.xcom(TRAIN, run_id, "gate.decide", "verdict")
        proof = api.xcom(TRAIN, run_id, "image.prove")
    there = trained.returned
    assert assembled["training_set"]["digest"] == there["train.assemble"]["training_set"]["digest"]
    assert fitted["model_digest"] == there["train.fit"]["model_digest"]
    assert evidence["challenger"] == there["gate.measure"]["challenger"]
    assert evidence["improvement"] == there["gate.measure"]["improvement"]
    assert (verdict["verdict"], proof["answered"]) == ("promote", 20)


def test_model_promoted_in_the_browser_is_served_by_the_router(stack: Stack) -> None:
    wait_until(lambda: served_version(stack) == "1", 180, "version 1 to be served")
    answer = stack.predict("flight_delay", REQUEST | {"scheduled_departure": "2013-03-01T01:00:00Z"})
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    assert 0 < prediction["probability"] < 1
    assert prediction["features"]["missing"] == []
    require_sound(stack, served=1)
    unknown = requests.get(f"{stack.url}/models/no_such_model/ready", timeout=10)
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (503, "NotServed")


def test_mlflow_is_behind_airflows_login_and_shows_the_run(stack: Stack) -> None:
    search = f"{stack.url}/mlflow/api/2.0/mlflow/registered-models/alias?name=flight_delay&alias=champion"
    assert requests.get(search, timeout=10).status_code == 401
    champion = requests.get(search, headers={"Authorization": f"Bearer {stack.token()}"}, timeout=10).json()
    assert champion["model_version"]["version"] == "1"
    login, clients = example("README.md", "token").rsplit("MLFLOW_TRACKING_URI", 1)
    told = json.loads(shell(stack, login))
    listed = shell(stack, f"MLFLOW_TRACKING_URI{clients}".replace("<access_token>", told["access_token"]))
    assert champion["model_version"]["run_id"] in listed
    with browser(stack, "/mlflow/") as page:
        page.get_by_text("Experiments").first.wait_for()
        page.evaluate("window.location.hash = '#/models/flight_delay/versions/1'")
        page.get_by_text("champion").first.wait_for()


@pytest.mark.parametrize(
    "path",
    ["/execution/health", "//execution/health", "/ui/../execution/health", "/%65xecution/x/%2e%2e/%2e%2e/health"],
)
def test_task_execution_api_is_not_reachable_from_outside(stack: Stack, path: str) -> None:
    host, port = stack.url.removeprefix("http://").split(":")
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=10)) as raw:
        raw.request("GET", path)  # as it is: a client that tidies paths would hide what this is about
        assert raw.getresponse().status == 404


def shell(stack: Stack, commands: str) -> str:
    """What commands of the README print in the clone, with this stack's port."""
    env = {**stack.env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{stack.env['PATH']}"}
    said = commands.replace("http://127.0.0.1:8080", stack.url)
    done = subprocess.run(
        ["bash", "-euc", said], cwd=stack.folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(stack: Stack, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=stack.folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_release_made_in_the_stack_names_the_commit_of_the_clone(stack: Stack) -> None:
    manifest = "/opt/contender/.contender/releases/flight_delay/1/release.json"
    release = json.loads(stack.docker("exec", stack.service("airflow-scheduler")[0], "cat", manifest))
    dirty = "-dirty" if git(stack, "status", "--porcelain", "--", *CODE) else ""
    assert release["code_revision"] == git(stack, "rev-parse", "HEAD") + dirty


def test_demo_compose_ends_well_and_serves_what_it_promoted(stack: Stack) -> None:
    shown = stack.make(*DEMO, "INTERVAL=2013-03")
    assert shown.returncode == 0, shown.stdout[-4000:] + shown.stderr
    assert "verdict" in shown.stdout
    assert "probability" in shown.stdout
    assert stack.secrets["CONTENDER_ADMIN_PASSWORD"] not in shown.stdout + shown.stderr
    with stack.api() as api:
        released = api.xcom(TRAIN, str(api.runs(TRAIN)[0]["dag_run_id"]), "promote.release")
    assert served_version(stack) == (released or {}).get("version", "1")


def registered(stack: Stack) -> dict[str, Any]:
    """What must survive a restart: versions with their digests, runs, the served version and its answer."""
    bearer = {"Authorization": f"Bearer {stack.token()}"}
    versions = requests.get(f"{stack.url}/mlflow/api/2.0/mlflow/model-versions/search", headers=bearer, timeout=20)
    with stack.api() as api:
        runs = sorted(run["dag_run_id"] for run in api.runs(TRAIN))
    asked = stack.predict("flight_delay", REQUEST | {"scheduled_departure": "2013-03-01T01:00:00Z"})
    return {
        "versions": sorted((one["version"], one["run_id"]) for one in versions.json()["model_versions"]),
        "runs": runs,
        "served": served_version(stack),
        "answer": asked.json(),
    }


@pytest.mark.parametrize("service", SERVERS)
def test_service_restarted_alone_comes_back_and_loses_nothing(stack: Stack, service: str) -> None:
    before = registered(stack)
    stack.docker("restart", *stack.service(service))
    time.sleep(2)
    wait_until(stack.well, 240, f"health after the restart of {service}")
    assert registered(stack) == before


def test_stack_down_and_up_again_with_workers_loses_nothing(stack: Stack) -> None:
    before = registered(stack)
    stopped = stack.make("down")
    assert stopped.returncode == 0, stopped.stderr
    assert stack.containers() == []
    started = stack.make("up", "PROFILE=celery", "WORKERS=2")
    assert started.returncode == 0, started.stdout + started.stderr
    wait_until(lambda: served_version(stack) == before["served"], 60, "the served model")
    assert registered(stack) == before


def test_celery_trials_run_on_both_workers_and_a_killed_one_does_not_fail_the_run(stack: Stack) -> None:
    workers = stack.service("airflow-worker")
    assert len(workers) == 2
    require_sound(stack, served=1, workers=2)
    with stack.api() as api:
        run_id = api.trigger(TRAIN, {"interval": "2013-03", "trials": 6})

        def trials() -> list[dict[str, Any]]:
            return [task for task in api.tasks(TRAIN, run_id) if task["task_id"] == "train.trial"]

        def both_at_it() -> bool:
            assert api.run(TRAIN, run_id)["state"] not in ENDED, "the run ended before a worker could be killed"
            return len({task["hostname"] for task in trials() if task["state"] == "running"}) == 2

        wait_until(both_at_it, 600, "trials on both workers")
        kill_hard(stack, workers[0])
    end_of(stack, run_id)
    with stack.api() as api:
        ended = trials()
    assert {task["state"] for task in ended} == {"success"}
    assert max(task["try_number"] for task in ended) > 1, "no trial was under way on the killed worker"
    wait_until(lambda: stack.well() and len(stack.service("airflow-worker")) == 2, 120, "the killed worker to be back")


def kill_hard(stack: Stack, container: str) -> None:
    """SIGKILL to the container's first process, from the host: after `docker kill` the engine would not restart it."""
    pid = stack.docker("inspect", "--format", "{{.State.Pid}}", container).strip()
    subprocess.run([*([] if os.geteuid() == 0 else ["sudo", "-n"]), "kill", "-KILL", pid], check=True)


def test_up_without_profile_dismisses_the_workers(stack: Stack) -> None:
    started = stack.make("up")
    assert started.returncode == 0, started.stdout + started.stderr
    assert stack.service("airflow-worker") == []
    wait_until(stack.well, 240, "health")
