"""Which calls to the Docker engine may be made, as pure functions: what is not allowed here is refused.

Nothing of a call is passed on as it came: path, query and body are put together anew from what was understood, so
that the engine cannot understand them otherwise (its JSON, for one, knows no upper and lower case in names).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from contender.core.errors import some
from contender.engine_proxy.strict import parsed, refused, require, said_in

# The rules were written for 1.41; older interfaces took settings of the host in calls that have none today.
OLDEST = 41
COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
ID = r"(?:sha256:)?[0-9a-f]{12,64}"
DIGEST = "sha256:[0-9a-f]{64}"
REPOSITORY = rf"(?:{COMPONENT}(?::[0-9]+)?/)?{COMPONENT}(?:/{COMPONENT})*"
IMAGE = rf"{ID}|{REPOSITORY}(?::{TAG})?"
CONTAINER = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
# After the name of the network: a name is a DNS name on it, and only a model's may be taken.
SERVED_NAME = r"-[a-z][a-z0-9_]*(?:-next|-previous)?"
# The one volume that a container may have: the journal of its model's predictions, in its own place.
JOURNAL_NAME, JOURNAL = r"-[a-z][a-z0-9_]*-journal", "/journal"
# What the stack itself runs from is built by its owner.
RESERVED = frozenset({"contender/airflow"})
PURPOSE, PURPOSES = "contender.purpose", frozenset({"proof", "served"})
MODEL = "contender.model"
RUNTIME_TITLE = ("org.opencontainers.image.title", "contender serving runtime")
CONFINED: dict[str, Any] = {
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "PidsLimit": 256,
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
}
LEAST_MEMORY, MOST_MEMORY = 6 * 2**20, 4 * 2**30
NO = frozenset({"", "0", "no", "false", "none"})  # how the engine reads a Boolean of a query

Check = Callable[[str], bool]
Body = Literal["none", "config", "context", "archive"]


@dataclass(frozen=True)
class Rule:
    """One kind of call: its method, the pattern of its path, what its query may and must have, what its body is.

    One on a container says by `purposes` what the container must be for.
    """

    method: str
    path: str
    query: Mapping[str, Check] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    body: Body = "none"
    purposes: frozenset[str] = PURPOSES


@dataclass(frozen=True)
class Call:
    """A call that may be made, once the engine has confirmed what it is made on.

    Attributes:
        method, path, query, body: What to send; in the path, `{id}` stands for the ID of `container`.
        container: Name or ID of the container that must be one of ours; empty where the call is on none.
        purposes: What that container must be for: one of these.
        image: Name or ID of the image that must be a model's; empty where it may be any.
        account: Whether the registry's account goes with it.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Body
    container: str
    image: str = ""
    account: bool = False
    purposes: frozenset[str] = PURPOSES


def _like(pattern: str) -> Check:
    return lambda value: re.fullmatch(pattern, value) is not None


def _strings(*prefixes: str) -> Check:
    """A JSON object of strings whose names begin with one of the prefixes."""

    def check(value: str) -> bool:
        return all(
            isinstance(text, str) and (not prefixes or name.startswith(prefixes))
            for name, text in parsed(value).items()
        )

    return check


def _own_repository(value: str) -> bool:
    return re.fullmatch(rf"contender/{COMPONENT}", value) is not None and value not in RESERVED


def _in_registry(value: str, registry: str) -> bool:
    """Whether it is one of our repositories below the address of the one registry, of which there may be none."""
    return bool(registry) and value.startswith(f"{registry}/") and _own_repository(value.removeprefix(f"{registry}/"))


def _asks_for_models(value: str) -> bool:
    """Filters that let through images of models alone."""
    filters = parsed(value)
    labels = filters.get("label")
    return (
        filters.keys() == {"label"}
        and isinstance(labels, list)
        and any(isinstance(label, str) and label.partition("=")[0] == MODEL for label in labels)
    )


def _asks_for_ours(value: str) -> bool:
    """Filters that let through containers with our label alone."""
    filters = parsed(value)
    labels = filters.get("label")
    return (
        filters.keys() <= {"label", "name", "status"}
        and isinstance(labels, list)
        and any(isinstance(label, str) and label.partition("=")[0] == PURPOSE for label in labels)
    )


