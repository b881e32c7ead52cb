"""The registry of the images, from the Airflow connection that `CONTENDER_REGISTRY` names, and pushing to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from contender.core.errors import RegistryRefused
from contender.core.results import ImageProof
from contender.core.settings import settings

if TYPE_CHECKING:
    from contender.adapters.registry import Registry

NONE_SET = "CONTENDER_REGISTRY names no connection"
NAMESPACE = "namespace"  # of the connection's extra


def registry() -> Registry | None:
    """The registry of the connection, which is one as Airflow's Docker provider has it; `None` where none is named.

    Its host may have a scheme, which says nothing (the engine chooses it), its port may be left out, and its extra may
    have a `namespace`, a path below which the repositories lie.

    Raises:
        RegistryRefused: There is no such connection, or it names no host.
    """
    from contender.adapters.registry import Registry

    named = settings().registry
    if not named:
        return None
    try:
        connection = Connection.get(named)
    except AirflowNotFoundException as error:
        raise _no_registry(named, "no such connection") from error
    host = (connection.host or "").rpartition("://")[2].strip("/")
    if not host:
        raise _no_registry(named, "a connection without a host")
    port = f":{connection.port}" if connection.port else ""
    path = str(connection.extra_dejson.get(NAMESPACE) or "").strip("/")
    return Registry(
        address="/".join(part for part in (f"{host}{port}", path) if part),
        user=connection.login or "", password=connection.password or "",
    )  # fmt: skip


def push_proven(image: ImageProof | None, model: str, owner: str) -> dict[str, str]:
    """Mark the proven image on the engine as released by this platform, and push it where a registry is set.

    Returns:
        `pushed` (`host/repository@sha256:…`) and `digest` (ID of the image that lies there), or `not_pushed` (why).

    Raises:
        RegistryRefused: See `contender.adapters.registry.push`; then nothing is promoted.
        RegistryUnreachable: Likewise.
    """
    if image is None:
        return {"not_pushed": "there is no image"}
    from contender.adapters.containers import Engine

    engine = Engine.connect()
    engine.claim(image.digest, model, owner)
    if (to := registry()) is None:
        return {"not_pushed": NONE_SET}
    name, _, tag = image.image.rpartition(":")
    return {"pushed": engine.push(image.digest, to, name, tag), "digest": image.digest}


def _no_registry(named: str, got: str) -> RegistryRefused:
    return RegistryRefused(
        "the connection to the registry cannot be used", where=f"CONTENDER_REGISTRY={named}",
        expected="an Airflow connection of type docker, with host, login and password", got=got,
        next_step="add it as docs/registry.md says, and clear the task; nothing was pushed or promoted",
    )  # fmt: skip
