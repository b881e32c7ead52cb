"""A real registry with a log-in, reached through the proxy: pushed, pulled by digest, refused, away; and old images."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from airflow.sdk import Connection

from contender.adapters.containers import Built, Engine
from contender.adapters.engine_images import claim
from contender.adapters.model_versions import known_versions
from contender.adapters.registry import Registry
from contender.adapters.tracking import Tracking
from contender.core import decisions, naming
from contender.core.errors import ImageFailed, ImageMissing, PromotionRefused, RegistryRefused, RegistryUnreachable
from contender.core.records import Decision
from contender.core.results import ImageProof
from contender.core.settings import settings
from contender.factory import model_dags
from contender.retention.__main__ import main
from contender.stages.image import Build
from tests import tiny_platform
from tests.integration.conftest import MODELS
from tests.tiny_platform import Run, Tiny, tiny, tiny_base  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.engine]

USER, PASSWORD = "robot", "s3cret/p@ss"
# bcrypt of the password, the one form that the registry takes.
HTPASSWD = f"{USER}:$2b$05$51nrM1.AoTh56UiBthr.IeHWlU/JLu4yNfYq28gVq1AenGd8Nph8i\n"
CONFIG = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}", secret: of these tests}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
BELOW = "contender/test-below:1"


class Server:
    """`docker-registry` on a port of the loopback, which the engine asks without TLS."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.process = folder, None
        (folder / "htpasswd").write_text(HTPASSWD)
        (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=self.port))

    process: subprocess.Popen[bytes] | None

    @property
    def account(self) -> Registry:
        return Registry(f"127.0.0.1:{self.port}/team", USER, PASSWORD)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", self.folder / "config.yml"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "the registry does not start"
            try:
                answer = self.get("/v2/")
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                assert answer.status_code == httpx.codes.OK
                return

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=20)
            self.process = None

    def get(self, path: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, auth=(USER, PASSWORD), headers={"Accept": MANIFEST}, trust_env=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed; on Debian it is in the package of that name")
    server = Server(tmp_path_factory.mktemp("registry"))
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTENDER_REGISTRY_ADDRESS", server.account.address)  # for the proxy, which is started next
        yield server
    server.stop()


@pytest.fixture
def through(server: Server, proxied: Engine) -> Engine:
    """The engine behind a proxy that knows the registry."""
    assert server.process is not None
    return proxied


@pytest.fixture(scope="module")
def below(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """An image of less than a megabyte that gets ready, for a model's layer to be put on."""
    program = tmp_path_factory.mktemp("below") / "serve"
    subprocess.run(["gcc", "-static", "-Os", "-o", program, Path(__file__).with_name("serve.c")], check=True)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(program, "serve")
    client.api.import_image_from_data(
        archive.getvalue(), *BELOW.split(":"), changes=['CMD ["/serve"]', "LABEL contender.purpose=test"]
    )
    yield Built(BELOW, client.images.get(BELOW).id, 0.8)
    client.images.remove(BELOW, force=True)


@pytest.fixture
def put(engine: Engine, client: docker.DockerClient, below: Built) -> Iterator[Callable[..., Built]]:
    """Make the image of a version of a model; whatever is left of the test's models goes at its end."""

    def make(version: str, digest: str = "d", content: bytes = b"", model: str = tiny_platform.MODEL) -> Built:
        labels = {"contender.model": model, "contender.version": version, "contender.model-digest": digest}
        context = {"Dockerfile": f"FROM {BELOW}\nCOPY bundle /bundle\n".encode(), "bundle/model": content}
        return engine.put_on(below, Build(f"{naming.image_repository(model)}:{version}-t{len(content)}", context,
                                          labels=labels))  # fmt: skip

    yield make
    for container in client.containers.list(all=True, filters={"label": f"contender.model={tiny_platform.MODEL}"}):
        container.remove(force=True)
    for one in engine.model_images(tiny_platform.MODEL):
        engine.remove(one.digest)


def test_registry_of_the_same_image_pushed_twice_has_one_manifest_which_names_that_image(
    server: Server, through: Engine, engine: Engine, put: Callable[..., Built]
) -> None:
    built = put("1", content=b"layer" * 1000)
    pushed = through.push(built.digest, server.account, "contender/tiny", "1-t")
    repository, _, digest = pushed.partition("@")
    assert repository == f"{server.account.address}/contender/tiny"
    there = server.get(f"/v2/team/contender/tiny/manifests/{digest}")
    assert there.json()["config"]["digest"] == built.digest
    assert through.push(built.digest, server.account, "contender/tiny", "1-t") == pushed
    # Made anew, as after a removal of the engine's, it is packed anew, to the same bytes.
    engine.remove(built.digest)
    assert put("1", content=b"layer" * 1000) == built
    assert through.push(built.digest, server.account, "contender/tiny", "1-again") == pushed
    engine.remove(built.digest)
    found = through.fetch(pushed, server.account, digest=built.digest, tag=built.tag)
    assert (found.digest, engine.find(built.tag)) == (built.digest, found)
    with pytest.raises(RegistryRefused, match="another image than the one that was proven"):
        through.fetch(pushed, server.account, digest=f"sha256:{'0' * 64}", tag=built.tag)


def test_registry_wrong_log_in_or_absent_image_is_refused_without_the_password(
    server: Server, through: Engine, put: Callable[..., Built], caplog: pytest.LogCaptureFixture
) -> None:
    built, address = put("2"), server.account.address
    with pytest.raises(RegistryRefused, match=r"unauthorized: authentication required.*correct login") as refused:
        through.push(built.digest, Registry(address, USER, "wr0ng/p@ss"), "contender/tiny", "2-t")
    with pytest.raises(RegistryRefused, match="no basic auth credentials"):
        through.push(built.digest, Registry(address), "contender/tiny", "2-t")
    with pytest.raises(RegistryRefused, match=r"manifest unknown|not found"):
        through.fetch(f"{address}/contender/tiny@sha256:{'0' * 64}", server.account, digest=built.digest, tag="a:1")
    with pytest.raises(ImageFailed, match=f"a repository below {address}/contender/"):
        through.push(built.digest, Registry(f"127.0.0.1:{server.port}/other", USER, PASSWORD), "contender/tiny", "2-t")
    said = f"{refused.value!r}{refused.value}{refused.value.__cause__!r}{caplog.text}"
    assert "wr0ng" not in said


def test_proxy_pushes_and_removes_no_image_of_others(
    server: Server, through: Engine, proxy: str, client: docker.DockerClient, below: Built
) -> None:
    assert through
    elsewhere = {"repo": f"{server.account.address}/contender/tiny", "tag": "stolen"}
    with httpx.Client(base_url=f"http://{proxy}/v1.41", trust_env=False) as http:
        tagged = http.post(f"/images/{below.digest}/tag", params=elsewhere)
        removed = http.delete(f"/images/{BELOW}")
        assert http.get("/images/json", params={"filters": "{}"}).status_code == 403
    assert [(one.status_code, "contender.model" in one.json()["message"]) for one in (tagged, removed)] == [
        (403, True), (403, True),
    ]  # fmt: skip
    assert client.images.get(BELOW).id == below.digest


@pytest.fixture
def platform(
    tiny: Tiny, server: Server, proxy: str, network: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> Tiny:  # fmt: skip
    """The made-up model's platform with an engine, a network and a registry."""
    connection = {"conn_type": "docker", "host": "http://127.0.0.1", "port": server.port, "login": USER,
                  "password": PASSWORD, "extra": {"namespace": "team"}}  # fmt: skip
    for name, value in {
        "DOCKER_HOST": f"tcp://{proxy}", "CONTENDER_SERVING_NETWORK": network,
        "CONTENDER_REGISTRY": "registry_default", "AIRFLOW_CONN_REGISTRY_DEFAULT": json.dumps(connection),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return tiny


def decided(run: Run, put: Callable[..., Built]) -> Built:
    """A run up to its verdict, `promote`, on an image that was proven."""
    fitted = run.chain.returned["train.fit"]
    built = put(fitted["version"], fitted["model_digest"], content=fitted["version"].encode())
    proof = ImageProof(image=built.tag, digest=built.digest, model_digest=fitted["model_digest"], answered=1,
                       largest_difference=0.0, size_mb=built.size_mb)  # fmt: skip
    run.measure()
    assert run.decide(proof=proof.facts()) == "gate.promote"
    return built


def push(run: Run) -> Any:
    return run.chain.call(run.dag, "promote.push", evidence=run.decided["evidence"])


def deployed(run: Run) -> Any:
    return run.chain.call(model_dags(run.spec, doc=None)[2], "deploy.serve")


def test_release_is_pushed_before_it_is_promoted_and_deployed_by_digest_where_its_image_is_gone(
    platform: Tiny, server: Server, client: docker.DockerClient, engine: Engine, put: Callable[..., Built],
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first, second = decided(platform.better, put), None
    server.stop()
    with pytest.raises(RegistryUnreachable, match=r"connection refused.*nothing was promoted"):
        push(platform.better)
    with pytest.raises(PromotionRefused, match="the image is not in the registry"):
        platform.better.release(pushed=None)
    assert tiny_platform.champion(platform.home) == "1"
    server.start()

    pushed = push(platform.better)
    assert push(platform.better) == pushed
    platform.better.release(pushed=pushed)
    assert tiny_platform.champion(platform.home) == "2"
    manifest = tiny_platform.manifest(platform.home, "2")
    assert manifest["pushed"] == pushed["pushed"]
    digest = manifest["pushed"].partition("@")[2]
    named = server.get(f"/v2/team/contender/tiny/manifests/{digest}").json()
    assert named["config"]["digest"] == first.digest == manifest["image"]["digest"]

    second = decided(platform.best, put)
    platform.best.release(pushed=push(platform.best))
    for gone in (first, second):
        engine.remove(gone.digest)
        assert engine.find(gone.digest) is None
    assert deployed(platform.best)["digest"] == second.digest
    # A rollback is an alias set back: the release before is served, from the registry.
    Tracking(tiny_platform.MODEL).set_alias(naming.CHAMPION, "2")
    assert deployed(platform.better) == {
        "version": "2", "image": first.tag, "digest": first.digest, "name": f"{MODELS}-tiny", "path": "/models/tiny/",
    }  # fmt: skip
    serving = client.containers.get(f"{MODELS}-tiny")
    assert (serving.status, serving.attrs["Image"]) == ("running", first.digest)
    assert claim("tiny", settings().owner, first.digest) in client.images.get(first.digest).tags

    pruned = platform.better.chain.call(model_dags(platform.better.spec, doc=None)[2], "deploy.prune")
    assert pruned["removed"] == {}
    assert pruned["kept"][first.digest] == f"the container {MODELS}-tiny is of it"

    server.stop()
    Tracking(tiny_platform.MODEL).set_alias(naming.CHAMPION, "3")
    engine.remove(second.digest)
    with pytest.raises(RegistryUnreachable, match="connection refused"):
        deployed(platform.best)
    monkeypatch.setenv("CONTENDER_REGISTRY", "")
    with pytest.raises(ImageMissing, match=r"none to pull \(CONTENDER_REGISTRY names no connection\)"):
        deployed(platform.best)
    monkeypatch.setenv("CONTENDER_REGISTRY", "no_such")
    with pytest.raises(RegistryRefused, match="CONTENDER_REGISTRY=no_such"):
        deployed(platform.best)
    assert client.containers.get(f"{MODELS}-tiny").id == serving.id
    server.start()
    assert PASSWORD not in f"{caplog.text}{platform.better.chain.returned}{platform.best.chain.returned}"
    assert Connection.get("registry_default").password == PASSWORD


def held(version: str) -> None:
    """Put on record that a version was held."""
    decisions.append(settings().decisions / f"{tiny_platform.MODEL}.jsonl", Decision(
        model=tiny_platform.MODEL, kind="decision", verdict="hold", subject=f"version {version}", actor="a", run="r",
        reasons=("no better",), time=tiny_platform.INTERVAL.end,
    ))  # fmt: skip


def test_prune_says_what_goes_and_what_stays_and_removes_with_yes_alone(
    tiny: Tiny, client: docker.DockerClient, engine: Engine, put: Callable[..., Built],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("CONTENDER_KEEP_CHALLENGERS", "1")
    digests = known_versions(tiny_platform.MODEL)
    held("2")
    held("3")
    images = {
        "bears the alias champion": put("1", digests["1"]),
        "bears the alias challenger": put("3", digests["3"]),
        "of no version that this platform registered": put("2", "another's"),
        "another platform on this engine has released it": put("2", digests["2"], b"claimed"),
        "the container": put("2", digests["2"], b"a container is of it"),
    }
    unknown = put("9", digests["2"], b"never registered")
    old = put("2", digests["2"], b"old")
    *_, claimed, used = images.values()
    engine.claim(claimed.digest, tiny_platform.MODEL, "elsewhere")
    engine.claim(old.digest, tiny_platform.MODEL, settings().owner)
    container = client.containers.create(used.digest, labels={"contender.model": tiny_platform.MODEL})

    assert main(["tiny"]) == 0
    said = capsys.readouterr().out
    assert said.count("would be removed:") == 1
    assert f"would be removed: {old.tag} ({old.digest[7:19]}): it was not promoted" in said
    assert said.endswith("\nNothing was removed. Next: say the same with YES=1\n")
    for reason, one in images.items():
        line = next(line for line in said.splitlines() if one.digest[7:19] in line)
        assert line.startswith("  stays: ")
        assert reason in line
    assert engine.find(old.digest) is not None

    assert main(["--yes"]) == 0
    assert f"removed: {old.tag}" in capsys.readouterr().out
    assert engine.find(old.digest) is None
    assert [one.tag for one in (*images.values(), unknown) if engine.find(one.digest) is None] == []
    # A container that came after the plan was made: the engine keeps its image, and that is said.
    container.remove()
    (fate,) = [one for one in engine.model_images(tiny_platform.MODEL) if one.digest == used.digest]
    container = client.containers.create(used.digest, labels={"contender.model": tiny_platform.MODEL})
    assert container.id[:12] in engine.discard(fate)
    assert engine.find(used.digest) is not None
    assert main(["no_such"]) == 1
    assert "of this model nothing is on record" in capsys.readouterr().err
