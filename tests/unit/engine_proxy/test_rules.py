"""What may be asked of the engine, and what may not, whatever way it is written."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

import pytest

from contender.core.errors import EngineCallRefused
from contender.engine_proxy import rules

NETWORK = "contender_models"
PROOFS = json.dumps({"label": ["contender.purpose=proof", "contender.proof-of=contender_models/toy_train/a/b/-1"]})
OURS = json.dumps({"label": ["contender.purpose=served"]})
MODELS = json.dumps({"label": ["contender.model=toy"]})
DIGEST = "sha256:" + "a1" * 32
REGISTRY = "registry.example:5000/team"
HOST: dict[str, Any] = {
    "NetworkMode": NETWORK,
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "PidsLimit": 256,
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    "Memory": 2**29,
    "Mounts": [{"Type": "volume", "Source": f"{NETWORK}-toy-journal", "Target": "/journal"}],
    "RestartPolicy": {"Name": "unless-stopped"},
}
CONFIG: dict[str, Any] = {
    "Image": DIGEST,
    "Env": ["CONTENDER_ONLINE_STORE=none"],
    "Labels": {"contender.purpose": "served", "contender.model": "flight_delay"},
    "HostConfig": HOST,
}

ALLOWED = {
    "ping": ("GET", "/v1.41/_ping", {}, ""),
    "version": ("GET", "/version", {}, ""),
    "image": ("GET", "/v1.41/images/contender/flight-delay:1-ab12/json", {}, ""),
    "image of a registry": ("GET", "/v1.50/images/mirror.example:5000/a/b_c:1/json", {}, ""),
    "image by digest": ("GET", f"/v1.41/images/{DIGEST}/json", {}, ""),
    "build": ("POST", "/v1.41/build", {"rm": "True", "nocache": "False", "buildargs": '{"A": "b"}', "memory": "1"}, ""),
    "tag": ("POST", f"/v1.41/images/{DIGEST}/tag", {"repo": "contender/toy", "tag": "1-ab", "force": "0"}, ""),
    "images of a model": ("GET", "/v1.41/images/json", {"filters": MODELS, "all": "0", "only_ids": "0"}, ""),
    "remove an image": ("DELETE", "/v1.41/images/contender/toy:1-ab", {"force": "False", "noprune": "False"}, ""),
    "create": ("POST", "/v1.41/containers/create", {}, ""),
    "create named": ("POST", "/v1.41/containers/create", {"name": f"{NETWORK}-flight_delay-next"}, ""),
    "list of proofs": ("GET", "/v1.41/containers/json", {"filters": PROOFS, "limit": "-1", "trunc_cmd": "0"}, ""),
    "list": ("GET", "/v1.41/containers/json", {"filters": OURS, "all": "1", "limit": "-1"}, ""),
    "inspect": ("GET", "/v1.41/containers/contender_models-toy/json", {}, "contender_models-toy"),
    "logs": ("GET", "/v1.41/containers/a1b2/logs", {"stdout": "1", "tail": "20"}, "a1b2"),
    "files": ("GET", "/v1.41/containers/a1b2/archive", {"path": "/var/lib/dpkg/status"}, "a1b2"),
    "stats": ("GET", "/v1.41/containers/a1b2/stats", {"stream": "False", "one-shot": "True"}, "a1b2"),
    "start": ("POST", "/v1.41/containers/a1b2/start", {}, "a1b2"),
    "stop": ("POST", "/v1.41/containers/a1b2/stop", {"t": "15"}, "a1b2"),
    "rename": ("POST", "/v1.41/containers/a1b2/rename", {"name": f"{NETWORK}-toy"}, "a1b2"),
    "remove": ("DELETE", "/v1.41/containers/a1b2", {"v": "True", "force": "True", "link": "False"}, "a1b2"),
}


@pytest.mark.parametrize(("method", "path", "query", "container"), ALLOWED.values(), ids=ALLOWED.keys())
def test_judge_call_of_the_adapter_is_allowed(method: str, path: str, query: dict[str, str], container: str) -> None:
    call = rules.judge(method, path.encode(), urlencode(query).encode(), NETWORK)
    assert (call.method, call.container) == (method, container)
    assert call.path == (path.replace(f"/{container}", "/{id}") if container else path)
    assert call.query.keys() <= query.keys() - {"force", "link"} or "v" in query


TO_TAG = "/v1.41/images/a1b2c3d4e5f6/tag"


def asked(filters: str) -> str:
    return urlencode({"filters": filters})


REFUSED = {
    "up and down": ("GET", "/v1.41/../v1.41/info", ""),
    "up from an image": ("GET", "/v1.41/images/../containers/json", ""),
    "up from a container": ("POST", "/v1.41/containers/../networks/create", ""),
    "double slash": ("GET", "//v1.41/_ping", ""),
    "double slash inside": ("POST", "/v1.41//containers/create", ""),
    "escaped slash": ("POST", "/v1.41/containers/a%2fexec", ""),
    "escaped dots": ("GET", "/v1.41/images/%2e%2e/info", ""),
    "escaped letter": ("GET", "/v1.41/%5fping", ""),
    "trailing slash": ("POST", "/v1.41/containers/create/", ""),
    "newline": ("GET", "/v1.41/_ping\n", ""),
    "not ASCII": ("GET", "/v1.41/_pïng", ""),
    "old interface": ("POST", "/v1.23/containers/a1/start", ""),
    "no version of the interface": ("GET", "/v2/_ping", ""),
    "exec": ("POST", "/v1.41/containers/a1/exec", ""),
    "attach": ("POST", "/v1.41/containers/a1/attach", ""),
    "archive": ("PUT", "/v1.41/containers/a1/archive", "path=/"),
    "export": ("GET", "/v1.41/containers/a1/export", ""),
    "update": ("POST", "/v1.41/containers/a1/update", ""),
    "wait": ("POST", "/v1.41/containers/a1/wait", ""),
    "kill": ("POST", "/v1.41/containers/a1/kill", ""),
    "pull": ("POST", "/v1.41/images/create", "fromImage=x"),
    "push": ("POST", "/v1.41/images/contender/toy/push", ""),
    "images": ("GET", "/v1.41/images/json", ""),
    "images with another label": ("GET", "/v1.41/images/json", urlencode({"filters": '{"label": ["a"]}'})),
    "images with a further filter": (
        "GET", "/v1.41/images/json", urlencode({"filters": '{"label": ["contender.model=a"], "dangling": ["1"]}'}),
    ),
    "remove an image by force": ("DELETE", "/v1.41/images/contender/toy", "force=1"),
    "remove all images": ("POST", "/v1.41/images/prune", ""),
    "commit": ("POST", "/v1.41/commit", "container=a1"),
    "networks": ("GET", "/v1.41/networks", ""),
    "volumes": ("POST", "/v1.41/volumes/create", ""),
    "secrets": ("GET", "/v1.41/secrets", ""),
    "swarm": ("POST", "/v1.41/swarm/init", ""),
    "plugins": ("POST", "/v1.41/plugins/pull", ""),
    "session": ("POST", "/v1.41/session", ""),
    "info": ("GET", "/v1.41/info", ""),
    "events": ("GET", "/v1.41/events", ""),
    "other method": ("PUT", "/v1.41/containers/create", ""),
    "method in lower case": ("get", "/v1.41/_ping", ""),
    "list without a filter": ("GET", "/v1.41/containers/json", "all=1"),
    "list of another label": ("GET", "/v1.41/containers/json", asked('{"label": ["a"]}')),
    "list without the label": ("GET", "/v1.41/containers/json", asked('{"name": ["contender.purpose"]}')),
    "list with the label denied": ("GET", "/v1.41/containers/json", asked('{"label!": ["contender.purpose"]}')),
    "list with the filter twice": ("GET", "/v1.41/containers/json", urlencode([("filters", OURS), ("filters", "{}")])),
    "build of a remote": ("POST", "/v1.41/build", "remote=https%3A%2F%2Fexample.org%2Fx.git"),
    "build on the host's network": ("POST", "/v1.41/build", "networkmode=host"),
    "build with other hosts": ("POST", "/v1.41/build", "extrahosts=a%3A1.2.3.4"),
    "build with a tag": ("POST", "/v1.41/build", "t=postgres"),
    "build squashed": ("POST", "/v1.41/build", "squash=1"),
    "build with other outputs": ("POST", "/v1.41/build", "outputs=%5B%7B%7D%5D"),
    "build by BuildKit": ("POST", "/v1.41/build", "version=2"),
    "build with another parent group": ("POST", "/v1.41/build", "cgroupparent=x"),
    "build with arguments that are no texts": ("POST", "/v1.41/build", urlencode({"buildargs": '{"A": null}'})),
    "build with labels of compose": ("POST", "/v1.41/build", urlencode({"labels": '{"com.docker.x": "y"}'})),
    "tag of another": ("POST", TO_TAG, "repo=postgres&tag=15"),
    "tag of the stack's own image": ("POST", TO_TAG, "repo=contender/airflow&tag=local"),
    "tag elsewhere": ("POST", TO_TAG, "repo=evil.example/contender/x&tag=1"),
    "tag with the tag in the repository": ("POST", TO_TAG, "repo=contender/airflow%3Alocal&tag=1"),
    "tag without a tag": ("POST", TO_TAG, "repo=contender/toy"),
    "name of a service": ("POST", "/v1.41/containers/create", "name=redis"),
    "name of a service's container": ("POST", "/v1.41/containers/create", "name=contender-redis-1"),
    "name that only contains the network's": ("POST", "/v1.41/containers/create", "name=x-contender_models-toy"),
    "name of another network": ("POST", "/v1.41/containers/create", "name=contenderxmodels-toy"),
    "renamed to a service": ("POST", "/v1.41/containers/a1/rename", "name=airflow-apiserver"),
    "platform": ("POST", "/v1.41/containers/create", "platform=linux%2Farm64"),
    "files of nowhere": ("GET", "/v1.41/containers/a1/archive", ""),
    "files above": ("GET", "/v1.41/containers/a1/archive", "path=/bundle/../etc"),
    "files written": ("PUT", "/v1.41/containers/a1/archive", "path=/bundle"),
    "stats without end": ("GET", "/v1.41/containers/a1/stats", ""),
    "stats as a stream": ("GET", "/v1.41/containers/a1/stats", "stream=true"),
    "start with a body's worth": ("POST", "/v1.41/containers/a1/start", "detachKeys=ctrl-a"),
    "broken query": ("GET", "/v1.41/_ping", "a"),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "query"), REFUSED.values(), ids=REFUSED.keys())
def test_judge_anything_else_is_refused(method: str, path: str, query: str) -> None:
    with pytest.raises(EngineCallRefused):
        rules.judge(method, path.encode(), query.encode(), NETWORK)


OF_THE_REGISTRY = {
    "tag": ("POST", f"/v1.41/images/{DIGEST}/tag", f"repo={REGISTRY}/contender/toy&tag=1-ab", DIGEST, False),
    "push": (
        "POST",
        f"/v1.41/images/{REGISTRY}/contender/toy/push",
        "tag=1-ab",
        f"{REGISTRY}/contender/toy:1-ab",
        True,
    ),
    "pull": ("POST", "/v1.41/images/create", f"fromImage={REGISTRY}/contender/toy&tag={DIGEST}", "", True),
}
NOT_OF_IT = {
    "push of all tags": ("POST", f"/v1.41/images/{REGISTRY}/contender/toy/push", ""),
    "push beside": ("POST", f"/v1.41/images/{REGISTRY}/toy/push", "tag=1"),
    "push above": ("POST", "/v1.41/images/registry.example:5000/contender/toy/push", "tag=1"),
    "push further down": ("POST", f"/v1.41/images/{REGISTRY}/contender/a/contender/toy/push", "tag=1"),
    "push elsewhere": ("POST", "/v1.41/images/evil.example/contender/toy/push", "tag=1"),
    "push elsewhere, with the address in the name": (
        "POST", "/v1.41/images/evil.example/registry.example/team/contender/toy/push", "tag=1",
    ),
    "push to the engine's default": ("POST", "/v1.41/images/contender/toy/push", "tag=1"),
    "push of the stack's own image": ("POST", f"/v1.41/images/{REGISTRY}/contender/airflow/push", "tag=1"),
    "push of a digest": ("POST", f"/v1.41/images/{REGISTRY}/contender/toy@{DIGEST}/push", "tag=1"),
    "pull of a tag": ("POST", "/v1.41/images/create", f"fromImage={REGISTRY}/contender/toy&tag=1-ab"),
    "pull of all": ("POST", "/v1.41/images/create", f"fromImage={REGISTRY}/contender/toy"),
    "pull elsewhere": ("POST", "/v1.41/images/create", f"fromImage=evil.example/contender/toy&tag={DIGEST}"),
    "pull from the engine's default": ("POST", "/v1.41/images/create", f"fromImage=contender/toy&tag={DIGEST}"),
    "pull of another repository": ("POST", "/v1.41/images/create", f"fromImage={REGISTRY}/x&tag={DIGEST}"),
    "import": ("POST", "/v1.41/images/create", f"fromSrc=-&repo={REGISTRY}/contender/toy&tag=1"),
    "tag beside": ("POST", f"/v1.41/images/{DIGEST}/tag", f"repo={REGISTRY}/toy&tag=1"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "query", "image", "account"), OF_THE_REGISTRY.values(), ids=OF_THE_REGISTRY.keys()
)
def test_judge_call_of_the_one_registry_is_allowed_of_a_model_s_image_and_without_a_registry_refused(
    method: str, path: str, query: str, image: str, account: bool
) -> None:
    call = rules.judge(method, path.encode(), query.encode(), NETWORK, REGISTRY)
    assert (call.path, call.image, call.account) == (path, image, account)
    for other in ("", "registry.example:5000", f"{REGISTRY}/contender"):
        with pytest.raises(EngineCallRefused):
            rules.judge(method, path.encode(), query.encode(), NETWORK, other)


@pytest.mark.parametrize(("method", "path", "query"), NOT_OF_IT.values(), ids=NOT_OF_IT.keys())
def test_judge_other_repositories_are_neither_pushed_nor_pulled(method: str, path: str, query: str) -> None:
    with pytest.raises(EngineCallRefused):
        rules.judge(method, path.encode(), query.encode(), NETWORK, REGISTRY)


def test_judge_removal_is_of_the_image_that_must_be_a_model_s() -> None:
    assert rules.judge("DELETE", f"/v1.41/images/{DIGEST}".encode(), b"", NETWORK).image == DIGEST


def header(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def test_account_is_put_together_anew_and_may_be_absent() -> None:
    assert rules.account("") == header({})
    assert rules.account(header({"password": "p", "username": "u"})) == header({"password": "p", "username": "u"})


@pytest.mark.parametrize(
    "sent", ["%%%", header(["u"]), header({"username": "u"}), header({"username": "u", "password": "secret", "x": "y"}),
             header({"username": "u", "password": ["secret"]})],
)  # fmt: skip
def test_account_of_another_form_is_refused_without_repeating_it(sent: str) -> None:
    with pytest.raises(EngineCallRefused) as refused:
        rules.account(sent)
    assert "secret" not in str(refused.value)


def test_judge_refusal_says_what_and_what_would_be_allowed() -> None:
    with pytest.raises(EngineCallRefused, match=r"networkmode=host") as refused:
        rules.judge("POST", b"/v1.41/build", b"networkmode=host", NETWORK)
    assert "buildargs" in refused.value.expected


def test_container_config_of_the_adapter_is_put_together_anew() -> None:
    silent = {"Cmd": None, "User": "", "Tty": False, "ExposedPorts": {}, "NetworkingConfig": None}
    assert rules.container_config(json.dumps(CONFIG | silent).encode(), NETWORK) == CONFIG


def changed(*path: str, to: Any) -> bytes:
    config = deepcopy(CONFIG)
    at = config
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = to
    return json.dumps(config).encode()


def mounted(**otherwise: Any) -> bytes:
    return changed("HostConfig", "Mounts", to=[HOST["Mounts"][0] | otherwise])


def without(name: str) -> bytes:
    return json.dumps(CONFIG | {"HostConfig": {key: HOST[key] for key in HOST if key != name}}).encode()


HOSTILE = {
    "binds": changed("HostConfig", "Binds", to=["/:/host"]),
    "binds in lower case": changed("HostConfig", "binds", to=["/:/host"]),
    "a folder as the journal": mounted(Type="bind", Source="/"),
    "another volume as the journal": mounted(Source="contender_home"),
    "another's journal": mounted(Source="other_models-toy-journal"),
    "the journal in another place": mounted(Target="/bundle"),
    "the journal by a driver": mounted(VolumeOptions={"DriverConfig": {"Name": "local", "Options": {"device": "/"}}}),
    "two volumes": changed("HostConfig", "Mounts", to=HOST["Mounts"] * 2),
    "mounts": changed("HostConfig", "Mounts", to=[{"Type": "bind", "Source": "/", "Target": "/host"}]),
    "volumes of others": changed("HostConfig", "VolumesFrom", to=["contender-postgres-1"]),
    "volumes": changed("Volumes", to={"/x": {}}),
    "devices": changed("HostConfig", "Devices", to=[{"PathOnHost": "/dev/sda"}]),
    "privileged": changed("HostConfig", "Privileged", to=True),
    "privileged in odd case": changed("HostConfig", "pRIVILEGED", to=True),
    "host configuration in lower case": changed("hostconfig", to={"Privileged": True}),
    "host's processes": changed("HostConfig", "PidMode", to="host"),
    "host's memory": changed("HostConfig", "IpcMode", to="host"),
    "host's users": changed("HostConfig", "UsernsMode", to="host"),
    "host's name": changed("HostConfig", "UTSMode", to="host"),
    "capabilities": changed("HostConfig", "CapAdd", to=["SYS_ADMIN"]),
    "ports": changed("HostConfig", "PortBindings", to={"8080/tcp": [{"HostPort": "80"}]}),
    "all ports": changed("HostConfig", "PublishAllPorts", to=True),
    "host's network": changed("HostConfig", "NetworkMode", to="host"),
    "another's network": changed("HostConfig", "NetworkMode", to="container:contender-postgres-1"),
    "the platform's network": changed("HostConfig", "NetworkMode", to="contender_platform"),
    "further networks": changed("NetworkingConfig", to={"EndpointsConfig": {"contender_platform": {}}}),
    "a further name": changed("NetworkingConfig", to={"EndpointsConfig": {NETWORK: {"Aliases": ["redis"]}}}),
    "resolver": changed("HostConfig", "Dns", to=["1.2.3.4"]),
    "other hosts": changed("HostConfig", "ExtraHosts", to=["redis:1.2.3.4"]),
    "runtime": changed("HostConfig", "Runtime", to="evil"),
    "parent group": changed("HostConfig", "CgroupParent", to="/"),
    "kernel settings": changed("HostConfig", "Sysctls", to={"net.ipv4.ip_forward": "1"}),
    "log driver": changed("HostConfig", "LogConfig", to={"Type": "syslog", "Config": {"syslog-address": "tcp://x"}}),
    "log without end": changed("HostConfig", "LogConfig", "Config", to={}),
    "log of another size": changed("HostConfig", "LogConfig", "Config", "max-size", to="10g"),
    "log settings of the engine": without("LogConfig"),
    "processes without end": changed("HostConfig", "PidsLimit", to=-1),
    "more processes": changed("HostConfig", "PidsLimit", to=10_000),
    "no limit of processes": without("PidsLimit"),
    "no seccomp": changed("HostConfig", "SecurityOpt", to=["no-new-privileges", "seccomp=unconfined"]),
    "unmasked paths": changed("HostConfig", "MaskedPaths", to=["/x"]),
    "some capabilities kept": changed("HostConfig", "CapDrop", to=["NET_RAW"]),
    "writable root": changed("HostConfig", "ReadonlyRootfs", to=False),
    "no memory limit": without("Memory"),
    "memory without end": changed("HostConfig", "Memory", to=2**40),
    "memory below the least": changed("HostConfig", "Memory", to=-1),
    "memory as a Boolean": changed("HostConfig", "Memory", to=True),
    "no security options": without("SecurityOpt"),
    "no capabilities dropped": without("CapDrop"),
    "no network": without("NetworkMode"),
    "restarted always": changed("HostConfig", "RestartPolicy", to={"Name": "always"}),
    "host configuration that is none": changed("HostConfig", to=["Privileged"]),
    "command": changed("Cmd", to=["sh"]),
    "entry point": changed("Entrypoint", to=["sh"]),
    "user": changed("User", to="0"),
    "host name": changed("Hostname", to="redis"),
    "no purpose": changed("Labels", to={"contender.model": "x"}),
    "another purpose": changed("Labels", "contender.purpose", to="database"),
    "label of compose": changed("Labels", "com.docker.compose.service", to="redis"),
    "label that is no text": changed("Labels", "contender.version", to=["1"]),
    "environment of the engine": changed("Env", to=["PATH"]),
    "image that is a path": changed("Image", to="../../containers/a1"),
    "image that is a query": changed("Image", to="a?b=c"),
    "no image": changed("Image", to=None),
    "named twice": json.dumps(CONFIG).encode()[:-1] + b', "Image": "evil"}',
    "named twice, in lower case": json.dumps(CONFIG).encode()[:-1] + b', "hostConfig": {}}',
    "no JSON": b"Image=x",
    "no object": b"[1]",
    "two objects": json.dumps(CONFIG).encode() * 2,
    "without end": b"[" * 100_000,
    "not a number": changed("HostConfig", "Memory", to=float("nan")),
    "empty": b"",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_container_config_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(EngineCallRefused):
        rules.container_config(body, NETWORK)


def test_require_own_container_refuses_one_without_the_label_or_on_another_network() -> None:
    def container(labels: Any, network: str = NETWORK) -> dict[str, Any]:
        return {"Name": "/a", "Config": {"Labels": labels}, "HostConfig": {"NetworkMode": network}}

    served = {"contender.purpose": "served"}
    rules.require_own_container(container(served), NETWORK)
    for one in (container(None), container({"com.docker.compose.service": "redis"}), container(served, "other_models")):
        with pytest.raises(EngineCallRefused, match="container /a"):
            rules.require_own_container(one, NETWORK)
    with pytest.raises(EngineCallRefused, match=r"container /a; expected: .*contender\.purpose: proof; got: served"):
        rules.require_own_container(container(served), NETWORK, frozenset({"proof"}))


def test_judge_files_are_of_a_proof_alone_which_has_no_journal() -> None:
    files = rules.judge("GET", b"/v1.41/containers/a1/archive", b"path=/journal", NETWORK)
    looked = rules.judge("GET", b"/v1.41/containers/a1/json", b"", NETWORK)
    assert (files.purposes, looked.purposes) == ({"proof"}, {"proof", "served"})


def test_require_model_image_refuses_one_without_the_label() -> None:
    rules.require_model_image({"Id": DIGEST, "Config": {"Labels": {"contender.model": "toy"}}})
    for config in (None, {}, {"Labels": {"org.opencontainers.image.title": "contender serving runtime"}}):
        with pytest.raises(EngineCallRefused, match=r"contender\.model"):
            rules.require_model_image({"Id": DIGEST, "Config": config})


def test_require_own_tag_refuses_to_move_another_s() -> None:
    for labels in ({"contender.model": "toy"}, {"org.opencontainers.image.title": "contender serving runtime"}):
        rules.require_own_tag({"Id": DIGEST, "Config": {"Labels": labels}})
    with pytest.raises(EngineCallRefused, match="contender/own:1"):
        rules.require_own_tag({"Id": DIGEST, "Config": {"Labels": None}, "RepoTags": ["contender/own:1"]})


def test_a_proof_gets_no_journal() -> None:
    body = changed("Labels", to={"contender.purpose": "proof", "contender.model": "flight_delay"})
    with pytest.raises(EngineCallRefused, match=r"served, with a journal"):
        rules.container_config(body, NETWORK)


def test_a_registry_may_have_a_namespace_of_our_name() -> None:
    assert rules._in_registry("reg:5000/contender/contender/toy", "reg:5000/contender")
    assert not rules._in_registry("reg:5000/other/contender/toy", "reg:5000/contender")
