from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from contender.client.airflow_api import AirflowApi, AirflowRefused

Answer = tuple[int, str]


@pytest.fixture
def airflow() -> Iterator[Callable[..., tuple[AirflowApi, list[str]]]]:
    """Makes a client of a server that gives these answers in turn, and the list of what it was asked."""
    servers: list[HTTPServer] = []

    def make(*answers: Answer) -> tuple[AirflowApi, list[str]]:
        left, asked = list(answers), list[str]()

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                asked.append(f"{self.command} {self.path.removeprefix('/api/v2')}")
                status, text = left.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return AirflowApi(f"http://127.0.0.1:{servers[-1].server_port}", "me", "secret"), asked

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def test_read_that_the_server_fails_at_once_is_sent_again(airflow: Callable[..., tuple[AirflowApi, list[str]]]) -> None:
    api, asked = airflow((500, "Internal Server Error"), (200, '{"state": "success"}'))
    assert api.run("toy", "one")["state"] == "success"
    assert asked == ["GET /dags/toy/dagRuns/one"] * 2
    api.close()


def test_read_that_the_server_keeps_failing_at_is_refused_with_its_words(
    airflow: Callable[..., tuple[AirflowApi, list[str]]],
) -> None:
    api, asked = airflow(*[(500, "Internal Server Error")] * 4)
    with pytest.raises(AirflowRefused, match="500: Internal Server Error"):
        api.run("toy", "one")
    assert len(asked) == 4
    api.close()


def test_trigger_that_the_server_fails_at_is_not_sent_again(
    airflow: Callable[..., tuple[AirflowApi, list[str]]],
) -> None:
    api, asked = airflow((500, "Internal Server Error"))
    with pytest.raises(AirflowRefused, match="500"):
        api.trigger("toy", {})
    assert asked == ["POST /dags/toy/dagRuns"]
    api.close()


def test_trigger_that_the_database_rolled_back_is_sent_again(
    airflow: Callable[..., tuple[AirflowApi, list[str]]],
) -> None:
    api, asked = airflow((500, '{"detail": "Database error"}'), (200, '{"dag_run_id": "two"}'))
    assert api.trigger("toy", {}) == "two"
    assert len(asked) == 2
    api.close()
