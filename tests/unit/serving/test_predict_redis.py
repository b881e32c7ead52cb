"""Predictions by entity from an online store in Redis, read by an account that can do no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from contender.core.errors import OnlineStoreUnreachable
from contender.serving.app import app_from_env, create_app
from tests.online_stores import PASSWORD, RedisServer
from tests.unit.serving.conftest import serve
from tests.unit.serving.test_predict import ENTITY, RAW, ask, write_store


def test_predict_from_redis_gives_what_a_file_gives(bundle: Path, redis_server: RedisServer, tmp_path: Path) -> None:
    asked = [ENTITY, ENTITY | {"carrier": "ZZ", "tailnum": None}]
    answers = []
    for written, read in (
        (str(tmp_path / "online.db"), str(tmp_path / "online.db")),
        (redis_server.url(), redis_server.url("reader")),
    ):
        write_store(written)
        with serve(bundle, read) as client:
            assert client.get("/ready").json()["online_store"] == "reachable"
            answers.append(ask(client, *asked).json())
    assert answers[0] == answers[1]
    assert answers[0]["predictions"][0]["features"] == {"missing": [], "stale": [], "later": []}


def test_predict_redis_gone_while_serving_is_503_until_it_is_back(bundle: Path, own_redis: RedisServer) -> None:
    write_store(own_redis.url())
    with serve(bundle, own_redis.url("reader")) as client:
        assert ask(client, ENTITY).status_code == 200
        own_redis.stop()
        for response in (ask(client, ENTITY), client.get("/ready")):
            error = response.json()["error"]
            assert (response.status_code, error["type"]) == (503, "OnlineStoreUnreachable")
            assert error["where"] == f"redis://127.0.0.1:{own_redis.port}/0"
        assert client.get("/health").status_code == 200
        assert client.post("/predict/raw", json={"instances": [RAW]}).status_code == 200
        own_redis.start()
        write_store(own_redis.url())
        assert (ask(client, ENTITY).status_code, client.get("/ready").status_code) == (200, 200)


def test_ready_redis_refuses_the_account_says_so_without_the_password(bundle: Path, redis_server: RedisServer) -> None:
    url = redis_server.url("reader", "wrong" + PASSWORD)
    with serve(bundle, url) as client:
        ready, about = client.get("/ready"), client.get("/about")
    assert ready.status_code == 503
    assert "invalid username-password pair" in ready.json()["error"]["got"]
    for response in (ready, about):
        assert "wrong" not in response.text
        assert PASSWORD not in response.text


def test_app_with_a_malformed_url_does_not_start(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTENDER_BUNDLE", str(bundle))
    monkeypatch.setenv("CONTENDER_PREDICTIONS", "none")
    monkeypatch.setenv("CONTENDER_ONLINE_STORE", "redis://reader:se/cret@redis:6379/0")
    with pytest.raises(OnlineStoreUnreachable, match="malformed") as refused:
        app_from_env()
    assert "cret" not in str(refused.value)


def test_app_with_redis_absent_at_start_lives_and_says_not_ready(bundle: Path) -> None:
    assert create_app(bundle, "redis://127.0.0.1:1/0")
    with serve(bundle, "redis://127.0.0.1:1/0") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/ready").json()["error"]["where"] == "redis://127.0.0.1:1/0"
