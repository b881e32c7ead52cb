"""A Redis server of a bench's own, and what a bare look-up in it takes.

    python -m contender.bench.serving_redis URL COMMANDS SECONDS

makes the look-ups that are in the file of commands, one after the other as a transaction in one round trip each, and
prints `p50_ms` and `p99_ms` as JSON: redis-py with nothing around it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from contender.adapters.online_redis import VIEWS, rows_key
from contender.adapters.online_rows import encode_key
from contender.bench.serving_process import HOST, Server, free_port
from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT

PROGRAM = "redis-server"
Commands = list[list[str]]  # each the words of an HMGET


class RedisAbsent(ContenderError):
    """There is no Redis server to measure with."""


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The URL of a server that keeps nothing on disk; it is stopped in the end.

    Raises:
        RedisAbsent: The program is not installed, or does not answer.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise RedisAbsent("there is no Redis server", where="PATH", expected=f"{PROGRAM}, a package of Debian's",
                          got="none", next_step=f"apt-get install {PROGRAM}")  # fmt: skip
    port = free_port()
    command = [program, "--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "no"]
    with Server("redis", command, port, os.environ, folder):
        url = f"redis://{HOST}:{port}/0"
        _wait(url)
        yield url


def _wait(url: str) -> None:
    from redis import Redis
    from redis.exceptions import ConnectionError as NotConnected

    for _ in range(200):
        try:
            with Redis.from_url(url) as client:
                client.ping()
        except NotConnected:
            time.sleep(0.05)
        else:
            return
    raise RedisAbsent("the Redis server does not answer", where=url, next_step="read its log")


def stored_in(url: str) -> dict[str, str]:
    """Variables with which a platform keeps its online features in that server."""
    store = CHECKOUT / "feature_repo" / "feature_store.stack.yaml"
    return {"CONTENDER_ONLINE_STORE": url, "FEAST_FS_YAML_FILE_PATH": str(store)}


def commands(bundle: Any, body: dict[str, Any]) -> Commands:
    """What a request by entity must read: the declarations of the model's views and one row of each.

    Args:
        bundle: The model's loaded bundle.
        body: The request.
    """
    import msgspec

    _, keys, _ = bundle.entry.resolve(msgspec.convert(body, bundle.entry.request, strict=False))
    reads = []
    for view, described in bundle.signature.views.items():
        if all(key in keys for key in described.join_keys):
            reads.append([rows_key(view), encode_key({key: keys[key] for key in described.join_keys})])
    return [[VIEWS, *bundle.signature.views], *reads]


def round_trip(url: str, asked: list[Commands], seconds: float, folder: Path) -> dict[str, float]:
    """`p50_ms` and `p99_ms` of bare look-ups, by a process of its own."""
    file = folder / "commands.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    call = [sys.executable, "-m", "contender.bench.serving_redis", url, str(file), str(seconds)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure(url: str, asked: list[Commands], seconds: float) -> dict[str, float]:
    from redis import Redis

    taken: list[float] = []
    with Redis.from_url(url) as client:
        until = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < until:
            with client.pipeline(transaction=True) as pipe:
                for key, *fields in asked[len(taken) % len(asked)]:
                    pipe.hmget(key, fields)
                found = pipe.execute()
            taken.append(time.perf_counter() - begun)
            if None in found[0]:
                raise RuntimeError(f"the store lacks a view of {asked[0][0]}")
    cuts = quantiles(taken, n=100)
    return {"p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), float(sys.argv[3]))))
