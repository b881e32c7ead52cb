"""The routes of the protocols that other tools speak, and of the documents that describe all routes.

| route | of |
|---|---|
| `POST /invocations`, `GET /ping`, `GET /version` | MLflow's scoring protocol |
| `/v2` and below | the Open Inference Protocol |
| `GET /openapi.json`, `GET /docs` | OpenAPI, and the same to read |
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from contender.serving import inference
from contender.serving.answers import Reply, answer
from contender.serving.asgi import Call, Handler, Refusal, Routes
from contender.serving.dialects import Dialect
from contender.serving.docs_page import page
from contender.serving.inference import Inference
from contender.serving.invocations import Invocations
from contender.serving.openapi import document
from contender.serving.service import Service

# The MLflow release whose server the answers were compared with.
MLFLOW = b"3.17.2"
# First part of a path → the form of errors below it.
REFUSALS: dict[str, Refusal] = {"v2": inference.refusal}
HTML = b"text/html; charset=utf-8"


def protocol_routes(service: Service) -> Routes:
    """What is answered, by path and method."""
    described = document(service.bundle)
    invocations = asked(service, Invocations(service.bundle), "/invocations")
    return {
        "/invocations": {"POST": invocations},
        "/ping": {"GET": _when_fit(service, Reply(b"\n"))},
        "/version": {"GET": _always(Reply(MLFLOW))},
        **_inference_routes(service),
        "/openapi.json": {"GET": _always(Reply(msgspec.json.encode(described)))},
        "/docs": {"GET": _always(Reply(page(described).encode(), content_type=HTML))},
    }


def _inference_routes(service: Service) -> Routes:
    dialect = Inference(service.bundle)
    routes: Routes = {
        "/v2": {"GET": _json(dialect.server())},
        "/v2/health/live": {"GET": _json({"live": True})},
        "/v2/health/ready": {"GET": _when_ready(service, answer({"ready": True}))},
    }
    for path in dialect.paths:
        routes |= {
            path: {"GET": _json(dialect.metadata())},
            f"{path}/ready": {"GET": _when_fit(service, answer({"name": dialect.name, "ready": True}))},
            f"{path}/infer": {"POST": asked(service, dialect, f"{path}/infer")},
        }
    return routes


def asked(service: Service, dialect: Dialect, endpoint: str) -> Handler:
    """Answers what is asked in a dialect."""
    return partial(service.ask, dialect, endpoint)


def _always(reply: Reply) -> Handler:
    async def always(_: Call) -> Reply:
        return reply

    return always


def _json(content: dict[str, Any]) -> Handler:
    return _always(answer(content))


def _when_ready(service: Service, reply: Reply) -> Handler:
    async def when_ready(_: Call) -> Reply:
        await service.ready()
        return reply

    return when_ready


def _when_fit(service: Service, reply: Reply) -> Handler:
    """Where features come with the request, the model alone has to be fit: nobody looks into the online store."""

    async def when_fit(_: Call) -> Reply:
        service.require_fit()
        return reply

    return when_fit
