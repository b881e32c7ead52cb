"""The serving app: ASGI, one model, no pandas.

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
from collections.abc import Iterable
from pathlib import Path

from contender.core.errors import BundleBroken
from contender.serving.answers import Reply, answer
from contender.serving.asgi import App, Call, Routes
from contender.serving.dialects import Instances
from contender.serving.lookups import LookupOptions, options_from_env
from contender.serving.prediction_log import NO_STORE, PredictionLog, log_from_env, redacted_from_env
from contender.serving.protocols import REFUSALS, asked, protocol_routes
from contender.serving.service import DEFAULT, Service

VARIANTS = ("stable", "canary", "shadow")
METRICS_TYPE = b"text/plain; version=0.0.4"


def create_app(
    bundle_dir: Path,
    online_store: str | None,
    *,
    variant: str = "stable",
    log: PredictionLog | None = None,
    redact: Iterable[str] = (),
    lookups: LookupOptions = DEFAULT,
) -> App:
    """The app for one bundle.

    Args:
        bundle_dir: The bundle folder.
        online_store: The online store's file or Redis URL; `None` serves raw features alone.
        variant: Label of the metrics, part of each record: `stable`, `canary` or `shadow`.
        log: The prediction log; `None` keeps none.
        redact: Names of what no record shows.
        lookups: How features are looked up.

    Raises:
        BundleBroken: The bundle cannot be served.
        OnlineStoreUnreachable: The store's address is malformed.
    """
    service = Service(bundle_dir, online_store, variant, log, redact, lookups)
    return App({**routes(service), **protocol_routes(service)}, service.metrics, service, REFUSALS)


def routes(service: Service) -> Routes:
    """What is answered, by path and method."""

    async def health(_: Call) -> Reply:
        return answer({"status": "alive"})

    async def ready(_: Call) -> Reply:
        return answer(await service.ready())

    async def metrics(_: Call) -> Reply:
        return Reply(service.metrics.text(), content_type=METRICS_TYPE)

    async def about(_: Call) -> Reply:
        return answer(service.about())

    return {
        "/predict": {"POST": service.predict},
        "/predict/raw": {"POST": asked(service, Instances(service.bundle), "/predict/raw")},
        "/health": {"GET": health},
        "/ready": {"GET": ready},
        "/metrics": {"GET": metrics},
        "/about": {"GET": about},
        "/": {"GET": about},
    }


def app_from_env() -> App:
    """The app as the environment says; the factory that uvicorn calls.

    `CONTENDER_BUNDLE` is the bundle folder, `CONTENDER_ONLINE_STORE` the online store's file or `none`,
    `CONTENDER_VARIANT` the variant (default `stable`). For those of the prediction log see
    `contender.serving.prediction_log`.

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
    store, variant = os.environ["CONTENDER_ONLINE_STORE"], os.environ.get("CONTENDER_VARIANT") or VARIANTS[0]
    if variant not in VARIANTS:
        raise BundleBroken(
            "the server does not know which part it plays",
            where="CONTENDER_VARIANT",
            expected=f"one of {', '.join(VARIANTS)}",
            got=variant,
            next_step="set CONTENDER_VARIANT to one, or unset it",
        )
    return create_app(
        Path(os.environ["CONTENDER_BUNDLE"]),
        None if store == NO_STORE else store,
        variant=variant,
        log=log_from_env(os.environ),
        redact=redacted_from_env(os.environ),
        lookups=options_from_env(),
    )
