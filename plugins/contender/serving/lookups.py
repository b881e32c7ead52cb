"""Look-ups beside the event loop: what is asked while one is under way goes as the next, all in one round trip.

A round trip to Redis is sent on the event loop, which goes on with other work until the answer can be read: no thread
changes hands. Whatever may wait otherwise is done in one worker thread: connecting, a read of very many entities, a
store that is a file. `docs/decisions/0032-lookups-on-the-loop.md` has the figures.

However the store fails, a request waits no longer than for the round trip before its own, and its own: twice the
time-out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter
from typing import Protocol

from contender.adapters.online_rows import ConnectionLost, Row, RowsReader
from contender.core.errors import BundleBroken, LookupsPaused, OnlineStoreUnreachable
from contender.serving.breaker import Breaker
from contender.serving.lookup import (
    Asked,
    Entity,
    Looked,
    Lookup,
    Question,
    Stale,
    requests,
    require_fresh,
    stale_policy,
)

# A larger answer may arrive in parts, the rest of which the event loop would wait for; and decoding it holds it up.
MOST_ON_THE_LOOP = 256
GRACE_S = 0.005
DEFAULT_MS, MOST_MS = 100, 60_000

Found = Mapping[Entity, Row | None]


class Observer(Protocol):
    """Who is told how look-ups go; `contender.serving.metrics.Metrics` is one."""

    def round_trip(self, seconds: float, asked: int, *, answered: bool) -> None:
        """One round trip ended, on behalf of so many waiters."""

    def looked_up(self, seconds: float, looked: Sequence[Looked]) -> None:
        """One waiter's rows were found, so many seconds after it asked; it may yet be refused for their age."""


@dataclass(slots=True)
class _Flight:
    """One round trip: what it asks for, and who waits for it."""

    asked: Asked
    waiters: list[asyncio.Future[Found]]
    started: float = field(default_factory=perf_counter)
    timer: asyncio.TimerHandle | None = None
    on_loop: bool = False
    over: bool = False


