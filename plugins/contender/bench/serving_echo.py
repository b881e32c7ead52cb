"""The limit of our server: it reads the body and answers as many bytes as a prediction has, and does nothing else.

    python -m uvicorn contender.bench.serving_echo:app

The query says how many bytes: `POST /?92`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
_answers: dict[bytes, tuple[Message, Message]] = {}


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The ASGI app."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    while (await receive()).get("more_body"):
        pass
    size: bytes = scope["query_string"]
    if size not in _answers:
        _answers[size] = _answer(int(size))
    for message in _answers[size]:
        await send(message)


def _answer(size: int) -> tuple[Message, Message]:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(size).encode())]
    return (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": b" " * size},
    )


async def _lifespan(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
