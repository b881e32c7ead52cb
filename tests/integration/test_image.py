"""The serving image on a real engine: built, run as in production, asked, and an engine that goes away meanwhile."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import docker
import pytest

from contender.adapters.containers import Built, Engine
from contender.core.errors import EngineUnavailable, ImageFailed, OnlineStoreUnreachable
from contender.core.settings import CHECKOUT, ONLINE_STORE
from contender.feast_stores import sqlite_writer
from contender.stages import image
from contender.stages.image import Build
from tests.docs.pages import example
from tests.unit.serving.test_predict import ENTITY, write_store

pytestmark = [pytest.mark.slow, pytest.mark.engine]

RAW_ONLY = {"CONTENDER_ONLINE_STORE": "none"}


@pytest.fixture(scope="module")
def runtime(engine: Engine) -> Built:
    return engine.ensure(image.runtime())


@pytest.fixture(scope="module")
def built(engine: Engine, client: docker.DockerClient, runtime: Built, bundle: Path) -> Iterator[Built]:
    built = engine.put_on(runtime, image.model(bundle, "7", runtime.tag))
    yield built
    client.images.remove(built.tag)


def proofs(client: docker.DockerClient) -> list[str]:
    return [one.id for one in client.containers.list(all=True, filters={"label": "contender.purpose=proof"})]


def test_image_built_answers_the_golden_requests_as_non_root(
    engine: Engine, client: docker.DockerClient, built: Built, bundle: Path
) -> None:
    before = proofs(client)
    golden = image.golden(bundle)
    with engine.run(built.tag, environment=RAW_ONLY) as served:
        answers = served.predict_raw(golden.instances)
        assert served.container.exec_run(["id", "-u"]).output.strip() == b"10001"
        assert served.container.exec_run(["touch", "/app/x"]).exit_code != 0
        with urllib.request.urlopen(f"{served.url}/about") as about:  # noqa: S310  loopback
            assert json.load(about)["about"]["version"] == "7"
        rounds, memory = served.latencies_ms(golden.instances), served.memory_mb()
    proof = image.prove(
        answers, golden, image=built.tag, digest=built.digest, model_digest="0" * 64, size_mb=built.size_mb,
        latencies_ms=rounds, memory_mb=memory,
    )  # fmt: skip
    assert [len(times) for times in rounds] == [100, 100, 100]
    assert 0 < proof.p50_latency_ms <= proof.p95_latency_ms
    assert 5 < proof.memory_mb < 512
    assert proof.answered == 20
    assert proof.largest_difference < 1e-5
    assert proof.digest.startswith("sha256:")
    assert proofs(client) == before


def test_image_of_the_same_model_has_the_same_digest_when_it_is_made_anew(
    engine: Engine, client: docker.DockerClient, runtime: Built, bundle: Path
) -> None:
    plan = image.model(bundle, "5", runtime.tag)
    first = engine.put_on(runtime, plan)
    engine.remove(first.tag)
    engine.remove(first.tag)  # of what is not there nothing is left to do
    assert engine.find(first.digest) is None
    assert engine.put_on(runtime, plan) == first
    assert engine.ensure(image.runtime()) == runtime
    layers, below = (client.images.get(tag).attrs["RootFS"]["Layers"] for tag in (first.tag, runtime.tag))
    assert layers[:-1] == below
    other = engine.put_on(runtime, image.model(bundle, "6", runtime.tag))
    assert other.digest != first.digest
    for one in (first, other):
        engine.remove(one.tag)


def test_image_on_another_runtime_than_there_is_now_is_made_anew_under_its_tag(
    engine: Engine, client: docker.DockerClient, runtime: Built, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = image.model(bundle, "3", runtime.tag)
    # As where the runtime was built again from a base that has moved on.
    before = engine.put_on(engine.put_on(runtime, Build("contender/test-before:1", {"moved-on": b""})), plan)
    now = engine.ensure_on(runtime, plan)
    assert f"{before.digest}, is on another {runtime.tag}" in caplog.text
    assert client.images.get(plan.tag).id == now.digest != before.digest
    assert now.digest == engine.put_on(runtime, plan).digest
    caplog.clear()
    assert (engine.ensure_on(runtime, plan), caplog.text) == (now, "")
    for one in (before.digest, now.tag, "contender/test-before:1"):
        engine.remove(one)


def test_image_on_an_engine_that_takes_no_single_layer_is_built_and_the_log_says_so(
    engine: Engine, client: docker.DockerClient, runtime: Built, bundle: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    plan = image.model(bundle, "4", runtime.tag)
    # As for a store that has none of the layers below.
    strange = client.api.inspect_image(runtime.digest)
    strange["RootFS"]["Layers"] = [f"sha256:{'0' * 64}"]
    with monkeypatch.context() as patch:
        patch.setattr(engine._client.api, "inspect_image", lambda _: strange, raising=False)
        built = engine.put_on(runtime, plan)
    # As built, it is one layer on the runtime too.
    assert engine.find(plan.tag) == engine.ensure_on(runtime, plan)
    assert "is built, not put together: the engine takes no single layer (" in caplog.text
    with engine.run(built.tag, environment=RAW_ONLY) as served:
        assert len(served.predict_raw(image.golden(bundle).instances)) == 20
    client.images.remove(built.tag)


def test_image_config_names_model_user_and_health(client: docker.DockerClient, built: Built) -> None:
    config = client.images.get(built.tag).attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["contender.model"] == "flight_delay"
    assert config["Labels"]["contender.version"] == "7"


def test_run_online_store_absent_is_not_ready_and_says_why(
    engine: Engine, client: docker.DockerClient, built: Built
) -> None:
    before = proofs(client)
    with (
        pytest.raises(ImageFailed, match=r"(?s)status 503.*the online store cannot be read"),
        engine.run(built.tag, ready_within_s=4),
    ):
        pass
    assert proofs(client) == before


def as_readme_says(home: Path) -> dict[str, dict[str, str]]:
    """The mount of README's `docker run`, for a platform with this home."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    found = re.search(r'-v "\$PWD/\.contender/([\w./]+):([\w./]+):(\w+)"', readme)
    assert found is not None
    return {str(home / found[1]): {"bind": found[2], "mode": found[3]}}