class Lookups:
    """The look-ups of one event loop, which is that of the first of them.

    Args:
        lookup: Makes rows of a model out of the store's.
        store: The online store; it is closed by `close`.
        timeout_s: How long a round trip may take in all, connecting and a second try included, in seconds.
        observer: Who is told how they go.
        breaker: When to leave the store alone.
    """

    def __init__(
        self, lookup: Lookup, store: RowsReader, timeout_s: float, observer: Observer, breaker: Breaker | None = None
    ) -> None:
        self._lookup, self._store, self._timeout_s, self._observer = lookup, store, timeout_s, observer
        self.breaker = breaker or Breaker()
        self._exchange = store.exchange()
        self._watched: int | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lookups")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flight: _Flight | None = None
        self._next: _Flight | None = None

    async def rows_async(self, questions: Sequence[Question]) -> list[Looked]:
        """The model's inputs for each request, of one moment of the store.

        Raises:
            OnlineStoreUnreachable: The online store cannot be read.
            LookupsPaused: It failed again and again; it was not asked.
            StaleFeatures: A row is stale, and the policy is `reject`.
        """
        start = perf_counter()
        asked = self._lookup.entities(questions)
        looked = self._lookup.fill(questions, await self._find(asked) if asked else {})
        self._observer.looked_up(perf_counter() - start, looked)
        require_fresh(looked)  # after it was counted: what is refused for its age is what a metric of staleness is for
        return looked

    async def check(self) -> None:
        """Read from every view, as any other look-up; a model without views needs no store.

        Raises:
            OnlineStoreUnreachable: The store cannot be read, or lacks a view.
        """
        asked = self._lookup.probe()
        if asked:
            await self._find(asked)

    def close(self) -> None:
        """Close the store; to be called in the event loop, after the last look-up."""
        if self._exchange is not None:
            self._unwatch()
            self._exchange.close()
        self._pool.submit(self._store.close)  # a file is open in the thread that reads it
        self._pool.shutdown()

    async def _find(self, asked: Asked) -> Found:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        # Asked only where it may go at once: who is admitted as the probe must be sent.
        stuck = self._flight is not None and self._flight.over
        wait = self._timeout_s if stuck else self.breaker.admit()
        if wait:
            raise _paused(wait, self.breaker)
        waiter: asyncio.Future[Found] = self._loop.create_future()
        if self._next is not None:
            self._next.asked |= asked
            self._next.waiters.append(waiter)
            return await waiter
        self._next = _Flight(dict(asked), [waiter])
        if self._flight is None:
            # After the requests that came in the same turn of the loop, so that all of them go together.
            self._loop.call_soon(self._take_off, self._loop)
        return await waiter

    def _take_off(self, loop: asyncio.AbstractEventLoop) -> None:
        flight, self._next = self._next, None
        if flight is None:
            return
        self._flight = flight
        flight.started = perf_counter()
        flight.timer = loop.call_later(self._timeout_s, self._late, loop, flight)
        if self._exchange is not None and self._watched is not None and len(flight.asked) <= MOST_ON_THE_LOOP:
            flight.on_loop = True
            try:
                self._exchange.send(requests(flight.asked))
            except ConnectionLost:
                self._in_thread(loop, flight)
            except OnlineStoreUnreachable as error:
                self._unwatch()
                loop.call_soon(self._land, loop, flight, error)
            return
        self._in_thread(loop, flight)

    def _in_thread(self, loop: asyncio.AbstractEventLoop, flight: _Flight) -> None:
        self._unwatch()  # until it is back the connection is the thread's
        flight.on_loop = False
        read = (self._store if self._exchange is None else self._exchange).read_many
        done = loop.run_in_executor(self._pool, read, requests(flight.asked))
        done.add_done_callback(lambda found: self._returned(loop, flight, found))

    def _returned(
        self, loop: asyncio.AbstractEventLoop, flight: _Flight, found: asyncio.Future[list[Row | None]]
    ) -> None:
        if self._exchange is not None and self._exchange.fileno is not None:
            self._watched = self._exchange.fileno
            loop.add_reader(self._watched, self._readable, loop)
        error = found.exception()
        self._land(loop, flight, error if error is not None else found.result())

    def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        flight, exchange = self._flight, self._exchange
        if exchange is None or flight is None or not flight.on_loop:
            self._hang_up()  # nothing was asked: the server has closed the connection
            return
        try:
            rows = exchange.receive()
        except ConnectionLost:
            self._in_thread(loop, flight)
        except OnlineStoreUnreachable as error:
            self._unwatch()
            self._land(loop, flight, error)
        else:
            self._land(loop, flight, rows)

    def _late(self, loop: asyncio.AbstractEventLoop, flight: _Flight) -> None:
        """Look once more what has come, before giving up: it may be this process that stood still, not the store."""
        flight.timer = loop.call_later(GRACE_S, self._give_up, loop, flight)

    def _give_up(self, loop: asyncio.AbstractEventLoop, flight: _Flight) -> None:
        """What a thread has begun cannot be ended: until it returns, all are refused."""
        error = OnlineStoreUnreachable(
            "the online store does not answer in time",
            where="CONTENDER_ONLINE_STORE",
            expected=f"an answer within {self._timeout_s:g} s",
            got="none",
            next_step="see that the store is well; if it needs longer, raise CONTENDER_LOOKUP_MS",
        )
        if flight.on_loop:
            self._hang_up()
            self._land(loop, flight, error)
            return
        flight.over = True
        self._report(flight, error)
        self._refuse_next()

    def _land(self, loop: asyncio.AbstractEventLoop, flight: _Flight, found: list[Row | None] | BaseException) -> None:
        self._flight = None
        if not flight.over:
            if flight.timer is not None:
                flight.timer.cancel()
            self._report(flight, found)
        if self.breaker.state == "closed":
            self._take_off(loop)
        else:
            self._refuse_next()

    def _report(self, flight: _Flight, found: list[Row | None] | BaseException) -> None:
        """Tell breaker and observer, and hand the rows, or the error, to those who still wait."""
        seconds, answered = perf_counter() - flight.started, isinstance(found, list)
        self._observer.round_trip(seconds, len(flight.waiters), answered=answered)
        waiters = [waiter for waiter in flight.waiters if not waiter.done()]
        if isinstance(found, list):
            self.breaker.succeeded()
            rows = dict(zip(flight.asked, found, strict=True))
            for waiter in waiters:
                waiter.set_result(rows)
            return
        self.breaker.failed(found)
        for waiter in waiters:
            waiter.set_exception(found)

    def _refuse_next(self) -> None:
        refused, self._next = self._next, None
        for waiter in refused.waiters if refused is not None else ():
            if not waiter.done():
                waiter.set_exception(_paused(self.breaker.pause_s, self.breaker))

    def _hang_up(self) -> None:
        self._unwatch()
        if self._exchange is not None:
            self._exchange.close()

    def _unwatch(self) -> None:
        if self._loop is not None and self._watched is not None:
            self._loop.remove_reader(self._watched)
        self._watched = None


@dataclass(frozen=True)
class LookupOptions:
    """How to look up: how long a round trip may take, in seconds, and what becomes of stale rows."""

    timeout_s: float = DEFAULT_MS / 1000
    stale: Stale = "default"


def options_from_env() -> LookupOptions:
    """As the environment says: `CONTENDER_LOOKUP_MS` and `CONTENDER_STALE`; the defaults are those of the options.

    Raises:
        BundleBroken: One of them cannot be: the process should not start.
    """
    return LookupOptions(
        timeout_s=lookup_seconds(os.environ.get("CONTENDER_LOOKUP_MS") or str(DEFAULT_MS)),
        stale=stale_policy(os.environ.get("CONTENDER_STALE") or "default"),
    )


def lookup_seconds(said: str) -> float:
    """The time-out that `CONTENDER_LOOKUP_MS` names, in seconds.

    Raises:
        BundleBroken: It is no number of milliseconds: the process should not start.
    """
    if not (said.isascii() and said.isdigit() and 1 <= int(said) <= MOST_MS):
        raise BundleBroken(
            "the server does not know how long a look-up may take",
            where="CONTENDER_LOOKUP_MS",
            expected=f"a whole number of milliseconds from 1 to {MOST_MS}",
            got=said,
            next_step="set CONTENDER_LOOKUP_MS to one, or unset it",
        )
    return int(said) / 1000


def _paused(wait_s: float, breaker: Breaker) -> LookupsPaused:
    error = LookupsPaused(
        "the online store failed, and is left alone for a moment",
        where="CONTENDER_ONLINE_STORE",
        expected="a store that answers",
        got="" if breaker.reason is None else breaker.reason,
        next_step=f"ask again in {ceil(wait_s)} s, or send the features themselves to /predict/raw",
    )
    error.retry_after_s = wait_s
    return error
