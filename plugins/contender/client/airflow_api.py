"""Airflow's REST API, as far as the launchers need it: the same calls the UI makes."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import requests

from contender.core.errors import ContenderError

TIMEOUT_SECONDS = 20
UNAUTHORISED, NOT_FOUND = 401, 404
FAILED, BROKEN = 400, 500
AGAIN = 3


class AirflowRefused(ContenderError):
    """Airflow does not answer, or answers with an error."""


class AirflowApi:
    """A logged-in client of one Airflow.

    Args:
        url: Address of the API server, without a slash at its end.
        user: Name to log in with.
        password: Its password.
        tries: How often a read is sent, a second apart, before Airflow counts as down.
        advice: What to do when it does not answer or refuses the login.
    """

    def __init__(self, url: str, user: str, password: str, *, tries: int = 3, advice: str = "") -> None:
        self.url = url
        self._tries, self._advice = tries, advice
        self._login = {"username": user, "password": password}
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy has no business on the loopback interface

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Figures of `GET /monitor/health`, by component; empty while nothing answers."""
        try:
            answer = self._http.get(f"{self.url}/api/v2/monitor/health", timeout=TIMEOUT_SECONDS)
            return dict(answer.json()) if answer.ok else {}
        except (requests.RequestException, ValueError):
            return {}

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """The DAG's row, or `None` while it has not been parsed."""
        return self._call("GET", f"/dags/{quote(dag_id)}", missing_ok=True)

    def import_errors(self) -> list[dict[str, Any]]:
        """Files that could not be parsed, with `filename` and `stack_trace`."""
        return list(self._expect("GET", "/importErrors", params={"limit": 50})["import_errors"])

    def unpause(self, dag_id: str) -> None:
        """Let the DAG's runs start."""
        self._expect("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run without a logical date and return its ID; Airflow checks `conf` against the DAG's form."""
        body = {"logical_date": None, "conf": conf}
        return str(self._expect("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """The run's row, with `state`."""
        return self._expect("GET", _run_path(dag_id, run_id))

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The newest runs of a DAG, newest first, 100 at most."""
        query = {"order_by": "-run_after", "limit": 100}
        return list(self._expect("GET", f"/dags/{quote(dag_id)}/dagRuns", params=query)["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Every task instance of the run, mapped ones too."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances"
        found: list[dict[str, Any]] = []
        total = 1
        while len(found) < total:
            page = self._expect("GET", path, params={"limit": 100, "offset": len(found)})
            found += page["task_instances"]
            total = (page["total_entries"] or 0) if page["task_instances"] else 0
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """A value the task left, or `None`."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        entry = self._call("GET", path, params={"deserialize": "true"}, missing_ok=True)
        return None if entry is None else entry["value"]

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Events of assets that tasks of the run brought about, with `created_dagruns`, newest first; 100 at most."""
        query = {"source_dag_id": dag_id, "source_run_id": run_id, "order_by": "-timestamp", "limit": 100}
        return list(self._expect("GET", "/assets/events", params=query)["asset_events"])

    def log(self, dag_id: str, run_id: str, task: dict[str, Any]) -> list[dict[str, Any]]:
        """Events of the last try's log of a task instance, oldest first."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task['task_id'])}/logs/{task['try_number']}"
        answer = self._expect("GET", path, params={"map_index": task["map_index"], "full_content": "true"})
        return [event if isinstance(event, dict) else {"event": str(event)} for event in answer["content"]]

    def _expect(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        answer = self._call(method, path, **arguments)
        if answer is None:
            raise AirflowRefused("Airflow does not know this", where=f"{method} {path}", got="404")
        return answer

    def _call(self, method: str, path: str, *, missing_ok: bool = False, **arguments: Any) -> dict[str, Any] | None:
        answer = self._send(method, path, arguments)
        if answer.status_code == UNAUTHORISED:
            self._log_in()
            answer = self._send(method, path, arguments)
        for _ in range(AGAIN):
            if not _may_be_sent_again(method, answer):
                break
            time.sleep(1)
            answer = self._send(method, path, arguments)
        if answer.status_code == NOT_FOUND and missing_ok:
            return None
        if answer.status_code >= FAILED:
            raise AirflowRefused(
                "Airflow refused the request",
                where=f"{method} {path}",
                got=f"{answer.status_code}: {_detail(answer)}",
            )
        return dict(answer.json())

    def _log_in(self) -> None:
        answer = self._send("POST", "/auth/token", {"json": self._login}, prefix="")
        if answer.status_code >= FAILED:
            raise AirflowRefused(
                "the login was refused",
                where=f"{self.url}/auth/token",
                got=f"{answer.status_code}: {_detail(answer)}",
                next_step=self._advice,
            )
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _send(self, method: str, path: str, arguments: dict[str, Any], *, prefix: str = "/api/v2") -> requests.Response:
        # Only reads are sent again: a trigger that timed out may have started a run.
        tries = self._tries if method == "GET" else 1
        for attempt in range(tries):
            try:
                return self._http.request(method, self.url + prefix + path, timeout=TIMEOUT_SECONDS, **arguments)
            except requests.RequestException as error:
                if attempt == tries - 1:
                    raise AirflowRefused(
                        "Airflow does not answer",
                        where=f"{method} {self.url}{prefix}{path}",
                        got=type(error).__name__,
                        next_step=self._advice,
                    ) from error
                time.sleep(1)
        raise AssertionError("unreachable")


def _may_be_sent_again(method: str, answer: requests.Response) -> bool:
    """Whether the server failed in a way that may pass, and the request did nothing.

    A read does nothing anyway: Airflow was seen to fail at reading the events of an asset while their run was made.
    On SQLite the API server blocks itself when the audit entry of one action meets another's transaction: when the
    database's patience is over, the action is rolled back, a trigger too.
    """
    return answer.status_code >= BROKEN and (method == "GET" or "Database error" in answer.text)


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))[:1000]
    except ValueError:
        return answer.text[:1000]
