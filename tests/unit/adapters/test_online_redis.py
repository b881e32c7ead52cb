"""What is particular to an online store in Redis: accounts, addresses, a server that goes and comes, many writers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import numpy as np
import pytest
from redis import Redis

from contender.adapters.online_redis import RedisExchange, RedisRows, rows_key, shown
from contender.adapters.online_rows import ConnectionLost, open_rows
from contender.core.errors import DataError, OnlineStoreUnreachable
from contender.feast_stores import redis_writer
from contender.feast_stores.rows_table import writing
from contender.feast_stores.rows_writer import StoredRow, View
from tests.online_stores import PASSWORD, RedisServer
from tests.unit.adapters.test_online_rows import KEYS, write

WIND = View.of("p", "wind", ["origin", "gate"])


@pytest.mark.parametrize("account", ["reader", "whole_categories", "least"])
def test_read_by_a_read_only_account_gives_rows(redis_server: RedisServer, account: str) -> None:
    write(redis_server.url())
    reader = open_rows(redis_server.url(account), 1.0)
    unknown = {"gate": 8, "origin": "EWR"}
    assert [row is None for row in reader.read_many([("wind", KEYS), ("wind", unknown)])] == [False, True]
    with pytest.raises(OnlineStoreUnreachable, match="rain is not in the online store"):
        reader.read("rain", {})


@pytest.mark.parametrize("account", ["reader", "whole_categories", "least"])
def test_write_by_a_read_only_account_is_refused(redis_server: RedisServer, account: str) -> None:
    with pytest.raises(OnlineStoreUnreachable, match=r"cannot be written.*no permissions"):
        write(redis_server.url(account))


def test_read_by_an_account_of_other_keys_says_so(redis_server: RedisServer) -> None:
    write(redis_server.url())
    with pytest.raises(OnlineStoreUnreachable, match=r"cannot be read.*ermission"):
        open_rows(redis_server.url("stranger"), 1.0).read("wind", KEYS)


@pytest.mark.parametrize(
    ("user", "password"),
    [("default", "wrong" + PASSWORD), ("nobody", PASSWORD)],
    ids=["wrong password", "unknown user"],
)
def test_read_refused_log_in_is_told_without_the_password(redis_server: RedisServer, user: str, password: str) -> None:
    url = redis_server.url(user, password)
    with pytest.raises(OnlineStoreUnreachable, match="invalid username-password pair") as refused:
        open_rows(url, 1.0).read("wind", KEYS)
    assert refused.value.where == f"redis://127.0.0.1:{redis_server.port}/0"
    assert PASSWORD not in str(refused.value)


def test_read_of_another_database_does_not_see_the_rows(redis_server: RedisServer) -> None:
    write(redis_server.url())
    with pytest.raises(OnlineStoreUnreachable, match="wind is not in the online store"):
        open_rows(redis_server.url(database=1), 1.0).read("wind", KEYS)


def test_read_while_the_server_is_gone_says_so_until_it_is_back(own_redis: RedisServer) -> None:
    write(own_redis.url())
    reader = open_rows(own_redis.url("reader"), 1.0)
    assert reader.read("wind", KEYS) is not None
    own_redis.stop()
    with pytest.raises(OnlineStoreUnreachable, match=r"cannot be read.*refused"):
        reader.read("wind", KEYS)
    own_redis.start()
    with pytest.raises(OnlineStoreUnreachable, match="wind is not in the online store"):
        reader.read("wind", KEYS)
    write(own_redis.url())
    assert reader.read("wind", KEYS) is not None


def test_read_over_a_connection_the_server_has_closed_asks_again(redis_server: RedisServer) -> None:
    write(redis_server.url())
    reader = open_rows(redis_server.url("reader"), 1.0)
    reader.read("wind", KEYS)
    with Redis.from_url(redis_server.url()) as admin:
        admin.client_kill_filter(_type="normal", skipme=True)
    assert reader.read("wind", KEYS) is not None


def exchange(url: str, timeout_s: float = 1.0) -> RedisExchange:
    made = open_rows(url, timeout_s).exchange()
    assert isinstance(made, RedisExchange)
    return made


@pytest.mark.parametrize("account", ["reader", "least"])
def test_exchange_sends_and_receives_what_a_reader_reads(redis_server: RedisServer, account: str) -> None:
    write(redis_server.url())
    asked = [("wind", {"gate": 8, "origin": "EWR"}), ("wind", KEYS)]
    with closing(exchange(redis_server.url(account))) as apart:
        expected = open_rows(redis_server.url(account), 1.0).read_many(asked)
        assert apart.read_many(asked) == expected  # this one connects
        for requests, rows in ((asked, expected), (asked[:1], [None]), ([], [])):
            apart.send(requests)
            assert apart.receive() == rows


def test_exchange_not_connected_or_closed_sends_nothing(redis_server: RedisServer) -> None:
    write(redis_server.url())
    with closing(exchange(redis_server.url("reader"))) as apart:
        for _ in range(2):
            assert apart.fileno is None
            with pytest.raises(ConnectionLost):
                apart.send([("wind", KEYS)])
            assert apart.read_many([("wind", KEYS)]) != [None]
            assert apart.fileno is not None
            apart.close()


def send_and_receive(apart: RedisExchange) -> None:
    apart.send([("wind", KEYS)])
    apart.receive()


def test_exchange_connection_closed_by_the_server_is_lost_and_made_anew(redis_server: RedisServer) -> None:
    write(redis_server.url())
    with closing(exchange(redis_server.url("reader"))) as apart, Redis.from_url(redis_server.url()) as admin:
        row = apart.read_many([("wind", KEYS)])
        admin.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(ConnectionLost):
            send_and_receive(apart)
        assert apart.fileno is None
        assert apart.read_many([("wind", KEYS)]) == row
        admin.client_kill_filter(_type="normal", skipme=True)
        assert apart.read_many([("wind", KEYS)]) == row


def test_exchange_refused_command_says_so_and_leaves_nothing_unread(redis_server: RedisServer) -> None:
    write(redis_server.url())
    with closing(exchange(redis_server.url("stranger"))) as apart:
        for _ in range(2):
            with pytest.raises(OnlineStoreUnreachable, match=r"cannot be read.*ermission"):
                apart.read_many([("wind", KEYS)])
    with closing(exchange(redis_server.url())) as apart, Redis.from_url(redis_server.url()) as admin:
        admin.set(rows_key("rain"), "no hash at all")
        with pytest.raises(OnlineStoreUnreachable, match="WRONGTYPE"):
            apart.read_many([("rain", {}), ("wind", KEYS)])
        with pytest.raises(OnlineStoreUnreachable, match="snow is not in the online store"):
            apart.read_many([("snow", {})])
        assert apart.read_many([("wind", KEYS)]) != [None]


def test_exchange_of_a_server_that_hangs_gives_up_in_time(own_redis: RedisServer) -> None:
    write(own_redis.url())
    with closing(exchange(own_redis.url("reader"), 1.0)) as apart:
        row = apart.read_many([("wind", KEYS)])
        own_redis.pause()
        for _ in range(2):
            with pytest.raises(OnlineStoreUnreachable, match=r"within 1 s.*Timeout"):
                apart.read_many([("wind", KEYS)])
        own_redis.resume()
        assert apart.read_many([("wind", KEYS)]) == row


def test_exchange_under_tls_there_is_none() -> None:
    assert open_rows("rediss://127.0.0.1:1/0", 1.0).exchange() is None


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_read_of_a_server_that_does_not_answer_gives_up_in_time(silent: int) -> None:
    with pytest.raises(OnlineStoreUnreachable, match=r"within 0\.2 s.*Timeout"):
        open_rows(f"redis://127.0.0.1:{silent}/0", 0.2).read("wind", KEYS)


def test_read_of_a_server_that_repeats_the_log_in_does_not_show_it() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def answer() -> None:
            with contextlib.suppress(OSError):  # the test hangs up when it has seen enough
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(b"-ERR unknown command AUTH with args default s3cret\r\n" * 2)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(OnlineStoreUnreachable, match="unknown command") as refused:
            open_rows(f"redis://default:s3cret@127.0.0.1:{listening.getsockname()[1]}/0", 1.0).read("wind", KEYS)
    assert "s3cret" not in str(refused.value)


def test_read_of_a_value_of_another_kind_says_so(redis_server: RedisServer) -> None:
    write(redis_server.url())
    with Redis.from_url(redis_server.url()) as client:
        client.hset(rows_key("wind"), '[7,"EWR"]', b"no msgpack at all")
        with pytest.raises(OnlineStoreUnreachable, match="cannot be read"):
            open_rows(redis_server.url(), 1.0).read("wind", KEYS)
        client.set(rows_key("wind"), "no hash at all")
        with pytest.raises(OnlineStoreUnreachable, match="WRONGTYPE"):
            open_rows(redis_server.url(), 1.0).read("wind", KEYS)


@pytest.mark.parametrize(
    "url",
    [
        "redis://default:sec/ret@redis:6379/0",
        "redis://default:12?sec/ret@redis:6379/0",
        "redis://default:sec#ret@redis:6379/0",
        "redis://default:sec@ret@redis:6379/0",
        "redis://default:secret",
        "redis://redis:port/0",
        "redis://redis:6379/first",
        "redis://redis:6379/0?no_such_option=1",
        "redis://redis:6379/0?socket_timeout=soon",
        "redis://redis:99999/0",
    ],
)
def test_open_rows_malformed_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(OnlineStoreUnreachable, match="address is malformed") as refused:
        open_rows(url, 1.0)
    assert "sec" not in str(refused.value)
    assert "ret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://default:secret@redis:6379/0", "redis://redis:6379/0"),
        ("rediss://:se%40cret@cache.example.org", "rediss://cache.example.org"),
        ("redis://[::1]:6379?password=secret", "redis://[::1]:6379"),
        ("redis://a:se/cret@h", "redis://…"),
    ],
)
def test_shown_leaves_account_and_options_out(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_read_many_is_of_one_moment_while_both_rows_are_written(redis_server: RedisServer) -> None:
    reader = RedisRows(redis_server.url("reader"), 1.0)
    keys = [f"[{number}]" for number in range(2)]
    view = View.of("p", "pair", ["n"])
    stop = threading.Event()

    def rewrite() -> None:
        with writing(redis_server.url(), 5.0) as writer:
            writer.declare_view(view)
            event = 0
            while not stop.is_set():
                event += 1
                writer.upsert(view, [(key, event, None, msgspec.msgpack.encode({"v": event})) for key in keys])

    thread = threading.Thread(target=rewrite)
    with writing(redis_server.url(), 5.0) as writer:
        writer.declare_view(view)
    thread.start()
    try:
        seen = set()
        for _ in range(300):
            first, second = reader.read_many([("pair", {"n": 0}), ("pair", {"n": 1})])
            assert first == second
            seen.add(None if first is None else first.values["v"])
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 1


def test_upsert_by_writers_at_once_leaves_the_newest_of_all(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_writer, "BATCH", 7)
    view = View.of("p", "race", ["n"])
    rows: list[StoredRow] = [
        (f"[{key}]", event, created, msgspec.msgpack.encode({"event": event, "created": created}))
        for key in range(20)
        for event in range(1, 11)
        for created in (None, 1, 2, 3)
    ]
    with writing(redis_server.url(), 1.0) as writer:
        writer.declare_view(view)
    barrier = threading.Barrier(3)

    def write_shuffled(seed: int) -> int:
        order = np.random.default_rng(seed).permutation(len(rows))
        with writing(redis_server.url(), 10.0) as own:
            barrier.wait()
            return own.upsert(view, [rows[place] for place in order])

    with ThreadPoolExecutor(3) as pool:
        written = list(pool.map(write_shuffled, range(3)))
    assert 20 <= sum(written) < 3 * len(rows)
    left = RedisRows(redis_server.url(), 1.0).read_many([("race", {"n": number}) for number in range(20)])
    assert [row and row.values for row in left] == [{"event": 10, "created": 3}] * 20


def test_upsert_of_a_view_declared_otherwise_meanwhile_is_refused(redis_server: RedisServer) -> None:
    with writing(redis_server.url(), 1.0) as first, writing(redis_server.url(), 1.0) as second:
        first.declare_view(WIND)
        second.declare_view(View.of("p", "wind", ["origin"]))
        with pytest.raises(DataError, match=r"declared otherwise while it was loaded.*gate, origin"):
            first.upsert(WIND, [('[7,"EWR"]', 1, None, b"\x80")])
    with Redis.from_url(redis_server.url()) as client:
        assert client.hlen(rows_key("wind")) == 0


def test_upsert_of_more_rows_than_a_batch_writes_all(redis_server: RedisServer) -> None:
    rows: list[StoredRow] = [(f"[{number}]", 1, None, b"\x80") for number in range(2 * redis_writer.BATCH + 1)]
    with writing(redis_server.url(), 5.0) as writer:
        writer.declare_view(WIND)
        assert writer.upsert(WIND, rows) == len(rows)
    with Redis.from_url(redis_server.url()) as client:
        assert client.hlen(rows_key("wind")) == len(rows)
