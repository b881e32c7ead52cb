"""A platform of a test module's own: brought up with one DAG unpaused, and taken down without a trace."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from contender.embedded import processes
from contender.embedded.lifecycle import Platform, bring_up, take_down
from tests.integration.test_backfill import wait_until

NO_ENGINE = "tcp://127.0.0.1:1"  # for DOCKER_HOST


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