WHETHER = _like("(?i)true|false|0|1")
NUMBER = _like("[0-9]{1,15}")
LIMITS = ("memory", "memswap", "cpushares", "cpuperiod", "cpuquota")
BUILD = {
    **dict.fromkeys(("q", "nocache", "rm", "forcerm", "pull"), WHETHER),
    **dict.fromkeys(LIMITS, NUMBER),
    "cpusetcpus": _like("[0-9,-]{1,64}"),
    "buildargs": _strings(),
    "labels": _strings("contender.", "org.opencontainers.image."),
}
LIST = {
    "filters": _asks_for_ours,
    "all": WHETHER,
    "size": WHETHER,
    "trunc_cmd": WHETHER,
    "limit": _like("-?[0-9]{1,4}"),
}
LOGS = {
    **dict.fromkeys(("stdout", "stderr", "timestamps", "follow"), WHETHER),
    **dict.fromkeys(("since", "until"), _like("[0-9.]{1,32}")),
    "tail": _like("all|[0-9]{1,6}"),
}
# Of a proof, which holds nothing but its image: a served model's container has the journal of what it was asked.
FILES = {"path": _like("(/(?![.]{1,2}(/|$))[A-Za-z0-9_.+-]{1,64}){1,12}")}
STATS = {"stream": _like("(?i)false|0"), "one-shot": WHETHER}
TO_TAG = {"repo": _like(REPOSITORY), "tag": _like(TAG)}
TO_PULL = {"fromImage": _like(REPOSITORY), "tag": _like(DIGEST)}  # by digest alone: it is what was pushed, or nothing
ON_CONTAINER = rf"/containers/(?P<container>{CONTAINER})"
RULES = (
    Rule("GET", "/_ping"),
    Rule("GET", "/version"),
    Rule("GET", rf"/images/(?:{IMAGE})/json"),
    Rule("POST", "/build", BUILD, body="context"),
    Rule("POST", "/images/load", {"quiet": WHETHER}, body="archive"),
    Rule("GET", "/images/json", {"filters": _asks_for_models, "all": WHETHER}, frozenset({"filters"})),
    Rule("POST", rf"/images/(?P<image>{IMAGE})/tag", TO_TAG, frozenset(TO_TAG)),
    Rule("POST", rf"/images/(?P<pushed>{REPOSITORY})/push", {"tag": _like(TAG)}, frozenset({"tag"})),
    Rule("POST", "/images/create", TO_PULL, frozenset(TO_PULL)),
    Rule("DELETE", rf"/images/(?P<removed>{IMAGE})"),
    Rule("POST", "/containers/create", {"name": _like(CONTAINER)}, body="config"),
    Rule("GET", "/containers/json", LIST, frozenset({"filters"})),
    Rule("GET", f"{ON_CONTAINER}/json", {"size": WHETHER}),
    Rule("GET", f"{ON_CONTAINER}/logs", LOGS),
    Rule("GET", f"{ON_CONTAINER}/archive", FILES, frozenset({"path"}), purposes=frozenset({"proof"})),
    Rule("GET", f"{ON_CONTAINER}/stats", STATS, frozenset({"stream"})),
    Rule("POST", f"{ON_CONTAINER}/start"),
    Rule("POST", f"{ON_CONTAINER}/stop", {"t": _like("[0-9]{1,3}")}),
    Rule("POST", f"{ON_CONTAINER}/rename", {"name": _like(CONTAINER)}, frozenset({"name"})),
    Rule("DELETE", ON_CONTAINER, {"v": WHETHER, "force": WHETHER}),
)


def judge(method: str, raw_path: bytes, raw_query: bytes, network: str, registry: str = "") -> Call:
    """The call to make for a request.

    Args:
        method: HTTP method.
        raw_path: Path as it was sent: with an escape in it, it matches no rule.
        raw_query: Query as it was sent.
        network: The network of the served models, with which the names of containers begin.
        registry: Address of the one registry that models' images are pushed to and pulled from; empty: none is.

    Raises:
        EngineCallRefused: No rule allows it.
    """
    asked = f"{method} {raw_path.decode('ascii', 'backslashreplace')[:200]}"
    version, path = _version(raw_path, asked)
    for rule in RULES:
        found = re.fullmatch(rule.path, path) if rule.method == method else None
        if found is None:
            continue
        container = found.groupdict().get("container") or ""
        to = path if not container else path.replace(f"/containers/{container}", "/containers/{id}", 1)
        query = _query(rule, raw_query, asked)
        named = re.fullmatch(re.escape(network) + SERVED_NAME, query["name"]) if "name" in query else True
        require(named, asked, f"a name that begins with {network}-", query.get("name"))
        image, account = _on_images(found.groupdict(), query, asked, registry)
        return Call(method, version + to, query, rule.body, container, image, account, rule.purposes)
    raise refused(
        "the engine is not asked this",
        asked,
        "a call that building, proving, serving, pushing or removing a model's image needs",
    )


