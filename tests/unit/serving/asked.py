"""The serving app asked without HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from contender.serving.asgi import Call
from contender.serving.dialects import Instances
from contender.serving.service import Service


def predict_raw(service: Service, instances: list[dict[str, Any]]) -> dict[str, Any]:
    """What `/predict/raw` answers to instances."""
    body = json.dumps({"instances": instances}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    reply = asyncio.run(service.ask(Instances(service.bundle), "/predict/raw", Call({}, receive)))
    answer: dict[str, Any] = json.loads(reply.body)
    return answer
