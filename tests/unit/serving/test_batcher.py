from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from contender.core.golden import Output
from contender.serving.batcher import Batcher, Work

Rows = Sequence[Sequence[Any]]


def work(*values: float) -> Work:
    return Work([(value,) for value in values], "/predict/raw", 0.0)


class Doubling:
    """A model that doubles a number, and remembers how it was asked."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.kept: list[list[Output]] = []

    def predict(self, rows: Rows) -> list[Output]:
        self.batches.append(len(rows))
        if any(value < 0 for (value,) in rows):
            raise ValueError("below zero")
        return [2 * value for (value,) in rows]

    def keep(self, batch: Sequence[Work]) -> None:
        self.kept += [one.outputs for one in batch]


def answers(model: Doubling, *asked: Work, keep: Callable[[Sequence[Work]], None] | None = None) -> list[Any]:
    async def ask() -> list[Any]:
        batcher = Batcher(model.predict, keep or model.keep, max_rows=4)
        return await asyncio.gather(*(batcher.answer(one) for one in asked), return_exceptions=True)

    return asyncio.run(ask())


def test_requests_of_one_turn_are_scored_together_and_each_gets_its_own() -> None:
    model = Doubling()
    assert answers(model, work(1), work(2, 3), work(4)) == [[2], [4, 6], [8]]
    assert model.batches == [4]
    assert model.kept == [[2], [4, 6], [8]]


def test_a_batch_is_closed_at_its_rows_and_a_larger_request_goes_alone() -> None:
    model = Doubling()
    assert answers(model, work(1, 2, 3), work(4, 5), work(*range(9))) == [[2, 4, 6], [8, 10], [*range(0, 18, 2)]]
    assert model.batches == [3, 2, 9]


def test_what_the_model_cannot_take_fails_its_own_request_alone() -> None:
    model = Doubling()
    first, second, third = answers(model, work(1), work(-1), work(3))
    assert (first, third) == ([2], [6])
    assert isinstance(second, ValueError)
    assert model.kept == [[2], [6]]


def test_what_cannot_be_put_on_record_is_not_answered_and_tried_once() -> None:
    tried: list[int] = []

    def full(batch: Sequence[Work]) -> None:
        tried.append(len(batch))
        raise OSError("full")

    assert [type(one) for one in answers(Doubling(), work(1), work(2), keep=full)] == [OSError, OSError]
    assert tried == [2]


def test_a_cancelled_request_harms_nobody() -> None:
    model = Doubling()

    async def ask() -> list[Output]:
        batcher = Batcher(model.predict, model.keep)
        leaving = asyncio.ensure_future(batcher.answer(work(1)))
        staying = asyncio.ensure_future(batcher.answer(work(2)))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert asyncio.run(ask()) == [4]


def test_time_from_the_start_is_known_when_it_is_kept() -> None:
    seen: list[float] = []
    answers(Doubling(), work(1), keep=lambda batch: seen.append(batch[0].seconds))
    assert seen[0] > 0
