"""The proxy before the Docker engine's socket, as an ASGI app.

What `contender.engine_proxy.rules` allows is put to the engine, and its answer passed on as it comes; everything else
is answered with 403 and `{"message": …}`, which Docker's clients show. `GET /health` is the proxy's own: 200 while the
engine answers.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from contender.core.errors import EngineCallRefused
from contender.engine_proxy import archives, rules
from contender.engine_proxy.rules import Call

log = logging.getLogger(__name__)

SOCKET = "/var/run/docker.sock"
CONFIG_BYTES = 2**18
CONTEXT_BYTES = 2**28
ARCHIVE_BYTES = 2**24  # it is held whole, and put together anew: twice this of the container's 128 MB
# A step of a build may be silent for minutes; how long that may last is for the one who asked to say.
PATIENCE = httpx.Timeout(None, connect=10)
HEALTH_SECONDS = 5


class Answered(Exception):
    """The engine answered a question of the proxy with an error, which is the answer to the call."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(status)
        self.response = Response(content, status, media_type="application/json")


class Proxy:
    """An ASGI app before an engine.

    Args:
        engine: A client of the engine; closed by the one who made it.
        network: The one network that containers may join.
        registry: Address of the one registry that images are pushed to and pulled from; empty: none is.
    """

    def __init__(self, engine: httpx.AsyncClient, network: str, registry: str = "") -> None:
        self._engine = engine
        self._network = network
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Answered as answered:
            response = answered.response
        except EngineCallRefused as refused:
            log.warning("refused: %s %r: %s", request.method, scope["raw_path"], refused)
            response = JSONResponse({"message": str(refused)}, 403)
        except httpx.TransportError as error:
            response = JSONResponse({"message": f"the Docker engine does not answer the proxy: {error!r}"}, 502)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        raw_path = request.scope["raw_path"]
        if (request.method, raw_path) == ("GET", b"/health"):
            pong = await self._engine.get("/_ping", timeout=HEALTH_SECONDS)
            return JSONResponse({"status": "alive"}, pong.status_code)
        if "upgrade" in request.headers:
            raise EngineCallRefused("a connection is not handed over", where=request.method, got="Upgrade")
        call = rules.judge(request.method, raw_path, request.scope["query_string"], self._network, self._registry)
        path = call.path
        if call.container:
            container = await self._look(f"/containers/{call.container}/json")
            rules.require_own_container(container, self._network, call.purposes)
            # By its ID: the name may be another's a moment later.
            path = path.format(id=container["Id"])
        if call.image:
            rules.require_model_image(await self._look(f"/images/{call.image}/json"))
        await self._require_free_tag(call)
        content, kind = await self._content(call, request)
        # What is passed on as it comes must not be packed for the proxy: the one who asked is not told so.
        asked = {"Accept-Encoding": "identity"} | ({"Content-Type": kind} if kind else {})
        if call.account:
            asked["X-Registry-Auth"] = rules.account(request.headers.get("x-registry-auth", ""))
        sent = self._engine.build_request(call.method, path, params=call.query, content=content, headers=asked)
        answer = await self._engine.send(sent, stream=True)
        kept = {name: answer.headers[name] for name in ("content-type", "api-version") if name in answer.headers}
        return StreamingResponse(_relayed(answer), answer.status_code, kept)

    async def _content(self, call: Call, request: Request) -> tuple[bytes | AsyncIterator[bytes] | None, str]:
        """What to send to the engine, and its media type; a body where none belongs is left unread."""
        if call.body == "context":
            return _limited(request, CONTEXT_BYTES), "application/x-tar"
        if call.body == "none":
            return None, ""
        most = ARCHIVE_BYTES if call.body == "archive" else CONFIG_BYTES
        raw = b"".join([part async for part in _limited(request, most)])
        if call.body == "archive":
            return archives.model_archive(raw), "application/x-tar"
        config = rules.container_config(raw, self._network)
        image = await self._look(f"/images/{config['Image']}/json")
        rules.require_model_image(image)
        return json.dumps({**config, "Image": image["Id"]}).encode(), "application/json"

    async def _require_free_tag(self, call: Call) -> None:
        if "repo" not in call.query:
            return
        found = await self._engine.get(f"/images/{call.query['repo']}:{call.query['tag']}/json")
        if found.status_code == httpx.codes.OK:
            rules.require_own_tag(found.json())

    async def _look(self, path: str) -> dict[str, Any]:
        found = await self._engine.get(path)
        if found.status_code != httpx.codes.OK:
            raise Answered(found.status_code, found.content)
        return dict(found.json())


def create_app(socket: str, network: str, registry: str = "") -> Router:
    """The app before the engine of a socket; what a lifespan needs is opened and closed with it."""
    engine = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=socket), base_url="http://engine", timeout=PATIENCE, trust_env=False
    )

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        async with engine:
            yield

    return Router(default=Proxy(engine, network, registry), lifespan=lifespan)


def app_from_env() -> Router:
    """The app as the environment says; the factory that uvicorn calls.

    `CONTENDER_ENGINE_SOCKET` is the engine's socket (default `/var/run/docker.sock`), `CONTENDER_SERVING_NETWORK` the
    network of the served models, `CONTENDER_REGISTRY_ADDRESS` the registry that models' images may be pushed to and
    pulled from: `host[:port][/path]` (default: none).

    Raises:
        EngineCallRefused: There is no such network.
    """
    network = os.environ.get("CONTENDER_SERVING_NETWORK", "")
    if not network:
        raise EngineCallRefused(
            "the proxy does not know which network containers may join",
            where="CONTENDER_SERVING_NETWORK",
            expected="the Docker network of the served models",
            got="nothing",
            next_step="set it",
        )
    registry = os.environ.get("CONTENDER_REGISTRY_ADDRESS", "").strip("/")
    return create_app(os.environ.get("CONTENDER_ENGINE_SOCKET") or SOCKET, network, registry)


async def _limited(request: Request, most: int) -> AsyncIterator[bytes]:
    """The request's body as it comes, up to so many bytes."""
    read = 0
    async for part in request.stream():
        read += len(part)
        if read > most:
            raise EngineCallRefused("the body is too large", where=request.method, expected=f"at most {most} bytes")
        yield part


async def _relayed(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The answer as it comes; a client that leaves ends the call, and with it a build."""
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()
