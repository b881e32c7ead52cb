"""One stack for all tests of this folder: a clone of the checkout, brought up by `make up` as a newcomer does."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from contender.client.airflow_api import AirflowApi
from contender.core.settings import CHECKOUT
from contender.stack.engine import this_engine
from tests.docs.pages import example

# What the README says to make, in its order.
UP, DEMO, DOWN = (line.split()[1:] for line in example("README.md", "stack").splitlines())
NAME = f"contender-test-{os.getpid()}"
# What a test session sets for itself, and the stack has its own of.
SESSION = ("CONTENDER_", "AIRFLOW_", "MLFLOW_", "FEAST_", "DOCKER_", "COMPOSE_", "PYTHONPATH", "MAKE", "MFLAGS")


@dataclass(frozen=True)
class Stack:
    """A running stack.

    Attributes:
        folder: The clone.
        env: The environment of its commands.
        url: The router.
        first_words: What the first `make up` printed.
    """

    folder: Path
    env: Mapping[str, str]
    url: str
    first_words: str

    def make(self, *arguments: str, seconds: int = 900) -> subprocess.CompletedProcess[str]:
        """Run `make …` in the clone."""
        return make(self.folder, self.env, *arguments, seconds=seconds)

    @property
    def secrets(self) -> dict[str, str]:
        """What `.env` holds."""
        lines = (self.folder / ".env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def docker(self, *arguments: str) -> str:
        """What `docker …` prints; it must end well."""
        done = subprocess.run(["docker", *arguments], env=dict(self.env), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def containers(self) -> list[dict[str, Any]]:
        """The compose project's containers and those of served models, as `docker inspect` shows them."""
        ours = f"label=com.docker.compose.project={NAME}"
        ids = self.docker("ps", "-q", "--filter", ours).split()
        ids += self.docker(
            "ps", "-q", "--filter", f"network={NAME}_models", "--filter", "label=contender.purpose"
        ).split()
        return list(json.loads(self.docker("inspect", *dict.fromkeys(ids)))) if ids else []

    def service(self, name: str) -> list[str]:
        """Container names of a service."""
        rows = (f"label=com.docker.compose.project={NAME}", f"label=com.docker.compose.service={name}")
        return self.docker("ps", "--format", "{{.Names}}", "--filter", rows[0], "--filter", rows[1]).split()

    @contextlib.contextmanager
    def api(self) -> Iterator[AirflowApi]:
        """Airflow's API through the router, logged in."""
        secrets = self.secrets
        client = AirflowApi(self.url, secrets["CONTENDER_ADMIN_USER"], secrets["CONTENDER_ADMIN_PASSWORD"])
        try:
            yield client
        finally:
            client.close()

    def token(self) -> str:
        """A token of Airflow's API."""
        secrets = self.secrets
        login = {"username": secrets["CONTENDER_ADMIN_USER"], "password": secrets["CONTENDER_ADMIN_PASSWORD"]}
        return str(requests.post(f"{self.url}/auth/token", json=login, timeout=20).json()["access_token"])

    def well(self) -> bool:
        """Whether all services are healthy and Airflow says so of its parts."""
        running = [row["State"] for row in self.containers()]
        healthy = all(state.get("Health", {}).get("Status", "healthy") == "healthy" for state in running)
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=10).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return healthy and all(health[part]["status"] == "healthy" for part in parts)

    def predict(self, model: str, request: Mapping[str, Any]) -> requests.Response:
        """Ask a served model through the router."""
        return requests.post(f"{self.url}/models/{model}/predict", json={"requests": [request]}, timeout=10)


def make(folder: Path, env: Mapping[str, str], *arguments: str, seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=dict(env), capture_output=True, text=True, check=False, timeout=seconds,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Look every two seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(2)


def clone(to: Path) -> None:
    """The checkout as it is now, committed or not, without what Git ignores."""
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(to)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--modified", "--others", "--exclude-standard"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        source, target = CHECKOUT / name, to / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        elif not source.exists():
            target.unlink(missing_ok=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack of a clean clone, up; it is removed with its data at the end."""
    asked = this_engine(CHECKOUT).run(["docker", "info", "--format", "{{.ServerVersion}}"], CHECKOUT, os.environ)
    if asked.code != 0:
        pytest.skip(f"no Docker engine answers: {asked.said.strip()[:200]}")
    folder = tmp_path_factory.mktemp("stack") / "clone"
    clone(folder)
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(SESSION)}
    # No file is edited: models are read again seldom.
    env |= {"CONTENDER_STACK": NAME, "CONTENDER_PORT": str(port), "CONTENDER_PARSE_INTERVAL": "120"}
    try:
        done = make(folder, env, *UP, seconds=1500)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr
        yield Stack(folder, env, f"http://127.0.0.1:{port}", done.stdout)
    finally:
        done = make(folder, env, *DOWN, "VOLUMES=1", "YES=1", seconds=300)
        subprocess.run(["docker", "image", "rm", f"contender/airflow:{NAME}"], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
