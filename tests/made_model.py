"""A model that `make new-model`'s own code makes of a template's kind of table, and the environment to run it in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from contender.bench.fleet import environment_of
from contender.bench.tables import TABLES
from contender.scaffold.make import make
from contender.scaffold.request import Asked
from tests.integration.live import NO_ENGINE


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
