from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from contender.client.airflow_api import AirflowApi
from contender.client.runs import RunFailed
from contender.client.served import ExampleRefused, NoChampion, predict, served_version
from contender.stack.inside import PARTS, PATIENCE_SECONDS, Unwell, Watch, site, wait_until_served

WELL = {part: {"status": "healthy"} for part in PARTS}
PROMOTED = {("promote.release", "return_value"): {"version": 3}}


class Server(HTTPServer):
    """Answers each path with its list of answers, one after the other and the last for ever."""

    answers: dict[str, list[tuple[int, Any]]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answers = self.server.answers.get(self.path.partition("?")[0], [(404, {})])
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """Airflow's API and the router in one."""
    with Server(("127.0.0.1", 0), Answering) as serving:
        serving.answers = {}
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def served(server: Server, values: Any, said: list[str]) -> Any:
    api = AirflowApi(server.url, "admin", "password")
    try:
        on = site(api, "http://shown:1")
        return wait_until_served(on, "toy", said.append, "run", values, router=server.url)
    finally:
        api.close()


def deployed(server: Server, state: str, task: dict[str, Any]) -> None:
    """The promotion's asset has started a run of `toy_deploy`, which ended in `state`."""
    started = [{"dag_id": "other", "run_id": "x"}, {"dag_id": "toy_deploy", "run_id": "d"}]
    run = "/api/v2/dags/toy_deploy/dagRuns/d"
    row = {"task_id": "deploy.serve", "map_index": -1, "try_number": 1, "duration": 1.0, "end_date": "1", **task}
    server.answers = {
        "/api/v2/assets/events": [(200, {"asset_events": []}), (200, {"asset_events": [{"created_dagruns": started}]})],
        "/api/v2/monitor/health": [(200, WELL)],
        run: [(200, {"state": state})],
        f"{run}/taskInstances": [(200, {"task_instances": [row], "total_entries": 1})],
        f"{run}/taskInstances/deploy.serve/logs/1": [(200, {"content": [{"event": "no image", "level": "error"}]})],
    }


def about(version: int) -> tuple[int, Any]:
    return 200, {"about": {"version": version}}


def test_wait_until_served_follows_the_deployment_then_asks_until_the_version_answers(server: Server) -> None:
    deployed(server, "success", {"state": "success"})
    server.answers["/models/toy/about"] = [about(2), (503, {}), about(3)]
    said: list[str] = []
    found = served(server, PROMOTED, said)
    assert (found.version, found.url, found.shown) == ("3", f"{server.url}/models/toy", "http://shown:1/models/toy")
    assert "deploy.serve" in said[-1]


def test_wait_until_served_failed_deployment_tells_its_error_and_its_page(server: Server) -> None:
    deployed(server, "failed", {"state": "failed"})
    with pytest.raises(RunFailed, match=r"toy_deploy failed in deploy\.serve") as raised:
        served(server, PROMOTED, [])
    assert "no image\n    log: http://shown:1/dags/toy_deploy/runs/d/tasks/deploy.serve" in str(raised.value)


def test_wait_until_served_nothing_promoted_takes_what_serves_or_says_none_does(server: Server) -> None:
    server.answers = {"/models/toy/about": [about(1)]}
    assert served(server, {}, []).version == "1"
    server.answers = {}
    with pytest.raises(NoChampion):
        served(server, {}, [])


def test_served_version_nobody_answers_is_none() -> None:
    assert served_version("http://127.0.0.1:9") is None


def test_predict_refusal_is_told_with_its_answer(server: Server) -> None:
    server.answers = {"/predict": [(422, {"error": "unknown carrier"})]}
    with pytest.raises(ExampleRefused, match=r"422.*unknown carrier"):
        predict(server.url, {"carrier": "?"})


def test_watch_part_down_for_a_restart_is_waited_for_then_told() -> None:
    now, health = [0.0], [dict[str, Any](WELL)]
    watch = Watch(lambda: health[0], lambda: now[0])
    health[0] = {**WELL, "scheduler": {"status": "unhealthy"}}
    now[0] = PATIENCE_SECONDS - 1.0
    watch()
    health[0] = WELL
    watch()
    health[0] = {}
    now[0] += PATIENCE_SECONDS
    watch()
    now[0] += 1
    with pytest.raises(Unwell, match="metadatabase None"):
        watch()
