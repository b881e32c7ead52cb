"""A model that `make new-model`'s own code makes of a template's kind of table, and the environment to run it in."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contender.bench.fleet import environment_of
from contender.bench.tables import TABLES
from contender.scaffold.make import make
from contender.scaffold.request import Asked
from tests.integration.live import NO_ENGINE

RUN = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
from contender.bench.chain import Chain
from contender.core.interval import Interval

file, month = sys.argv[1:]
bag = DagBag(file, bundle_path=Path(file).parents[1], bundle_name="dags-folder")
assert not bag.import_errors, bag.import_errors
chain = Chain(Interval.parse(month), 1, month)
verdict = chain.run(bag.dags[f"{Path(file).parent.name}_train"])
print(json.dumps({**chain.returned, "verdict": verdict}, default=str))
"""


def made(root: Path, template: str, name: str = "mine") -> Path:
    """Make the model below a checkout's root; its `dag.py`."""
    table, asked = TABLES[template]
    data = root.parent / f"{name}.csv"  # outside the checkout, so that its path is written whole
    table().to_csv(data, index=False)
    given = Asked(name=name, template=template, data=str(data), **asked)
    make(given, root, datetime(2026, 1, 1, tzinfo=UTC), lambda _: None)
    return root / "dags" / name / "dag.py"


def environment(root: Path, home: Path) -> dict[str, str]:
    """The whole environment of a process that runs models of that checkout, with no Docker engine."""
    return environment_of(home, root / "dags") | {
        "CONTENDER_EXPECTATIONS": str(root / "expectations"), "CONTENDER_FEATURE_REPO": str(root / "feature_repo"),
        "DOCKER_HOST": NO_ENGINE,
    }  # fmt: skip


def trained(file: Path, month: str, env: dict[str, str]) -> dict[str, Any]:
    """Run the training chain of a model in a process of that environment.

    Returns:
        What each task returned, by its id, and the `verdict`.
    """
    call = [sys.executable, "-W", "ignore", "-c", RUN, str(file), month]
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
