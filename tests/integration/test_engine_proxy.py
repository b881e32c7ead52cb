"""The real proxy before a real engine: what tasks do works through it, and nothing else does."""

from __future__ import annotations

import io
import json
import os
import socket
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from contender.adapters.containers import Built, Engine
from contender.adapters.image_layer import layered
from contender.core.archive import archive_of
from contender.core.errors import ImageFailed
from contender.engine_proxy import rules
from contender.stages import image
from contender.stages.image import Build

pytestmark = [pytest.mark.slow, pytest.mark.engine]

RAW_ONLY = {"CONTENDER_ONLINE_STORE": "none"}


@pytest.fixture
def http(proxy: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{proxy}", trust_env=False, timeout=30) as client:
        yield client


def created(client: docker.DockerClient) -> list[Any]:
    """The containers that a test asked the proxy for."""
    return list(client.containers.list(all=True, filters={"label": "contender.test"}))


def test_proxy_builds_and_proves_an_image(
    proxied: Engine, client: docker.DockerClient, bundle: Path, network: str
) -> None:
    plan = image.model(bundle, "9", proxied.ensure(image.runtime()).tag)
    built = proxied.build(plan, fresh=True)
    golden = image.golden(bundle)
    with proxied.run(built.digest, environment=RAW_ONLY, network=network) as served:
        assert served.container.attrs["NetworkSettings"]["Ports"] == {"8080/tcp": None}
        assert served.container.attrs["HostConfig"].items() >= (rules.CONFINED | {"Memory": 2**29}).items()
        answers = served.predict_raw(golden.instances)
        assert len(served.latencies_ms(golden.instances, warm_up=1, rounds=1, of=5)[0]) == 5
        memory = served.memory_mb()
    assert len(answers) == len(golden.outputs)
    assert memory is not None
    assert 5 < memory < 512
    with (
        pytest.raises(ImageFailed, match="the online store cannot be read"),
        proxied.run(built.digest, network=network, ready_within_s=4),
    ):
        pass
    client.images.remove(plan.tag)


def test_proxy_lets_one_model_s_layer_be_put_on_an_image_and_no_tag_be_taken_by_it(
    proxied: Engine, client: docker.DockerClient, http: httpx.Client, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = proxied.ensure(image.runtime())
    plan = image.model(bundle, "3", runtime.tag)
    built = proxied.put_on(runtime, plan)
    assert "is built" not in caplog.text
    assert client.images.get(runtime.tag).id == runtime.digest
    files = {path: content for path, content in plan.context.items() if path != "Dockerfile"}
    archive = layered(files, plan.labels, client.api.inspect_image(runtime.digest)).archive
    refused = http.post("/v1.41/images/load", content=hostile(archive, runtime.tag))
    assert refused.status_code == 403
    assert "an image without a name" in refused.json()["message"]
    assert client.images.get(runtime.tag).id == runtime.digest
    client.images.remove(built.tag)


def hostile(archive: bytes, tag: str) -> bytes:
    """The archive, giving its image a tag that another one has."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        files = {entry.name: (found.extractfile(entry) or io.BytesIO()).read() for entry in found}
    manifest = json.loads(files["manifest.json"])
    manifest[0]["RepoTags"] = [tag]
    return archive_of({**files, "manifest.json": json.dumps(manifest).encode()})


def test_proxy_proof_of_a_task_that_was_killed_is_removed_by_its_next_attempt_and_no_other(
    proxied: Engine, client: docker.DockerClient, versions: dict[str, Built], network: str
) -> None:
    def running() -> set[str]:
        return {one.id for one in client.containers.list(filters={"label": "contender.proof-of", "network": network})}

    def run(task: str) -> Any:
        proof_of = f"{network}/toy_train/scheduled__2013-02-01T00:00:00+00:00/image.prove/{task}"
        return proxied.run(versions["7"].digest, environment=RAW_ONLY, network=network, proof_of=proof_of)

    # The first is not left when the third is entered, as by a process that is killed.
    with run("-1") as killed, run("-12") as other, run("-1") as again:
        assert killed.container.id not in running()
        assert running() == {other.container.id, again.container.id}
    assert running() == set()


def test_proxy_passes_a_build_s_output_on_as_it_comes(http: httpx.Client, engine: Engine) -> None:
    base = engine.ensure(image.runtime()).tag
    context = archive_of({"Dockerfile": f"FROM {base}\nRUN echo half way && sleep 3\n".encode()})
    heard: dict[str, float] = {}
    with http.stream("POST", "/v1.41/build", params={"nocache": "1", "rm": "1"}, content=context) as answer:
        for line in answer.iter_lines():
            event = json.loads(line)
            heard[event.get("stream", "").strip() or next(iter(event))] = time.monotonic()
    assert heard["aux"] - heard["half way"] > 2


def test_proxy_failing_step_says_its_last_lines(proxied: Engine) -> None:
    recipe = f"FROM {proxied.ensure(image.runtime()).tag}\nRUN echo the reason is this && exit 3\n"
    plan = Build(tag="contender/test-failing:1", context={"Dockerfile": recipe.encode()})
    with pytest.raises(ImageFailed, match=r"(?s)the reason is this.*returned a non-zero code: 3"):
        proxied.build(plan, fresh=True)


def config(built: Built, network: str, **host: Any) -> dict[str, Any]:
    return {
        "Image": built.digest,
        "Labels": {"contender.purpose": "proof", "contender.test": "hostile"},
        "HostConfig": {"NetworkMode": network, **rules.CONFINED, "Memory": 2**28, **host},
    }


HOSTILE = {
    "host folder": {"Binds": ["/:/host"]},
    "host folder in lower case": {"binds": ["/:/host"]},
    "privileged": {"privileged": True},
    "another's network": {"NetworkMode": "host"},
}


@pytest.mark.parametrize("host", HOSTILE.values(), ids=HOSTILE.keys())
def test_proxy_hostile_container_is_refused_and_nothing_created(
    http: httpx.Client, client: docker.DockerClient, versions: dict[str, Built], network: str, host: dict[str, Any]
) -> None:
    answer = http.post("/v1.41/containers/create", json=config(versions["7"], network, **host))
    assert (answer.status_code, "this is not allowed" in answer.json()["message"]) == (403, True)
    assert created(client) == []


def test_proxy_same_container_without_the_hostile_part_is_created(
    http: httpx.Client, client: docker.DockerClient, versions: dict[str, Built], network: str
) -> None:
    assert http.post("/v1.41/containers/create", json=config(versions["7"], network)).status_code == 201
    (container,) = created(client)
    assert http.delete(f"/v1.41/containers/{container.id}").status_code == 204
    assert created(client) == []


def test_proxy_image_of_others_is_not_run_and_their_tag_not_moved(
    http: httpx.Client, client: docker.DockerClient, versions: dict[str, Built], network: str
) -> None:
    foreign = client.images.get("nginx:1-bookworm")
    foreign.tag("contender/test-foreign", "1")
    try:
        body = {**config(versions["7"], network), "Image": "contender/test-foreign:1"}
        assert http.post("/v1.41/containers/create", json=body).status_code == 403
        moved = {"repo": "contender/test-foreign", "tag": "1"}
        assert http.post(f"/v1.41/images/{versions['7'].digest}/tag", params=moved).status_code == 403
        assert created(client) == []
        assert client.images.get("contender/test-foreign:1").id == foreign.id
    finally:
        client.images.remove("contender/test-foreign:1")


@pytest.mark.parametrize(
    ("method", "call"),
    [("POST", "stop"), ("GET", "json"), ("GET", "logs"), ("GET", "stats?stream=0"), ("DELETE", "")],
)
def test_proxy_container_of_others_is_not_touched(
    http: httpx.Client, client: docker.DockerClient, network: str, method: str, call: str
) -> None:
    other = client.containers.create("nginx:1-bookworm", network=network)
    try:
        answer = http.request(method, f"/v1.41/containers/{other.name}/{call}".rstrip("/"))
        assert (answer.status_code, "contender.purpose" in answer.json()["message"]) == (403, True)
        other.reload()
    finally:
        other.remove()


def said(proxy: str, request: bytes) -> bytes:
    """The first line of the answer to a request that no client library would send."""
    host, port = proxy.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536).partition(b"\r\n")[0]


def test_proxy_hands_out_no_files_of_a_served_model(
    http: httpx.Client, client: docker.DockerClient, versions: dict[str, Built], network: str
) -> None:
    body = config(versions["7"], network) | {"Labels": {"contender.purpose": "served", "contender.test": "files"}}
    assert http.post("/v1.41/containers/create", json=body).status_code == 201
    (served,) = created(client)
    try:
        answer = http.get(f"/v1.41/containers/{served.id}/archive", params={"path": "/bundle"})
        assert (answer.status_code, "contender.purpose: proof" in answer.json()["message"]) == (403, True)
        assert http.get(f"/v1.41/containers/{served.id}/json").status_code == 200
    finally:
        served.remove()


RAW = {
    "up and down": b"GET /v1.41/../v1.41/info HTTP/1.1\r\nHost: x\r\n\r\n",
    "escaped": b"GET /v1.41/images/%2e%2e/info HTTP/1.1\r\nHost: x\r\n\r\n",
    "escaped newline": b"GET /v1.41/info%0a HTTP/1.1\r\nHost: x\r\n\r\n",
    "double slash": b"POST //v1.41/containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "absolute": b"GET http://x/v1.41/info HTTP/1.1\r\nHost: x\r\n\r\n",
    "upgrade": b"GET /v1.41/_ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    "websocket": b"GET /v1.41/_ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
}


@pytest.mark.parametrize("request_", RAW.values(), ids=RAW.keys())
def test_proxy_request_that_no_client_would_send_is_refused(proxy: str, request_: bytes) -> None:
    assert b" 403 " in said(proxy, request_)


def test_proxy_body_without_end_is_refused(http: httpx.Client) -> None:
    answer = http.post("/v1.41/containers/create", content=b" " * 300_000)
    assert (answer.status_code, "too large" in answer.json()["message"]) == (403, True)


def test_proxy_engine_absent_says_so(tmp_path: Path) -> None:
    import asyncio

    from contender.engine_proxy.app import create_app

    async def ask() -> httpx.Response:
        through = httpx.ASGITransport(create_app(os.fspath(tmp_path / "none.sock"), "models"))
        async with httpx.AsyncClient(transport=through, base_url="http://proxy") as client:
            return await client.get("/health")

    answer = asyncio.run(ask())
    assert (answer.status_code, "does not answer" in answer.json()["message"]) == (502, True)
