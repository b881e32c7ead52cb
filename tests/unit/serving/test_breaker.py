from __future__ import annotations

import pytest

from contender.serving.breaker import Breaker

LOST = ConnectionError("lost")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_breaker(clock: Clock) -> Breaker:
    breaker = Breaker(failures=3, pause_s=2.0, clock=clock)
    for _ in range(3):
        assert breaker.admit() == 0
        breaker.failed(LOST)
    return breaker


def test_breaker_few_failures_in_a_row_leave_it_closed(clock: Clock) -> None:
    breaker = Breaker(failures=3, clock=clock)
    for outcome in (breaker.failed, breaker.failed, None, breaker.failed, breaker.failed):
        breaker.succeeded() if outcome is None else outcome(LOST)
    assert (breaker.state, breaker.opened, breaker.admit()) == ("closed", 0, 0)


def test_breaker_open_says_how_long_it_is_left_alone(open_breaker: Breaker, clock: Clock) -> None:
    assert (open_breaker.state, open_breaker.opened, open_breaker.reason) == ("open", 1, LOST)
    assert open_breaker.admit() == 2.0
    clock.now += 1.5
    assert open_breaker.admit() == 0.5


def test_breaker_after_the_pause_admits_one_probe(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 2.0
    assert open_breaker.admit() == 0
    assert open_breaker.state == "half_open"
    assert open_breaker.admit() > 0


def test_breaker_probe_that_succeeds_closes_it(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 2.0
    open_breaker.admit()
    open_breaker.succeeded()
    assert (open_breaker.state, open_breaker.admit(), open_breaker.reason) == ("closed", 0, None)
    open_breaker.failed(LOST)
    assert open_breaker.state == "closed"


def test_breaker_probe_that_fails_opens_it_for_another_pause(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 2.0
    open_breaker.admit()
    open_breaker.failed(LOST)
    assert (open_breaker.state, open_breaker.opened, open_breaker.admit()) == ("open", 2, 2.0)


def test_breaker_failure_reported_while_open_does_not_prolong_the_pause(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 1.0
    open_breaker.failed(LOST)
    assert (open_breaker.opened, open_breaker.admit()) == (1, 1.0)
