"""ASGI without a framework: routes by exact path, bodies of bounded size, one answer for each request.

A framework's objects for requests and answers cost more than all that this app does beside the model.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from contender.core.errors import ContenderError, RequestInvalid, RequestTooLarge, some
from contender.serving.answers import Reply, refusal

log = logging.getLogger(__name__)

MAX_BODY = 1_048_576
NOT_FOUND, NOT_ALLOWED, CRASHED = 404, 405, 500
ROUTES_SHOWN = 12

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientLeft(Exception):
    """The client closed its connection before its body ended: there is nobody to answer."""


@dataclass(slots=True)
class Call:
    """One request."""

    headers: dict[bytes, bytes]
    receive: Receive

    async def body(self) -> bytes:
        """The body, read no further than `MAX_BODY` bytes.

        Raises:
            RequestTooLarge: It is larger.
            ClientLeft: It did not end.
        """
        message = await self.receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            _require_size(len(whole))
            return whole
        parts = bytearray()
        while message["type"] == "http.request":
            parts += message.get("body", b"")
            _require_size(len(parts))
            if not message.get("more_body"):
                return bytes(parts)
            message = await self.receive()
        raise ClientLeft


Handler = Callable[[Call], Awaitable[Reply]]
# The form of an error, and its status; `None` for that of its class.
Refusal = Callable[[ContenderError, int | None], Reply]
# By path, then by method.
Routes = dict[str, dict[str, Handler]]


class Watched(Protocol):
    """Who is told of each answer; `contender.serving.metrics.Metrics` is one.

    Attributes:
        in_flight: Requests that have come and are not answered.
    """

    in_flight: int

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """A request was answered."""

    def failed(self, cause: str) -> None:
        """A request was refused or failed, by the name of the error's class."""


class Life(Protocol):
    """What is begun before the first request and ended after the last one."""

    def begin(self) -> None:
        """Before the first request."""

    def end(self) -> None:
        """After the last request was answered."""


class App:
    """An ASGI application.

    Args:
        routes: Handlers by path and method.
        watched: Told of each answer, with the route as `endpoint` (`unknown` where there is none).
        life: Begun and ended with the server.
        refusals: The form of errors below a path (`v2`), where it is another than everywhere else.
    """

    def __init__(
        self, routes: Routes, watched: Watched, life: Life, refusals: Mapping[str, Refusal] | None = None
    ) -> None:
        self._routes, self._watched, self._life = routes, watched, life
        self._refusals = refusals or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the server's life."""
        if scope["type"] != "http":
            await self._live(scope, receive, send)
            return
        start, path = perf_counter(), scope["path"]
        methods = self._routes.get(path)
        self._watched.in_flight += 1
        try:
            handler = methods.get(scope["method"]) if methods else None
            if handler is None:
                reply = self._no_such_route(scope, methods)
            else:
                reply = await handler(Call(dict(scope["headers"]), receive))
        except ClientLeft:
            self._watched.failed("ClientLeft")
            return
        except Exception as error:  # noqa: BLE001  told by `_failed`
            reply = self._failed(path, error)
        finally:
            self._watched.in_flight -= 1
        # Counted first: whoever has the answer finds it in the metrics.
        self._watched.answered(path if methods else "unknown", reply.status, perf_counter() - start)
        body = reply.body
        headers = [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(body)), *reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _failed(self, path: str, error: Exception) -> Reply:
        self._watched.failed(type(error).__name__)
        if isinstance(error, ContenderError):
            return self._refusal(path)(error, None)
        log.error("%s failed", path, exc_info=error)
        return self._refusal(path)(_crash(path, error), CRASHED)

    def _refusal(self, path: str) -> Refusal:
        return self._refusals.get(path.partition("/")[2].partition("/")[0], refusal)

    def _no_such_route(self, scope: Scope, methods: dict[str, Handler] | None) -> Reply:
        path = scope["path"]
        beside = [route for route in self._routes if route.split("/")[1] == path.partition("/")[2].partition("/")[0]]
        unknown = RequestInvalid(
            "the route takes other methods" if methods else "there is no such route",
            where=f"{scope['method']} {path}",
            expected=" or ".join(methods) if methods else some(beside or self._routes, ROUTES_SHOWN),
            next_step="choose one of these; GET /openapi.json describes them",
        )
        reply = self._refusal(path)(unknown, NOT_ALLOWED if methods else NOT_FOUND)
        if methods:
            reply.headers = ((b"allow", ", ".join(methods).encode()),)
        return reply

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The server's life; what fails at its begin is told, so that the server does not start."""
        if scope["type"] != "lifespan":
            raise NotImplementedError(f"no connections of type {scope['type']}")
        await receive()
        try:
            self._life.begin()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._life.end()
        await send({"type": "lifespan.shutdown.complete"})


def _require_size(size: int) -> None:
    if size > MAX_BODY:
        raise RequestTooLarge(
            "the request's body is too large",
            where="body",
            expected=f"at most {MAX_BODY} bytes",
            got="more",
            next_step="send it in several requests",
        )


def _crash(path: str, error: Exception) -> ContenderError:
    return ContenderError("the server failed", where=path, got=type(error).__name__, next_step="read the server's log")
