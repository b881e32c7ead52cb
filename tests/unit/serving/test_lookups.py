"""Look-ups over real stores: together in one round trip, beside the loop, with a store that hangs, dies, comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import uvloop
from redis import Redis

from contender.adapters.online_redis import rows_key
from contender.adapters.online_rows import Row, RowsReader, open_rows
from contender.core.errors import BundleBroken, LookupsPaused, OnlineStoreUnreachable, StaleFeatures
from contender.serving.breaker import Breaker
from contender.serving.bundle import Signature
from contender.serving.lookup import Looked, Lookup, Question, Stale
from contender.serving.lookups import MOST_ON_THE_LOOP, LookupOptions, Lookups, lookup_seconds, options_from_env
from tests.online_stores import RedisServer
from tests.unit.serving.test_predict import AT, write_store
from tests.unit.serving.tiny import SIGNATURE

KEYS = {"origin": "JFK", "carrier": "AA", "route": "JFK-LAX", "tailnum": "N14228"}
ASKED = Question(AT, KEYS, {"origin": "JFK", "carrier": "AA", "dest": "LAX", "hour": 8.5, "weekday": 0.0})
OTHER = replace(ASKED, keys=KEYS | {"carrier": "ZZ"})
FEATURES = [71.0, 0.25, 2475.0, 180.0]
LONG = 30.0


@dataclass
class Trips:
    """How many requests shared each round trip, and whether it was answered."""

    seen: list[tuple[int, bool]] = field(default_factory=list)

    def round_trip(self, seconds: float, asked: int, *, answered: bool) -> None:
        assert seconds > 0
        self.seen.append((asked, answered))

    def looked_up(self, seconds: float, looked: Sequence[Looked]) -> None:
        assert seconds > 0
        assert looked


def made(
    store: RowsReader,
    trips: Trips,
    *,
    timeout_s: float = LONG,
    breaker: Breaker | None = None,
    stale: Stale = "default",
) -> Lookups:
    lookup = Lookup(msgspec.convert(SIGNATURE, Signature), stale)
    return Lookups(lookup, store, timeout_s, trips, breaker or Breaker(failures=100))


def run(address: str, test: Callable[[Lookups], Awaitable[None]], **options: Any) -> list[tuple[int, bool]]:
    """Run a test's coroutine on the server's kind of loop; the round trips that there were."""
    trips = Trips()

    async def main() -> None:
        lookups = made(open_rows(address, options.get("timeout_s", LONG)), trips, **options)
        try:
            await test(lookups)
        finally:
            lookups.close()

    uvloop.run(main())
    return trips.seen


async def ask(lookups: Lookups, *questions: Question) -> list[list[Any]]:
    return [one.row[5:] for one in await lookups.rows_async(questions or (ASKED,))]


async def asking(lookups: Lookups, *questions: Question) -> asyncio.Task[list[list[Any]]]:
    """A look-up that is on its way."""
    task = asyncio.create_task(ask(lookups, *questions))
    for _ in range(3):  # its own turn, and the one in which it is sent
        await asyncio.sleep(0)
    return task


def test_lookups_give_what_the_store_holds(address: str) -> None:
    write_store(address)

    async def test(lookups: Lookups) -> None:
        for _ in range(3):
            assert await ask(lookups, ASKED, OTHER) == [FEATURES, [71.0, None, 2475.0, 180.0]]
        await lookups.check()
        assert await ask(lookups, replace(ASKED, keys={})) == [[None] * 4]

    assert run(address, test) == [(1, True)] * 4  # without keys there is nothing to ask


def test_lookups_at_once_are_one_round_trip(address: str) -> None:
    write_store(address)

    async def test(lookups: Lookups) -> None:
        assert await asyncio.gather(*[ask(lookups) for _ in range(8)]) == [[FEATURES]] * 8
        assert await asyncio.gather(*[ask(lookups) for _ in range(8)]) == [[FEATURES]] * 8

    assert run(address, test) == [(8, True)] * 2


def test_lookups_of_many_entities_are_one_transaction_of_redis(redis_server: RedisServer) -> None:
    write_store(redis_server.url())
    with Redis.from_url(redis_server.url()) as admin:

        async def test(lookups: Lookups) -> None:
            await ask(lookups)
            admin.config_resetstat()
            await asyncio.gather(*[ask(lookups, ASKED, OTHER) for _ in range(8)])
            stats: Any = admin.info("commandstats")
            assert {name: stats[f"cmdstat_{name}"]["calls"] for name in ("multi", "hmget", "exec")} == {
                "multi": 1, "hmget": 1 + len(SIGNATURE["views"]), "exec": 1,
            }  # fmt: skip

        run(redis_server.url("least"), test)


def test_lookups_during_a_round_trip_gather_for_the_next(own_redis: RedisServer) -> None:
    write_store(own_redis.url())

    async def test(lookups: Lookups) -> None:
        await ask(lookups)
        with paused(own_redis):
            first = await asking(lookups)
            gathered = [await asking(lookups, OTHER) for _ in range(3)]
            assert not first.done()  # and yet this coroutine has its turn
        assert await first == [FEATURES]
        assert await asyncio.gather(*gathered) == [[[71.0, None, 2475.0, 180.0]]] * 3

    assert run(own_redis.url("reader"), test) == [(1, True), (1, True), (3, True)]


def test_lookups_cancelled_waiter_harms_nobody(own_redis: RedisServer) -> None:
    write_store(own_redis.url())

    async def test(lookups: Lookups) -> None:
        await ask(lookups)
        with paused(own_redis):
            tasks = [await asking(lookups) for _ in range(4)]
            for task in tasks[::2]:
                task.cancel()
            await asyncio.sleep(0)
        assert [await task for task in tasks[1::2]] == [[FEATURES]] * 2
        assert [task.cancelled() for task in tasks] == [True, False] * 2
        assert await ask(lookups) == [FEATURES]

    run(own_redis.url("reader"), test)


def test_lookups_fault_reaches_those_of_its_round_trip_alone(own_redis: RedisServer) -> None:
    write_store(own_redis.url())
    with Redis.from_url(own_redis.url()) as admin:
        admin.hset(rows_key("carrier_punctuality"), '["ZZ"]', b"no row at all")

    async def test(lookups: Lookups) -> None:
        await ask(lookups)
        with paused(own_redis):
            tasks = [await asking(lookups, question) for question in (ASKED, OTHER, ASKED)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[0] == [FEATURES]
        assert [type(one) for one in found[1:]] == [OnlineStoreUnreachable] * 2
        assert await ask(lookups) == [FEATURES]

    assert run(own_redis.url("reader"), test) == [(1, True), (1, True), (2, False), (1, True)]


def test_lookups_stale_row_is_refused_to_who_asked_for_it_alone(address: str) -> None:
    write_store(address)
    later = replace(ASKED, at=AT + timedelta(hours=3))

    async def test(lookups: Lookups) -> None:
        found = await asyncio.gather(ask(lookups), ask(lookups, later), return_exceptions=True)
        assert found[0] == [FEATURES]
        assert isinstance(found[1], StaleFeatures)

    assert run(address, test, stale="reject") == [(2, True)]


def test_lookups_redis_that_hangs_is_given_up_and_asked_again_when_it_is_back(own_redis: RedisServer) -> None:
    write_store(own_redis.url())

    async def test(lookups: Lookups) -> None:
        await recovered(lookups)  # in so short a time the first may be late
        with paused(own_redis):
            for _ in range(2):  # over the connection there was, and over a new one
                with pytest.raises(OnlineStoreUnreachable, match=r"within 0\.1 s|in time"):
                    await ask(lookups)
        await recovered(lookups)

    assert (1, False) in run(own_redis.url("reader"), test, timeout_s=0.1)


@pytest.mark.parametrize("moment", ["idle", "in flight"])
def test_lookups_redis_killed_is_unreachable_until_it_is_back(own_redis: RedisServer, moment: str) -> None:
    write_store(own_redis.url())

    async def test(lookups: Lookups) -> None:
        await ask(lookups)
        own_redis.pause()
        tasks = [await asking(lookups) for _ in range(2)] if moment == "in flight" else []
        own_redis.kill()
        for found in await asyncio.gather(*tasks, ask(lookups), ask(lookups), return_exceptions=True):
            assert isinstance(found, OnlineStoreUnreachable)
        own_redis.start()
        with pytest.raises(OnlineStoreUnreachable, match="is not in the online store"):
            await lookups.check()
        write_store(own_redis.url())
        assert await ask(lookups) == [FEATURES]

    run(own_redis.url("reader"), test)


def test_lookups_redis_killed_under_load_recover_without_help(own_redis: RedisServer) -> None:
    write_store(own_redis.url())
    faults: list[OnlineStoreUnreachable] = []
    back = asyncio.Event()

    async def client(lookups: Lookups) -> list[list[Any]]:
        while True:
            try:
                found = await ask(lookups)
            except OnlineStoreUnreachable as fault:
                faults.append(fault)
                await asyncio.sleep(0)
            else:
                assert found == [FEATURES]
                if back.is_set():
                    return found

    async def test(lookups: Lookups) -> None:
        clients = [asyncio.create_task(client(lookups)) for _ in range(8)]
        while not faults:
            await asyncio.sleep(0.01)
            if own_redis.runs:
                own_redis.kill()
        own_redis.start()
        write_store(own_redis.url())
        back.set()
        assert await asyncio.gather(*clients) == [[FEATURES]] * 8

    run(own_redis.url("reader"), test, breaker=Breaker(pause_s=0.05))
    assert LookupsPaused in map(type, faults)


def test_lookups_connection_closed_by_the_server_is_made_anew(redis_server: RedisServer) -> None:
    write_store(redis_server.url())

    async def test(lookups: Lookups) -> None:
        for turns in (0, 5):  # found closed while sending, and noticed before
            await ask(lookups)
            with Redis.from_url(redis_server.url()) as admin:
                admin.client_kill_filter(_type="normal", skipme=True)
            for _ in range(turns):
                await asyncio.sleep(0)
            assert await ask(lookups) == [FEATURES]

    assert run(redis_server.url("reader"), test) == [(1, True)] * 4


def test_lookups_of_very_many_entities_leave_the_loop_to_others(redis_server: RedisServer) -> None:
    write_store(redis_server.url())
    many = [replace(ASKED, keys=KEYS | {"carrier": f"{n}"}) for n in range(MOST_ON_THE_LOOP)]

    async def test(lookups: Lookups) -> None:
        await ask(lookups)
        task = await asking(lookups, *many, ASKED)
        assert not task.done()
        assert await task == [[71.0, None, 2475.0, 180.0]] * len(many) + [FEATURES]
        assert await ask(lookups) == [FEATURES]

    assert run(redis_server.url("reader"), test) == [(1, True)] * 3


def test_lookups_breaker_leaves_a_dead_store_alone_until_the_pause_is_over(own_redis: RedisServer) -> None:
    write_store(own_redis.url())
    now = [0.0]
    breaker = Breaker(failures=2, pause_s=5.0, clock=lambda: now[0])

    async def test(lookups: Lookups) -> None:
        await ask(lookups)
        own_redis.kill()
        for _ in range(2):
            with pytest.raises(OnlineStoreUnreachable, match=r"refused|closed"):
                await ask(lookups)
        with pytest.raises(LookupsPaused, match=r"cannot be read") as refused:
            await ask(lookups)
        assert refused.value.retry_after_s == 5.0
        own_redis.start()
        write_store(own_redis.url())
        with pytest.raises(LookupsPaused):
            await lookups.check()
        now[0] += 5
        probe, meanwhile = await asyncio.gather(ask(lookups), ask(lookups), return_exceptions=True)
        assert probe == [FEATURES]
        assert isinstance(meanwhile, LookupsPaused)
        assert (await ask(lookups), breaker.state, breaker.opened) == ([FEATURES], "closed", 1)

    assert [answered for _, answered in run(own_redis.url("reader"), test, breaker=breaker)] == [
        True, False, False, True, True,
    ]  # fmt: skip


def test_lookups_that_gathered_behind_the_last_failure_are_refused_at_once(own_redis: RedisServer) -> None:
    write_store(own_redis.url())

    async def test(lookups: Lookups) -> None:
        await recovered(lookups)
        with paused(own_redis):
            found = await asyncio.gather(await asking(lookups), await asking(lookups), return_exceptions=True)
        assert [type(one) for one in found] == [OnlineStoreUnreachable, LookupsPaused]

    trips = run(own_redis.url("reader"), test, timeout_s=0.1, breaker=Breaker(failures=1))
    assert trips[-2:] == [(1, True), (1, False)]


class Stuck:
    """A store on a disk that hangs."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def read_many(self, requests: Sequence[tuple[str, Mapping[str, str | int]]]) -> list[Row | None]:
        assert self.released.wait(60)
        return [None for _ in requests]

    def read(self, view: str, join_keys: Mapping[str, str | int]) -> Row | None:
        return self.read_many([(view, join_keys)])[0]

    def exchange(self) -> None: ...

    def close(self) -> None: ...


