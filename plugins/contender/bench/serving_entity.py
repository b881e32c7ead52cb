"""Predictions by entity with Redis: their 99th percentile beside a bare look-up's and that of raw features."""

from __future__ import annotations

from statistics import median

from contender.bench import serving_rivals as rivals
from contender.bench.record import record
from contender.bench.serving_arena import Arena
from contender.bench.serving_model import Made
from contender.bench.serving_redis import commands, round_trip
from contender.bench.serving_rounds import Cell
from contender.serving.bundle import load_bundle

NAME = "serving_entity_p99_ratio"
CONNECTIONS, ROUNDS, SECONDS = (1, 8), 5, 3.0

Taken = dict[str, float]


def entity(made: Made, url: str, command: str) -> None:
    """Measure and record `serving_entity_p99_ratio`.

    Args:
        made: The model, whose features are in that Redis.
        url: The Redis server.
        command: What measures it again.
    """
    bundle = load_bundle(made.bundle)
    asked = [commands(bundle, request) for request in made.requests()]
    raw, whole = Arena(made.rows(), made.folder), Arena(made.requests(), made.folder)
    taken: dict[int, list[Taken]] = {connections: [] for connections in CONNECTIONS}
    with (
        raw.running([rivals.contender(made.bundle, made.folder, url)]) as (raw_name,),
        whole.running([rivals.by_entity(made.bundle, made.folder, url)]) as (whole_name,),
    ):
        for _ in range(1 + ROUNDS):  # the first of them warms up
            for connections, rows in taken.items():
                cell = Cell(1, connections)
                bare = round_trip(url, asked, SECONDS, made.folder)
                by_raw = raw.measure(raw_name, cell, SECONDS)
                by_entity = whole.measure(whole_name, cell, SECONDS)
                rows.append({
                    "bare p50 ms": bare["p50_ms"], "bare p99 ms": bare["p99_ms"], "raw p50 ms": by_raw.p50_ms,
                    "raw p99 ms": by_raw.p99_ms, "entity p50 ms": by_entity.p50_ms, "entity p99 ms": by_entity.p99_ms,
                    "entity requests/s": by_entity.requests_s,
                })  # fmt: skip
    table = [{"concurrency": connections, **summary(rows[1:])} for connections, rows in taken.items()]
    record(
        NAME, float(table[0]["p99 ratio"]), "ratio", "lower", 1.0, command, table,
        note="By entity with Redis, one request at a time: p99 over twice a bare look-up's p99 (redis-py in a process "
        "of its own, the same keys in one transaction, one at a time) plus the p99 of raw features.",
    )  # fmt: skip


def summary(rounds: list[Taken]) -> dict[str, float]:
    """Medians over the rounds, of the figures and of the ratios within each round."""
    found = {title: round(median(one[title] for one in rounds), 3) for title in rounds[0]}
    for figure in ("p50", "p99"):
        ratios = (
            one[f"entity {figure} ms"] / (2 * one[f"bare {figure} ms"] + one[f"raw {figure} ms"]) for one in rounds
        )
        found[f"{figure} ratio"] = round(median(ratios), 3)
    return found
