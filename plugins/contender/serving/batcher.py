"""Micro-batches: requests that are there at the same moment are scored together, without waiting for more.

A call of ONNX Runtime costs more than the rows in it, the more so as each request in between drives it out of the
processor's caches: the model is asked once for what arrived in two turns of the event loop. Whoever is alone waits for
one more look at the sockets, and for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from contender.core.golden import Output
from contender.serving.bundle import Value

# As many rows as take about a millisecond; a larger request goes alone, and others get their turn in between.
MAX_ROWS = 256


@dataclass(slots=True)
class Work:
    """One request on its way through the model.

    Attributes:
        rows: Values in the order of the signature's columns.
        endpoint: The route that it came by.
        start: `perf_counter()` when it came.
        client_id: The caller's name for it.
        entities: The requests by entity, as they were sent; `None` where the features themselves were.
        at: Their prediction times.
        unknown: For each of them the features that are null, by reason.
        outputs: The model's answers, once there are any.
        request_id: The server's name for it, given when it is answered.
        seconds: From `start` until the answer was there.
    """

    rows: Sequence[Sequence[Value]]
    endpoint: str
    start: float
    client_id: str | None = None
    entities: list[Any] | None = None
    at: list[Any] | None = None
    unknown: list[Any] | None = None
    outputs: list[Output] = field(default_factory=list)
    request_id: str = ""
    seconds: float = 0.0


Waiting = tuple[Work, "asyncio.Future[list[Output]]"]


class Batcher:
    """Scores what is waiting together, once in two turns of the loop.

    Args:
        predict: One output for each row.
        keep: Puts answered work on record, before anybody hears of the answer; what it raises is the answer then.
        max_rows: Rows at which a batch is closed.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Sequence[Value]]], list[Output]],
        keep: Callable[[Sequence[Work]], None],
        max_rows: int = MAX_ROWS,
    ) -> None:
        self._predict, self._keep, self._max_rows = predict, keep, max_rows
        self._waiting: list[Waiting] = []

    def answer(self, work: Work) -> asyncio.Future[list[Output]]:
        """The outputs of one request's rows, once they are on record; no coroutine, which would cost more than it does.

        Raises:
            PredictionLogFull: The answer could not be put on record, so there is none.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[list[Output]] = loop.create_future()
        if not self._waiting:
            # In the next turn but one: between them the loop looks for what has come meanwhile.
            loop.call_soon(loop.call_soon, self._flush, loop)
        self._waiting.append((work, answered))
        return answered

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        count, rows = 0, 0
        for work, _ in self._waiting:
            rows += len(work.rows)
            if count and rows > self._max_rows:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if self._waiting:
            loop.call_soon(self._flush, loop)
        scored = self._scored(batch)
        fault: Exception | None = None
        try:
            if scored:
                self._keep([work for work, _ in scored])
        except Exception as error:  # noqa: BLE001  whoever waits for it gets it; full for one is full for all
            fault = error
        for work, answered in scored:
            _settle(answered, fault or work.outputs)

    def _scored(self, batch: list[Waiting]) -> list[Waiting]:
        """Those that have their outputs now; whoever sent what the model cannot take is told so, and fails alone."""
        try:
            self._score([work for work, _ in batch])
        except Exception as error:  # noqa: BLE001  whoever waits for it gets it
            if len(batch) > 1:
                return [one for one in batch if self._scored([one])]
            _settle(batch[0][1], error)
            return []
        return batch

    def _score(self, batch: list[Work]) -> None:
        outputs = self._predict(batch[0].rows if len(batch) == 1 else [row for work in batch for row in work.rows])
        now, begin = perf_counter(), 0
        for work in batch:
            end = begin + len(work.rows)
            work.outputs, work.seconds, begin = outputs[begin:end], now - work.start, end


def _settle(answered: asyncio.Future[list[Output]], found: list[Output] | Exception) -> None:
    if answered.done():  # its request was cancelled meanwhile
        return
    if isinstance(found, Exception):
        answered.set_exception(found)
    else:
        answered.set_result(found)
