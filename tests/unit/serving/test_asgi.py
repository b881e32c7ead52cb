from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from contender.serving.answers import Reply, answer
from contender.serving.asgi import MAX_BODY, App, Call


class Watch:
    """What an app was told of, and what it told its server."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.said: list[Any] = []
        self.in_flight = 0

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        self.said.append((endpoint, status))

    def failed(self, cause: str) -> None:
        self.said.append(cause)

    def begin(self) -> None:
        if self.fails:
            raise OSError("no disk")
        self.said.append("begun")

    def end(self) -> None:
        self.said.append("ended")


async def size(call: Call) -> Reply:
    return answer(len(await call.body()))


async def broken(call: Call) -> Reply:
    raise ZeroDivisionError("/broken")


def app(watch: Watch) -> App:
    return App({"/size": {"POST": size, "PUT": size}, "/broken": {"GET": broken}}, watch, watch)


def ask(watch: Watch, method: str, path: str, **more: Any) -> httpx.Response:
    async def through() -> httpx.Response:
        transport = httpx.ASGITransport(app(watch))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await client.request(method, path, **more)

    return asyncio.run(through())


def test_a_body_in_parts_is_read_whole() -> None:
    async def parts() -> Any:
        for _ in range(5):
            yield b"x" * 1000

    watch = Watch()
    assert ask(watch, "POST", "/size", content=parts()).json() == 5000
    assert watch.said == [("/size", 200)]


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_body_above_the_limit_is_refused_as_soon_as_it_is_above(in_parts: bool) -> None:
    async def endless() -> Any:
        while True:
            yield b"x" * 65536

    watch = Watch()
    refused = ask(watch, "POST", "/size", content=endless() if in_parts else b"x" * (MAX_BODY + 1))
    assert refused.status_code == 413
    assert refused.json()["error"]["expected"] == f"at most {MAX_BODY} bytes"
    assert watch.said == ["RequestTooLarge", ("/size", 413)]


def test_another_method_is_told_those_there_are() -> None:
    refused = ask(Watch(), "GET", "/size")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST, PUT"
    assert refused.json()["error"]["expected"] == "POST or PUT"


def test_an_unknown_path_is_counted_under_one_name() -> None:
    watch = Watch()
    assert ask(watch, "GET", "/wp-admin").status_code == 404
    assert watch.said == [("unknown", 404)]


def test_what_fails_is_answered_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch()
    failed = ask(watch, "GET", "/broken")
    assert failed.status_code == 500
    assert failed.json()["error"]["got"] == "ZeroDivisionError"
    assert watch.said == ["ZeroDivisionError", ("/broken", 500)]
    assert "ZeroDivisionError: /broken" in caplog.text


def test_a_client_that_leaves_is_not_answered() -> None:
    watch, sent = Watch(), []

    async def leave() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(watch)({"type": "http", "path": "/size", "method": "POST", "headers": []}, leave, send))
    assert (watch.said, sent) == (["ClientLeft"], [])


def lived(watch: Watch) -> list[str]:
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app(watch)({"type": "lifespan"}, receive, send))
    return sent


def test_what_lives_with_the_server_is_begun_and_ended() -> None:
    watch = Watch()
    assert lived(watch) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert watch.said == ["begun", "ended"]


def test_a_server_whose_begin_fails_does_not_start() -> None:
    with pytest.raises(OSError, match="no disk"):
        lived(Watch(fails=True))
