"""Rounds of loads on several servers in turn, and the ratios between them.

A busy moment of the machine hits all servers of a round, so ratios are taken within each round and their median counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from contender.bench.serving_load import Load


@dataclass(frozen=True)
class Cell:
    """One kind of load: rows of a request, and requests at once."""

    rows: int
    connections: int


Rounds = dict[Cell, dict[str, list[Load]]]


def rounds(servers: Sequence[str], cells: Sequence[Cell], count: int, measure: Callable[[str, Cell], Load]) -> Rounds:
    """Measure each cell of each server so many times: all servers in turn, cell by cell, then the next round."""
    found: Rounds = {cell: {server: [] for server in servers} for cell in cells}
    for _ in range(count):
        for cell in cells:
            for server in servers:
                found[cell][server].append(measure(server, cell))
    return found


def ratio(loads: Mapping[str, Sequence[Load]], of: str, to: str, figure: str = "requests_s") -> float:
    """The median over the rounds of one server's figure over another's.

    Args:
        loads: Of each server its loads, round by round.
        of: Whose figure is divided.
        to: By whose.
        figure: A field of `Load`.
    """
    pairs = zip(loads[of], loads[to], strict=True)
    ratios: list[float] = [getattr(one, figure) / getattr(other, figure) for one, other in pairs]
    return median(ratios)


def table(found: Rounds, base: str, limit: str) -> list[dict[str, object]]:
    """A row for each cell and server: medians over the rounds.

    Args:
        found: The rounds.
        base: The server whose throughput is the 1 of the column `times <base>`.
        limit: Likewise of the column `of <limit>`.
    """
    rows: list[dict[str, object]] = []
    for cell, loads in found.items():
        for server, taken in loads.items():
            row: dict[str, object] = {"server": server, "rows": cell.rows, "concurrency": cell.connections}
            row |= {
                "requests/s": round(median(load.requests_s for load in taken), 1),
                "p50 ms": round(median(load.p50_ms for load in taken), 3),
                "p99 ms": round(median(load.p99_ms for load in taken), 3),
            }
            for title, other in ((f"times {base}", base), (f"of {limit}", limit)):
                row[title] = round(ratio(loads, server, other), 3) if other in loads else "-"
            rows.append(row)
    return rows
