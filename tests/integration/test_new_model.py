"""Each template by `make new-model` on a table of its kind, then `make demo` to a recorded verdict; its tests pass.

In a clone of the checkout and by its Makefile, as a newcomer would; nothing that was written is edited.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.bench.tables import TABLES
from contender.core import decisions
from contender.core.settings import CHECKOUT
from contender.embedded import processes
from tests.docs.pages import example
from tests.integration.live import NO_ENGINE, READ_SELDOM, wait_until
from tests.unit.scaffold.test_profile import customers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

OURS = ("CONTENDER_", "AIRFLOW", "MLFLOW", "FEAST", "_MLFLOW", "PYTHONPATH", "MAKE", "MFLAGS")


class Newcomer:
    """Somebody with a clone and a terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(folder)], check=True, capture_output=True)
        (folder / ".venv").symlink_to(CHECKOUT / ".venv")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.env |= {"DOCKER_HOST": NO_ENGINE, **READ_SELDOM}

    def make(self, *arguments: str) -> str:
        """Run make with the environment that is installed already; its output."""
        done = subprocess.run(
            ["make", "-s", "-o", "install", *arguments], cwd=self.folder, env=self.env, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"make {' '.join(arguments)}\n{done.stdout[-6000:]}"
        return done.stdout

    def type(self, commands: str) -> str:
        """Type commands of a page into the terminal; their output."""
        typed = f'make() {{ command make -s -o install "$@"; }}\n{commands}'
        done = subprocess.run(
            ["bash", "-euc", typed], cwd=self.folder, env=self.env, text=True, check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=1000,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\n{done.stdout[-6000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    someone = Newcomer(tmp_path_factory.mktemp("newcomer") / "clone")
    try:
        yield someone
    finally:
        someone.make("stop")
        assert processes.survivors(someone.folder / ".contender") == []


def signups() -> pd.DataFrame:
    """Customers with a time, an entity and a label that follows from what is known of them."""
    frame = pd.concat([customers()] * 10, ignore_index=True)
    count, draw = len(frame), np.random.default_rng(8)
    moments = pd.date_range("2013-01-02", periods=count, freq="3h")
    leaves = 1 / (1 + np.exp(-(pd.to_numeric(frame["age"]) - 60) / 10 - (frame["plan"] == "basic")))
    return frame.assign(
        **{
            "Customer ID": [f"c{number}" for number in range(count)],
            "signed up": moments.strftime("%Y-%m-%d %H:%M"),
            "churned": np.where(draw.random(count) < leaves, "yes", "no"),
        }
    )


# README's own new model is of the template that is left out here.
README_S = "classification"
MODELS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    f"my_{template}": (template, frame, asked) for template, (frame, asked) in TABLES.items() if template != README_S
}


def test_readmes_first_command_trains_and_serves_the_reference_model_and_its_month_can_be_scored(
    newcomer: Newcomer,
) -> None:
    first, other = example("README.md", "first").splitlines()
    assert other == "make test"  # the whole of which this test is a part
    shown = newcomer.type(first)
    assert "flight_delay_train on 2013-06" in shown
    assert "verdict      PROMOTE" in shown
    assert "probability 0." in shown
    newcomer.type("make airflow ARGS='dags unpause --yes flight_delay_score'")
    newcomer.type(example("README.md", "score"))
    wait_until((newcomer.folder / ".contender" / "lake" / "flight_delay_predictions" / "_delta_log").is_dir, 300)
    wait_until(lambda: "28231 rows" in newcomer.type(example("README.md", "scored")), 120)


def test_readmes_new_model_trains_at_once_and_passes_its_tests(newcomer: Newcomer) -> None:
    commands = example("README.md", "new-model")
    assert commands.startswith(example("docs/new-model.md", "new-model"))
    named = {"Customer ID": "customer_id", "signed up": "signed_up"}
    signups().rename(columns=named).to_csv(newcomer.folder / "customers.csv", index=False)
    assert f"FROM={README_S} " in commands
    shown = newcomer.type(commands)
    require_trained(newcomer, "churn", shown)
    assert "4 passed" in shown


def require_trained(newcomer: Newcomer, name: str, shown: str) -> None:
    """A verdict is on record, and what was promoted was asked."""
    assert "3 of 3 passed" in shown
    records = decisions.verify(newcomer.folder / ".contender" / "decisions" / f"{name}.jsonl")
    (verdict,) = [record.verdict for record in records if record.kind == "decision"]
    assert verdict in ("promote", "hold", "reject")
    if verdict == "promote":
        assert "prediction " in shown
        assert "→" in shown


@pytest.fixture(scope="module")
def made(newcomer: Newcomer) -> dict[str, str]:
    """What `make new-model` says of a model of each template; all are made before one is trained."""
    said = {}
    for name, (template, make_frame, asked) in MODELS.items():
        data = newcomer.folder.parent / f"a table's rows, {name}.csv"
        make_frame().to_csv(data, index=False)
        given = {"NAME": name, "FROM": template, "DATA": str(data)}
        for field, value in asked.items():
            given[field.upper()] = value if isinstance(value, str) else ",".join(value)
        said[name] = newcomer.make("new-model", *(f"{field}={value}" for field, value in given.items()))
    return said


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_model_of_each_template_trains_at_once_to_a_recorded_verdict(
    newcomer: Newcomer, made: dict[str, str], name: str
) -> None:
    assert f"make demo MODEL={name}" in made[name]
    begun = time.monotonic()
    shown = newcomer.make("demo", f"MODEL={name}")
    print(f"{name}: trained in {time.monotonic() - begun:.0f} s")  # shown by pytest -rP
    require_trained(newcomer, name, shown)


@pytest.mark.long
def test_model_of_each_template_passes_its_tests(newcomer: Newcomer, made: dict[str, str]) -> None:
    said = newcomer.make("test-model", "MODEL=my_*")  # of all in one process: it imports for longer than it tests
    assert f"{4 * len(made)} passed" in said