def ask(url: str) -> dict[str, Any]:
    asked = urllib.request.Request(  # noqa: S310  loopback
        f"{url}/predict", data=json.dumps({"requests": [ENTITY]}).encode()
    )
    with urllib.request.urlopen(asked) as response:  # noqa: S310  loopback
        (prediction,) = json.load(response)["predictions"]
    return dict(prediction)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A platform's home with an online store, which the image's user may enter."""
    home = tmp_path / "home"
    write_store(home / ONLINE_STORE)
    home.chmod(0o755)
    return home


def test_run_live_online_store_mounted_as_readme_says_answers_before_during_and_after_a_write(
    engine: Engine, built: Built, home: Path
) -> None:
    live = home / ONLINE_STORE
    with engine.run(built.tag, volumes=as_readme_says(home)) as served:
        before = ask(served.url)
        with sqlite_writer.writing(str(live), 1.0) as writer:
            writer._connection.execute("DELETE FROM rows_plane_facts")
            assert live.with_name("online.db-journal").exists()
            during = ask(served.url)
        after = ask(served.url)
        log = served.container.logs().decode()
    assert before["features"] == {"missing": [], "stale": [], "later": []}
    assert during == before
    assert after["features"] == {"missing": ["seats"], "stale": [], "later": []}
    assert "telemetry" not in log


def test_image_run_and_asked_as_readme_says_answers(
    client: docker.DockerClient, built: Built, home: Path, tmp_path: Path
) -> None:
    (tmp_path / ".contender").symlink_to(home)
    release = home / "releases" / "flight_delay" / "1" / "release.json"
    release.parent.mkdir(parents=True)
    release.write_text(json.dumps({"image": {"digest": built.digest}}))
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = str(chosen.getsockname()[1])
    run = example("README.md", "image").replace("18080", port)
    predict = example("README.md", "predict").replace("18080", port)
    assert port in run
    said = tmp_path / "said"
    with said.open("wb") as output:
        served = subprocess.Popen(["bash", "-euc", run], cwd=tmp_path, stdout=output, stderr=output)
    try:
        deadline, answered = time.monotonic() + 60, None
        while answered is None or answered.returncode != 0:
            assert served.poll() is None, said.read_text()
            assert time.monotonic() < deadline, answered
            answered = subprocess.run(["bash", "-euc", predict], capture_output=True, text=True, check=False)
    finally:
        for container in client.containers.list():
            if port in str(container.ports):
                container.stop(timeout=5)  # which `--rm` removes
        served.wait(timeout=30)
    (prediction,) = json.loads(answered.stdout)["predictions"]
    assert 0 < prediction["probability"] < 1


@pytest.fixture
def stack_redis(client: docker.DockerClient) -> Iterator[str]:
    """Host and port of Redis as the stack starts it, on the engine's default network."""
    container = client.containers.run(
        "redis:7-bookworm",
        ["sh", "/start.sh"],
        environment={"REDIS_PASSWORD": "own", "REDIS_READER_PASSWORD": "read", "REDIS_MAXMEMORY": "64mb"},
        volumes={str(CHECKOUT / "docker" / "redis" / "start.sh"): {"bind": "/start.sh", "mode": "ro"}},
        detach=True,
    )
    try:
        container.reload()
        yield f"{container.attrs['NetworkSettings']['Networks']['bridge']['IPAddress']}:6379/0"
    finally:
        container.remove(force=True, v=True)


def test_run_online_store_in_the_stack_s_redis_answers_as_its_reader(
    engine: Engine, built: Built, stack_redis: str
) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            write_store(f"redis://default:own@{stack_redis}")
            break
        except OnlineStoreUnreachable:  # it is starting
            assert time.monotonic() < deadline
            time.sleep(0.1)
    reader = f"redis://serving:read@{stack_redis}"
    with pytest.raises(OnlineStoreUnreachable, match="no permissions"):
        write_store(reader)
    with engine.run(built.tag, environment={"CONTENDER_ONLINE_STORE": reader}) as served:
        assert ask(served.url)["features"] == {"missing": [], "stale": [], "later": []}


