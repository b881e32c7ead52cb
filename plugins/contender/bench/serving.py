"""Contender's serving app beside other servers of the same model, and beside the limit of its own server.

    python -m contender.bench.serving

One run: the reference model is trained, each server is started as its documentation says, all answer the same rows
alike, and then they are loaded in turn. Needs wrk; without Redis, MLServer or a Docker engine the rows say so.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from contender.bench import serving_rivals as rivals
from contender.bench.image_size import Sizes, sizes
from contender.bench.record import record
from contender.bench.serving_arena import Arena
from contender.bench.serving_entity import entity
from contender.bench.serving_load import generator
from contender.bench.serving_mlserver import NAME as MLSERVER
from contender.bench.serving_mlserver import NotInstallable, mlserver
from contender.bench.serving_model import Made, make
from contender.bench.serving_redis import RedisAbsent, redis_server, stored_in
from contender.bench.serving_rounds import Cell, Rounds, ratio, rounds, table
from contender.core.errors import EngineUnavailable

COMMAND = "make bench-serving"
CELLS = tuple(Cell(rows, connections) for rows in (1, 100) for connections in (1, 8, 32))
MEASURED = Cell(1, 8)
ROUNDS, SECONDS, WARM_SECONDS = 5, 3.0, 3.0
FLAVOURS = ("mlflow", "mlflow_onnx")


def main() -> None:
    """Measure and record the ratios of serving."""
    generator()  # before minutes of training
    with tempfile.TemporaryDirectory(prefix="contender-bench-") as folder:
        try:
            with redis_server(Path(folder)) as url:
                made = make(Path(folder), stored_in(url))
                _compare(made)
                entity(made, url, COMMAND)
        except RedisAbsent as error:
            print(error, file=sys.stderr)
            record("serving_entity_p99_ratio", None, "ratio", "lower", 1.0, COMMAND, note=str(error))
            _compare(make(Path(folder), {}))


def _compare(made: Made) -> None:
    arena = Arena(made.rows(), made.folder)
    chosen = [rivals.contender(made.bundle, made.folder), rivals.echo(arena.sizes), rivals.plain(made)]
    chosen += [rivals.mlflow(made, flavour) for flavour in FLAVOURS]
    try:
        chosen.append(mlserver(made, made.folder))
    except NotInstallable as error:
        arena.absent[MLSERVER] = str(error)
    with arena.running(chosen, optional=[MLSERVER]) as names:
        for name in names:
            for cell in CELLS:
                arena.measure(name, cell, WARM_SECONDS)
        found = rounds(names, CELLS, ROUNDS, lambda name, cell: arena.measure(name, cell, SECONDS))
    _record(found, arena)


def _record(found: Rounds, arena: Arena) -> None:
    loads = found[MEASURED]
    # The faster of MLflow's two flavours is the measure.
    base = max(FLAVOURS, key=lambda name: median(load.requests_s for load in loads[name]))
    without = "".join(f" Without {name}: {why}." for name, why in arena.absent.items())
    how = f"JSON over HTTP; medians of {ROUNDS} rounds of {SECONDS:g} s each, all servers in turn within a round."
    record(
        "serving_vs_mlflow_throughput_ratio", ratio(loads, rivals.CONTENDER, base), "ratio", "higher", 50.0, COMMAND,
        table(found, base, rivals.ECHO),
        note=f"Single rows, 8 at once, over `mlflow models serve` ({base}, its faster flavour). {how}{without}",
    )  # fmt: skip
    record(
        "serving_vs_echo_throughput_ratio", ratio(loads, rivals.CONTENDER, rivals.ECHO), "ratio", "higher", 0.65,
        COMMAND, _servers(arena),
        note="Single rows, 8 at once, over an app under the same flags that reads the body and answers as many bytes. "
        "Start-up is until the first prediction; memory is resident, of all processes; images are "
        "whole and over their base.",
    )  # fmt: skip
    record(
        "serving_p99_vs_echo_ratio", ratio(loads, rivals.CONTENDER, rivals.ECHO, "p99_ms"), "ratio", "lower", 2.0,
        COMMAND, [_p99(cell, taken) for cell, taken in found.items()],
        note="Single rows, 8 at once; the 99th percentile over the limit's.",
    )  # fmt: skip


def _p99(cell: Cell, loads: Mapping[str, Any]) -> dict[str, object]:
    taken = {f"{figure[:3]} ratio": round(ratio(loads, rivals.CONTENDER, rivals.ECHO, figure), 2)
             for figure in ("p50_ms", "p99_ms")}  # fmt: skip
    return {"rows": cell.rows, "concurrency": cell.connections, **taken}


def _servers(arena: Arena) -> list[dict[str, object]]:
    """Start-up, memory and image of each server."""
    try:
        images = sizes()
    except EngineUnavailable as error:
        print(error, file=sys.stderr)
        images = {}
    shown = {rivals.CONTENDER: images.get("contender"), **dict.fromkeys(FLAVOURS, images.get("mlflow"))}
    return [{**fact, **_image(shown.get(name))} for name, fact in arena.facts.items()]


def _image(size: Sizes | None) -> dict[str, object]:
    return {"image MB": size.whole_mb if size else "-", "over base MB": size.over_base_mb if size else "-"}


if __name__ == "__main__":
    main()
