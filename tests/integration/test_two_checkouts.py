"""Two platforms of one user, started at the same moment on one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contender.client.airflow_api import AirflowApi
from contender.embedded.environment import ADMIN
from contender.embedded.lifecycle import take_down

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Starts a platform as `make demo` does, and says how to reach it.
UP = """
import json, sys
from contender.core.settings import settings
from contender.embedded.lifecycle import bring_up
up = bring_up(settings().home, lambda line: print(line, file=sys.stderr))
print(json.dumps({"ports": up.ports.facts(), "url": up.airflow_url, "password": up.password}))
"""


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[list[Path]]:
    found = [tmp_path / "one", tmp_path / "other"]
    yield found
    assert [take_down(home, print) for home in found] == [0, 0]


def start(home: Path) -> subprocess.Popen[str]:
    foreign = ("AIRFLOW", "MLFLOW", "CONTENDER", "FEAST")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env |= {"CONTENDER_HOME": str(home), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([sys.executable, "-c", UP], env=env, stdout=subprocess.PIPE, text=True)


def test_bring_up_two_homes_at_once_each_has_its_own_ports_and_answers_its_own_password(homes: list[Path]) -> None:
    starting = [start(home) for home in homes]
    said = [process.communicate(timeout=400)[0] for process in starting]
    assert [process.returncode for process in starting] == [0, 0]
    one, other = (json.loads(text) for text in said)
    for name in ("airflow", "execution", "mlflow", "worker_logs", "scheduler_health"):
        assert one["ports"][name] != other["ports"][name]
    assert one["password"] != other["password"]
    for up in (one, other):
        api = AirflowApi(up["url"], ADMIN, up["password"])
        try:
            assert api.runs("flight_delay_train") == []
        finally:
            api.close()
