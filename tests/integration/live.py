"""A platform of a test module's own: brought up with one DAG unpaused, and taken down without a trace."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contender.embedded import processes
from contender.embedded.lifecycle import Platform, bring_up, take_down

NO_ENGINE = "tcp://127.0.0.1:1"  # for DOCKER_HOST
# For where no file is edited that another one imports: new files and those that are edited themselves are read at once.
READ_SELDOM = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120"}


def wait_until(true: Any, seconds: float) -> None:
    """Look every second."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(1)


@contextlib.contextmanager
def live(home: Path, dag: str, parsed_within_s: float = 60) -> Iterator[Platform]:
    """The platform, once the DAG is parsed and unpaused."""
    try:
        started = bring_up(home, print)
        with contextlib.closing(started.api()) as api:
            wait_until(lambda: api.dag(dag) is not None, parsed_within_s)
            assert api.import_errors() == []
            api.unpause(dag)
        yield started
    finally:
        take_down(home, print)
        assert processes.survivors(home) == []
