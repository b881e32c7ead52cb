"""A served model replaced by its next version under load, and a replacement that is killed in the middle."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import pytest

from contender.adapters import served
from contender.adapters.containers import Built, Engine
from contender.core.errors import ImageFailed
from contender.core.settings import CHECKOUT
from tests.integration.conftest import MODELS

pytestmark = [pytest.mark.slow, pytest.mark.engine]

NAME = f"{MODELS}-test_model"
RAW_ONLY = {"CONTENDER_ONLINE_STORE": "none"}
# The router's own files, where docker-compose.yml mounts them.
ROUTER = {"start.sh": "/start.sh", "nginx.conf": "/etc/nginx/nginx.conf", "to_model.conf": "/etc/nginx/to_model.conf"}
# A model that says what it was sent, and sets a cookie.
ECHO = """
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Set-Cookie", "session=of the model")
        self.send_header("X-Echo", "yes")
        self.end_headers()
        self.wfile.write(json.dumps({name.lower(): value for name, value in self.headers.items()}).encode())
http.server.HTTPServer(("", 8080), Echo).serve_forever()
"""


@pytest.fixture
def router(client: docker.DockerClient, network: str) -> Iterator[str]:
    """Address of the stack's router, on the models' network alone."""
    files = CHECKOUT / "docker" / "nginx"
    container = client.containers.run(
        "nginx:stable-bookworm", ["sh", "/start.sh"], environment={"MODELS": MODELS, "URL": "http://127.0.0.1"},
        volumes={str(files / name): {"bind": path, "mode": "ro"} for name, path in ROUTER.items()},
        user="10001:10001", read_only=True, tmpfs={"/tmp": "mode=1777"}, network=network,
        ports={"8080/tcp": ("127.0.0.1", None)}, detach=True,
    )  # fmt: skip
    container.reload()
    yield f"http://127.0.0.1:{container.ports['8080/tcp'][0]['HostPort']}"
    container.remove(force=True)


@pytest.fixture
def echo(client: docker.DockerClient, network: str, versions: dict[str, Built]) -> Iterator[str]:
    """Name of a served model that says what it was sent."""
    container = client.containers.run(
        versions["7"].digest, ["python", "-c", ECHO], name=f"{MODELS}-echo", network=network, detach=True
    )
    yield "echo"
    container.remove(force=True)


def serve(engine: Engine, versions: dict[str, Built], version: str, **further: Any) -> str:
    """Have a version serve; the ID of its container."""
    labels = {"contender.model": "test_model", "contender.version": version}
    digest = versions[version].digest
    given: dict[str, Any] = {"environment": RAW_ONLY, **further}
    return str(engine.serve(digest, name=NAME, network=MODELS, labels=labels, **given).container.id)


def on_network(client: docker.DockerClient) -> dict[str, str]:
    """The served containers: ID by name."""
    found = client.containers.list(all=True, filters={"label": "contender.purpose=served", "network": MODELS})
    return {container.name: container.id for container in found}


def version_at(router: str) -> str:
    try:
        with urllib.request.urlopen(f"{router}/models/test_model/about", timeout=10) as answered:  # noqa: S310  loopback
            return str(json.load(answered)["about"]["version"])
    except (urllib.error.URLError, OSError) as error:
        return repr(error)


@contextmanager
def requests_running(router: str) -> Iterator[list[str]]:
    """Ask without a pause until the block ends; the version, or what went wrong, of each answer."""
    seen: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            seen.append(version_at(router))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield seen
    finally:
        over.set()
        asking.join()


def wait_for(router: str, version: str) -> None:
    deadline = time.monotonic() + 10
    while version_at(router) != version:
        assert time.monotonic() < deadline, f"{version_at(router)} instead of {version}"
        time.sleep(0.1)


def test_serve_next_version_under_load_and_through_the_proxy_fails_no_request(
    proxied: Engine, client: docker.DockerClient, versions: dict[str, Built], router: str
) -> None:
    engine = proxied
    first = serve(engine, versions, "7")
    wait_for(router, "7")
    assert serve(engine, versions, "7") == first
    with requests_running(router) as seen:
        second = serve(engine, versions, "8")
    assert set(seen) == {"7", "8"}, Counter(seen)
    assert seen == sorted(seen)
    assert on_network(client) == {NAME: second}
    running = client.containers.get(NAME)
    assert running.attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert (running.labels["contender.version"], running.ports.get("8080/tcp")) == ("8", None)


def test_router_model_gets_no_log_in_and_sets_no_cookie(router: str, echo: str) -> None:
    sent = {
        "Cookie": "_token=of Airflow",
        "Authorization": "Bearer of Airflow",
        "X-Kept": "this",
        "Accept": "text/html",
    }
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{router}/models/{echo}/x", headers=sent)) as answered:  # noqa: S310
                received, answer = json.load(answered), answered.headers
            break
        except OSError:  # one of the two is starting
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert (received["x-kept"], answer["X-Echo"]) == ("this", "yes")
    assert received.keys().isdisjoint({"cookie", "authorization"})
    assert answer.get_all("Set-Cookie") is None


def test_serve_version_that_does_not_get_ready_leaves_the_old_one(
    engine: Engine, client: docker.DockerClient, versions: dict[str, Built], network: str
) -> None:
    first = serve(engine, versions, "7")
    with pytest.raises(ImageFailed, match="the online store cannot be read"):
        serve(engine, versions, "8", environment={}, ready_within_s=4)
    assert on_network(client) == {NAME: first}


class Killed(BaseException):
    """Stands for the end of the process: nothing runs after it, no clean-up either."""


def killed_at(step: int, real: Any) -> Any:
    """A client whose calls that change something end the process before the one with that number."""
    done = 0

    def send(method: str, url: str, **arguments: Any) -> Any:
        nonlocal done
        if method != "GET":
            done += 1
            if done >= step:
                raise Killed
        return real(method, url, **arguments)

    return send


@pytest.mark.parametrize("step", range(1, 8))
def test_serve_killed_before_any_change_and_called_again_comes_to_the_same_end(
    client: docker.DockerClient, versions: dict[str, Built], router: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "TAKEOVER_SECONDS", 0.0)
    engine = Engine(client)
    first = serve(engine, versions, "7")
    mortal = docker.from_env()
    mortal.api.request = killed_at(step, mortal.api.request)
    if step <= 6:
        with pytest.raises(Killed):
            serve(Engine(mortal), versions, "8")
    else:
        serve(Engine(mortal), versions, "8")
    mortal.close()
    assert first in on_network(client).values() or step > 6
    serving = serve(engine, versions, "8")
    assert on_network(client) == {NAME: serving}
    wait_for(router, "8")