def test_lookups_behind_a_read_that_does_not_return_are_refused_until_it_does() -> None:
    store, trips = Stuck(), Trips()

    async def main() -> None:
        lookups = made(store, trips, timeout_s=0.05)
        found = await asyncio.gather(await asking(lookups), await asking(lookups), return_exceptions=True)
        assert [type(one) for one in found] == [OnlineStoreUnreachable, LookupsPaused]
        with pytest.raises(LookupsPaused):
            await ask(lookups)
        store.released.set()
        assert await recovered(lookups) == [[None] * 4]
        lookups.close()

    uvloop.run(main())
    assert (trips.seen[0], trips.seen[-1]) == ((1, False), (1, True))


@contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


async def recovered(lookups: Lookups) -> list[list[Any]]:
    """The first answer after a fault; nobody helps."""
    while True:
        try:
            return await ask(lookups)
        except OnlineStoreUnreachable:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("said", "seconds"), [("100", 0.1), ("1", 0.001), ("60000", 60.0)])
def test_lookup_seconds_are_milliseconds_of_the_setting(said: str, seconds: float) -> None:
    assert lookup_seconds(said) == seconds


@pytest.mark.parametrize("said", ["", "0", "-5", "1.5", "60001", "soon", "²"])
def test_lookup_seconds_of_no_number_are_refused(said: str) -> None:
    with pytest.raises(BundleBroken, match=r"CONTENDER_LOOKUP_MS; expected: a whole number"):
        lookup_seconds(said)


def test_options_from_env_are_what_it_says_or_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTENDER_LOOKUP_MS", raising=False)
    monkeypatch.delenv("CONTENDER_STALE", raising=False)
    assert options_from_env() == LookupOptions(0.1, "default")
    monkeypatch.setenv("CONTENDER_LOOKUP_MS", "250")
    monkeypatch.setenv("CONTENDER_STALE", "serve")
    assert options_from_env() == LookupOptions(0.25, "serve")