def test_run_online_store_with_a_broken_off_write_refuses_instead_of_reading_torn_pages(
    engine: Engine, built: Built, home: Path, tmp_path: Path
) -> None:
    live = home / ONLINE_STORE
    torn = tmp_path / "torn" / ONLINE_STORE
    torn.parent.mkdir(parents=True)
    with closing(sqlite3.connect(live, isolation_level=None)) as writer:
        # Pages go to the file before the commit, as they do at its end: a copy made now is what a crash leaves.
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("PRAGMA synchronous = OFF")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("CREATE TABLE filler (content BLOB)")
        writer.executemany("INSERT INTO filler VALUES (?)", [(bytes(4000),)] * 50)
        for name in ("online.db", "online.db-journal"):
            shutil.copy(live.with_name(name), torn.with_name(name))
        writer.execute("ROLLBACK")
    with (
        pytest.raises(ImageFailed, match=r"(?s)status 503.*the online store cannot be read"),
        engine.run(built.tag, volumes=as_readme_says(tmp_path / "torn"), ready_within_s=4),
    ):
        pass


def test_run_broken_bundle_ends_with_its_log(engine: Engine, client: docker.DockerClient, runtime: Built) -> None:
    before = proofs(client)
    with pytest.raises(ImageFailed, match=r"(?s)ended with code.*BundleBroken"), engine.run(runtime.tag):
        pass
    assert proofs(client) == before


def test_build_behind_a_proxy_and_a_private_index_keeps_no_trace_of_them(
    engine: Engine, client: docker.DockerClient, tmp_path: Path
) -> None:
    copied = "COPY requirements.txt /requirements.txt\n"
    recipe = (image.RECIPE / "Dockerfile").read_text(encoding="utf-8")
    assert copied in recipe
    seen = 'RUN test "$HTTPS_PROXY" = http://u:secret@127.0.0.1:9 && test "$PIP_INDEX_URL" = https://u:secret@mirror/\n'
    (tmp_path / "Dockerfile").write_text(recipe.replace(copied, copied + seen))
    (tmp_path / "requirements.txt").write_text("# nothing to install\n")
    plan = image.runtime(recipe=tmp_path)
    reached = {"HTTPS_PROXY": "http://u:secret@127.0.0.1:9", "PIP_INDEX_URL": "https://u:secret@mirror/"}
    try:
        assert engine.ensure(plan, reach=reached).tag == plan.tag
        kept = json.dumps([client.api.history(plan.tag), client.images.get(plan.tag).attrs])
        assert "contender.serving.app" in kept
        assert "secret" not in kept
    finally:
        client.images.remove(plan.tag)


def test_build_failing_step_says_its_last_lines(engine: Engine) -> None:
    recipe = f"FROM {base(engine)}\nRUN echo the reason is this && exit 3\n"
    plan = Build(tag="contender/test-failing:1", context={"Dockerfile": recipe.encode()})
    with pytest.raises(ImageFailed, match=r"(?s)the reason is this.*returned a non-zero code: 3"):
        engine.build(plan, fresh=True)
    assert engine.find(plan.tag) is None


def base(engine: Engine) -> str:
    """An image that is there and has a shell."""
    return engine.ensure(image.runtime()).tag


class Cable:
    """A TCP address that leads to the engine until the engine says `cut_at`: then nothing passes any more."""

    def __init__(self, engine: str, cut_at: bytes) -> None:
        self._engine, self._cut_at = urlparse(engine), cut_at
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ends = [self._server]
        self._threads: list[threading.Thread] = []
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self.is_cut = threading.Event()

    def __enter__(self) -> Cable:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._cut()
        for thread in self._threads:
            thread.join(timeout=5)
        for end in self._ends:
            end.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = self._reach_engine()
                self._ends += [near, far]
                self._start(self._pump, near, far)
                self._start(self._pump, far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        said = b""
        with suppress(OSError):
            while data := source.recv(65536):
                said = said[-100:] + data
                # In the engine's mouth: the context that goes the other way has the same words after `RUN`.
                if b'{"stream":"' + self._cut_at in said:
                    self.is_cut.set()
                    self._cut()
                    return
                sink.sendall(data)

    def _cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _reach_engine(self) -> socket.socket:
        if self._engine.scheme != "unix":
            return socket.create_connection((self._engine.hostname, self._engine.port or 2375))
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._engine.path)
        return far


def test_build_engine_gone_mid_build_is_named_and_leaves_no_tag(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = f"FROM {base(engine)}\nRUN echo half way && sleep 3\nRUN echo never\n"
    plan = Build(tag="contender/test-cut:1", context={"Dockerfile": recipe.encode()})
    here = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    with Cable(here, cut_at=b"half way") as cable:
        monkeypatch.setenv("DOCKER_HOST", cable.address)
        far = Engine.connect()
        with pytest.raises(EngineUnavailable, match=r"went away while building contender/test-cut:1"):
            far.build(plan, fresh=True)
        assert cable.is_cut.is_set()
        with pytest.raises(EngineUnavailable):
            far.find(plan.tag)
    assert engine.find(plan.tag) is None