def _on_images(path: Mapping[str, str | None], query: Mapping[str, str], asked: str, registry: str) -> tuple[str, bool]:
    """Which image must be a model's, and whether the registry's account goes with the call.

    Raises:
        EngineCallRefused: It is about another registry, or a repository that is not ours.
    """
    pushed, fetched, to = path.get("pushed"), query.get("fromImage"), query.get("repo")
    if to and _own_repository(to):
        return "", False
    if repository := pushed or fetched or to:
        expected = f"a repository below {registry}/contender/" if registry else "no registry, as none is set"
        require(_in_registry(repository, registry), asked, expected, repository)
    if pushed:
        return f"{pushed}:{query['tag']}", True
    # What has a name that can be pushed is a model's, whichever moment the push looks at it.
    return (path.get("removed") or (path.get("image") if to else "") or ""), bool(fetched)


def _version(raw_path: bytes, asked: str) -> tuple[str, str]:
    found = re.fullmatch(rb"(/v1\.([0-9]{2,3}))?(/[\x21-\x7e]*)", raw_path)
    if found is None or (found[2] and int(found[2]) < OLDEST):
        raise refused("the engine is not asked in this form", asked, f"a path below /v1.{OLDEST} or newer")
    return (found[1] or b"").decode(), found[3].decode()


def _query(rule: Rule, raw: bytes, asked: str) -> dict[str, str]:
    """The query's parameters, each allowed; those not known to the rule may be there only to say no."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=32)
    except ValueError as error:
        raise refused("the query cannot be read", asked, "name=value&…", error) from error
    sent = dict(pairs)
    if len(sent) < len(pairs):
        raise refused("a parameter is given twice", asked, "each once", some(name for name, _ in pairs))
    for name, value in sent.items():
        if name not in rule.query and value.lower() not in NO:
            raise refused("a parameter is not allowed", asked, some(rule.query, 20) or "none", f"{name}={value}"[:200])
        if name in rule.query and not rule.query[name](value):
            raise refused("a parameter has a value that is not allowed", asked, name, f"{name}={value}"[:200])
    if missing := rule.required - sent.keys():
        raise refused("a parameter is missing", asked, some(sorted(missing)))
    return {name: value for name, value in sent.items() if name in rule.query}


def container_config(raw: bytes, network: str) -> dict[str, Any]:
    """What `containers/create` is to be sent for a body: a container that can do no more than a served model needs.

    Args:
        raw: The body; fields that say nothing (`null`, `false`, empty) are dropped.
        network: The one network it may join.

    Raises:
        EngineCallRefused: It asks for anything else.
    """
    said = said_in(parsed(raw), {"Image", "Env", "Labels", "HostConfig"}, "containers/create")
    env, labels = said.get("Env", []), said.get("Labels", {})
    require(re.fullmatch(IMAGE, str(said.get("Image"))), "Image", "an image", said.get("Image"))
    require(
        isinstance(env, list) and all(isinstance(one, str) and "=" in one for one in env), "Env", "NAME=value, …", env
    )
    require(
        isinstance(labels, dict) and all(isinstance(v, str) and k.startswith("contender.") for k, v in labels.items()),
        "Labels", "texts under names that begin with contender.", labels,
    )  # fmt: skip
    require(labels.get(PURPOSE) in PURPOSES, f"Labels.{PURPOSE}", some(sorted(PURPOSES)), labels.get(PURPOSE))
    host = _host(said.get("HostConfig"), network)
    if host["Mounts"]:  # a proof has no business with what served models were asked
        require(labels[PURPOSE] == "served", f"Labels.{PURPOSE}", "served, with a journal", labels[PURPOSE])
    return {"Image": said["Image"], "Env": env, "Labels": labels, "HostConfig": host}


def _host(host: Any, network: str) -> dict[str, Any]:
    require(isinstance(host, dict), "HostConfig", "an object", host)
    fixed = {"NetworkMode": network, **CONFINED}
    said = said_in(host, {*fixed, "Memory", "Mounts", "RestartPolicy"}, "HostConfig")
    for name, value in fixed.items():
        require(said.get(name) == value, f"HostConfig.{name}", value, said.get(name))
    memory = said.get("Memory")
    bounded = isinstance(memory, int) and not isinstance(memory, bool) and LEAST_MEMORY <= memory <= MOST_MEMORY
    require(bounded, "HostConfig.Memory", f"{LEAST_MEMORY} to {MOST_MEMORY} bytes", memory)
    policy = said.get("RestartPolicy", {})
    require(isinstance(policy, dict), "HostConfig.RestartPolicy", "an object", policy)
    restart = said_in(policy, {"Name"}, "HostConfig.RestartPolicy").get("Name", "no")
    require(restart in {"no", "unless-stopped"}, "HostConfig.RestartPolicy.Name", "no, unless-stopped", restart)
    mounts = _mounts(said.get("Mounts", []), network)
    return {**fixed, "Memory": memory, "Mounts": mounts, "RestartPolicy": {"Name": restart}}


def _mounts(mounts: Any, network: str) -> list[dict[str, Any]]:
    """None, or the journal's volume."""
    where = "HostConfig.Mounts"
    require(isinstance(mounts, list) and len(mounts) <= 1, where, f"at most one, at {JOURNAL}", mounts)
    for mount in mounts:
        require(isinstance(mount, dict), where, "an object", mount)
        said = said_in(mount, {"Type", "Source", "Target"}, where)
        require(said.get("Type") == "volume", f"{where}.Type", "volume", said.get("Type"))
        require(said.get("Target") == JOURNAL, f"{where}.Target", JOURNAL, said.get("Target"))
        named = isinstance(source := said.get("Source"), str) and re.fullmatch(
            re.escape(network) + JOURNAL_NAME, source
        )
        require(named, f"{where}.Source", f"{network}-<model>-journal", source)
    return [{"Type": "volume", "Source": mount["Source"], "Target": JOURNAL} for mount in mounts]


