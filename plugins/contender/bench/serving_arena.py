"""Servers of the same model that run side by side: started, known to answer alike, loaded, measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from contender.bench.serving_load import Load, load
from contender.bench.serving_model import Row
from contender.bench.serving_process import Server, ServerFailed, free_port
from contender.bench.serving_rivals import CONTENDER, Rival
from contender.bench.serving_rounds import Cell
from contender.core.errors import ContenderError, some

TOLERANCE = 1e-5
BODIES = {1: 20, 100: 4}  # so many different bodies of so many rows, sent in turn


class Disagreement(ContenderError):
    """Two servers answer the same rows differently: they do not serve the same model."""


class Arena:
    """The servers under comparison.

    Args:
        rows: What they are asked for, at least a hundred.
        folder: Where their logs and the requests' bodies go.

    Attributes:
        sizes: Bytes of Contender's answer by the number of rows, once it runs.
        facts: Of each server its name, its seconds until the first answer, and its memory once it was loaded.
        absent: Servers that did not start, with the reason.
    """

    def __init__(self, rows: Sequence[Row], folder: Path) -> None:
        self.rows, self.folder = rows, folder
        self.sizes: dict[int, int] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.absent: dict[str, str] = {}
        self._answers: dict[str, list[float]] = {}
        self._running: dict[str, tuple[Rival, Server]] = {}
        self._bodies: dict[tuple[str, int], list[Path]] = {}

    @contextmanager
    def running(self, rivals: Sequence[Rival], optional: Sequence[str] = ()) -> Iterator[list[str]]:
        """Start them one after the other, and stop them in the end; the names of those that run.

        Raises:
            ServerFailed: One that is not among the `optional` does not start.
            Disagreement: One answers otherwise than the first.
        """
        with ExitStack() as stack:
            for rival in rivals:
                try:
                    self._start(rival, stack)
                except ServerFailed as error:
                    if rival.name not in optional:
                        raise
                    self.absent[rival.name] = f"{error.what}: {error.got[:200]}"
            yield list(self._running)

    def _start(self, rival: Rival, stack: ExitStack) -> None:
        port = free_port()
        server = Server(rival.name, rival.command(port), port, rival.environment(), self.folder)
        stack.enter_context(server)
        started = server.seconds_until(rival.path(1), rival.body(self.rows[:1]))
        answers = {count: server.ask(rival.path(count), rival.body(self.rows[:count])) for count in BODIES}
        if rival.name == CONTENDER:
            self.sizes |= {count: len(answer) for count, answer in answers.items()}
        if rival.read is not None:
            self._answers[rival.name] = rival.read(answers[max(BODIES)])
            require_same(self._answers)
        for rows, count in BODIES.items():
            self._bodies[rival.name, rows] = [self._body(rival, rows, number) for number in range(count)]
        self._running[rival.name] = rival, server
        self.facts[rival.name] = {"server": rival.name, "start-up s": round(started, 2)}

    def _body(self, rival: Rival, rows: int, number: int) -> Path:
        begin = number * rows % (len(self.rows) - rows + 1)
        path = self.folder / f"{rival.name}-{rows}-{number}.json"
        path.write_bytes(rival.body(self.rows[begin : begin + rows]))
        return path

    def measure(self, name: str, cell: Cell, seconds: float) -> Load:
        """One load on one of them; its memory is read at the end of it, and it is given the time to settle."""
        rival, server = self._running[name]
        found = load(server.url(rival.path(cell.rows)), self._bodies[name, cell.rows], cell.connections, seconds)
        self.facts[name]["memory MB"] = round(server.memory_mb())
        rival.settle()
        return found


def require_same(answers: Mapping[str, Sequence[float]], tolerance: float = TOLERANCE) -> None:
    """Refuse servers that answer the same rows otherwise than the first of them.

    Raises:
        Disagreement: An answer is another, or their number is.
    """
    (first, expected), *others = answers.items()
    for name, found in others:
        differences = [abs(a - b) for a, b in zip(found, expected, strict=False)]
        # Not `>`: a NaN must fail.
        if len(found) != len(expected) or not all(difference <= tolerance for difference in differences):
            raise Disagreement(
                "two servers do not serve the same model",
                where=f"{name} beside {first}",
                expected=f"{len(expected)} answers within {tolerance:g}",
                got=f"{len(found)} answers, differences of {some(f'{one:.3g}' for one in differences)}",
                next_step="compare what each is given with the model's signature",
            )
