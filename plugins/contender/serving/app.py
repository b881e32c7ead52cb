"""The serving app: ASGI on Starlette, one model, no pandas.

| route | answers |
|---|---|
| `POST /predict` | `{"requests": [{…}]}`: entities; the features come from the online store |
| `POST /predict/raw` | `{"instances": [{column: value}]}`: the features themselves |
| `GET /health` | 200 while the process lives |
| `GET /ready` | 200 while it can predict, otherwise 503 with the reason |
| `GET /metrics` | Prometheus' text format |
| `GET /`, `GET /about` | origin and signature of the model |

Every error is `{"error": {"type", "what", "where", "expected", "got", "next_step"}}`, with `problems` by field for
a request at fault: 400 no JSON, 413 too large, 422 cannot be answered, 503 cannot answer now.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from contender.core.errors import BundleBroken, ContenderError, RequestInvalid, RequestMalformed, RequestTooLarge
from contender.serving.answers import answer, refusal
from contender.serving.service import Service

MAX_BODY = 1_048_576
NO_STORE = "none"

Handler = Callable[[Request], Awaitable[Response]]


def create_app(bundle_dir: Path, online_store: str | None, *, variant: str = "stable") -> Starlette:
    """The app for one bundle.

    Args:
        bundle_dir: The bundle folder.
        online_store: The online store's file or Redis URL; `None` serves raw features alone.
        variant: Label of the metrics: `stable`, `canary` or `shadow`.

    Raises:
        BundleBroken: The bundle cannot be served.
        OnlineStoreUnreachable: The store's address is malformed.
    """
    service = Service(bundle_dir, online_store, variant)

    async def predict(request: Request) -> Response:
        return answer(service.predict(await _body(request)))

    async def predict_raw(request: Request) -> Response:
        return answer(service.predict_raw(await _body(request)))

    async def health(_: Request) -> Response:
        return answer({"status": "alive"})

    async def ready(_: Request) -> Response:
        return answer(service.ready())

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    async def about(_: Request) -> Response:
        return answer(service.about())

    handlers: tuple[tuple[str, str, Handler], ...] = (
        ("/predict", "POST", predict),
        ("/predict/raw", "POST", predict_raw),
        ("/health", "GET", health),
        ("/ready", "GET", ready),
        ("/metrics", "GET", metrics),
        ("/about", "GET", about),
        ("/", "GET", about),
    )
    return Starlette(
        routes=[Route(path, _measured(service, path, handler), methods=[method]) for path, method, handler in handlers],
        exception_handlers={HTTPException: _no_such_route, Exception: _crash(service)},
    )


def app_from_env() -> Starlette:
    """The app as the environment says; the factory that uvicorn calls.

    `CONTENDER_BUNDLE` is the bundle folder, `CONTENDER_ONLINE_STORE` the online store's file or `none`,
    `CONTENDER_VARIANT` the variant (default `stable`).

    Raises:
        BundleBroken: A variable is not set, or the bundle cannot be served.
        OnlineStoreUnreachable: The store's address is malformed.
    """
    for name in ("CONTENDER_BUNDLE", "CONTENDER_ONLINE_STORE"):
        if not os.environ.get(name):
            raise BundleBroken(
                "the server does not know what to serve",
                where=name,
                expected=f"a path{'' if name == 'CONTENDER_BUNDLE' else f' or {NO_STORE!r}'}",
                got="nothing",
                next_step=f"set {name}",
            )
    store = os.environ["CONTENDER_ONLINE_STORE"]
    return create_app(
        Path(os.environ["CONTENDER_BUNDLE"]),
        None if store == NO_STORE else store,
        variant=os.environ.get("CONTENDER_VARIANT", "stable"),
    )


async def _body(request: Request) -> bytes:
    """The body, read no further than `MAX_BODY` bytes."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                raise RequestTooLarge(
                    "the request's body is too large",
                    where="body",
                    expected=f"at most {MAX_BODY} bytes",
                    got="more",
                    next_step="send it in several requests",
                )
    except ClientDisconnect as error:
        raise RequestMalformed("the client left before its body ended", where="body") from error
    return bytes(body)


def _measured(service: Service, endpoint: str, handler: Handler) -> Handler:
    async def measured(request: Request) -> Response:
        start = perf_counter()
        try:
            response = await handler(request)
        except ContenderError as error:
            service.metrics.failed(type(error).__name__)
            response = refusal(error)
        service.metrics.answered(endpoint, response.status_code, perf_counter() - start)
        return response

    return measured


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    unknown = RequestInvalid(
        "there is no such route" if status == 404 else str(error),  # noqa: PLR2004  not found
        where=f"{request.method} {request.url.path}",
        expected="POST /predict or /predict/raw, GET /health, /ready, /metrics or /about",
        next_step="choose one of these",
    )
    return refusal(unknown, status)


def _crash(service: Service) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def crash(request: Request, error: Exception) -> Response:
        """Answer; Starlette raises the error again after that, and uvicorn logs it."""
        service.metrics.failed(type(error).__name__)
        service.metrics.answered(request.url.path, 500, 0.0)
        fault = ContenderError(
            "the server failed", where=request.url.path, got=type(error).__name__, next_step="read the server's log"
        )
        return refusal(fault, 500)

    return crash
