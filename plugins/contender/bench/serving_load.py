"""Load on a server by `wrk`: one thread, so many connections, bodies in turn."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contender.core.errors import ContenderError

SCRIPT = Path(__file__).with_suffix(".lua")
MARK = "contender "


class LoadFailed(ContenderError):
    """The load generator is absent, or not every request of a load was answered well."""


@dataclass(frozen=True)
class Load:
    """What one load came to."""

    requests_s: float
    p50_ms: float
    p99_ms: float


def generator() -> str:
    """The path of wrk.

    Raises:
        LoadFailed: It is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise LoadFailed(
            "there is no load generator",
            where="PATH",
            expected="wrk, which Debian and Ubuntu have as a package",
            got="none",
            next_step="apt-get install wrk, then the same command again",
        )
    return found


def load(
    url: str, bodies: Sequence[Path], connections: int, seconds: float, *, content_type: str = "application/json"
) -> Load:
    """Send the bodies in turn over so many connections, each of which waits for its answer.

    Args:
        url: Where they are posted to.
        bodies: Files of the requests' bodies.
        connections: How many requests are under way at any time.
        seconds: For how long; whole seconds.
        content_type: What the bodies are.

    Raises:
        LoadFailed: wrk is not installed, or an answer was not 2xx or did not come.
    """
    call = [generator(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    call += ["-s", str(SCRIPT), url, "--", content_type, *map(str, bodies)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    return parsed(done.stdout, f"{url} with {connections} connections", done.stderr)


def parsed(output: str, where: str, complaints: str = "") -> Load:
    """The figures of wrk's output, which the script adds as its last line.

    Raises:
        LoadFailed: They are not there, nothing was answered, or an answer was not 2xx or did not come.
    """
    line = next((line for line in output.splitlines() if line.startswith(MARK)), "")
    found = json.loads(line.removeprefix(MARK)) if line else {}
    if not found.get("requests") or found["refused"] or found["broken"]:
        raise LoadFailed(
            "not every request of a load was answered well",
            where=where,
            expected="answers 2xx alone, and one at least",
            got=found or (complaints or output)[-500:] or "no output of wrk",
            next_step="send one of the requests by hand and read the server's log",
        )
    return Load(
        requests_s=found["requests"] / found["microseconds"] * 1e6,
        p50_ms=found["p50_us"] / 1e3,
        p99_ms=found["p99_us"] / 1e3,
    )