def require_own_container(found: Mapping[str, Any], network: str, purposes: frozenset[str] = PURPOSES) -> None:
    """Refuse a container, as the engine described it, that is for nothing of ours or is another stack's."""
    labels, joined = found["Config"].get("Labels") or {}, found["HostConfig"]["NetworkMode"]
    require(joined == network, f"container {found['Name']}", f"one on {network}", joined)
    expected = f"one with the label {PURPOSE}: {some(sorted(purposes))}"
    require(labels.get(PURPOSE) in purposes, f"container {found['Name']}", expected, labels.get(PURPOSE))


def require_model_image(found: Mapping[str, Any]) -> None:
    """Refuse to run, push or remove an image, as the engine described it, that is not a model's."""
    labels = (found.get("Config") or {}).get("Labels") or {}
    require(MODEL in labels, f"image {found['Id']}", f"one with the label {MODEL}", some(labels) or "none")


def account(header: str) -> str:
    """What to send as `X-Registry-Auth` for what was sent: user and password, and nothing else that it may hold.

    Raises:
        EngineCallRefused: It holds anything else, or cannot be read; the message does not repeat it.
    """
    try:
        raw = base64.urlsafe_b64decode(header.encode("ascii"))
    except (ValueError, binascii.Error):
        raw = b""
    said = parsed(raw if header else b"{}")
    fine = said.keys() in ({"username", "password"}, set()) and all(isinstance(text, str) for text in said.values())
    require(fine, "X-Registry-Auth", "username and password, or nothing", some(sorted(said)))
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode()


def require_own_tag(found: Mapping[str, Any]) -> None:
    """Refuse to move a tag off an image, as the engine described it, that was not built by a task."""
    labels = (found.get("Config") or {}).get("Labels") or {}
    title, runtime = RUNTIME_TITLE
    require(
        MODEL in labels or labels.get(title) == runtime,
        f"image {found['Id']}", "a tag that no image of others has", some(found.get("RepoTags") or ["none"]),
    )  # fmt: skip
