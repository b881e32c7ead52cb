"""Faulty sources, and the chain's tasks one by one in this process."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contender.bench.chain import Chain
from contender.core.interval import Interval
from contender.factory import model_dags
from flight_delay import model
from flight_delay.dag import SPEC
from tests.conftest import INTERVAL
from tests.osv import osv  # noqa: F401  a fixture
from tests.tiny_platform import tiny, tiny_base  # noqa: F401  fixtures

Change = Callable[[pd.DataFrame], pd.DataFrame]
WriteSource = Callable[[Mapping[str, Change]], Path]


@pytest.fixture(scope="session")
def raw() -> dict[str, pd.DataFrame]:
    """February of the real files, every value as the text it is there."""
    folder = model._package_files()
    frames = {table: pd.read_csv(folder / name, dtype="string") for table, (name, _) in model.FILES.items()}
    return {
        table: frame[frame["time_hour"].str.startswith(INTERVAL)] if "time_hour" in frame else frame
        for table, frame in frames.items()
    }


@pytest.fixture
def write_source(raw: dict[str, pd.DataFrame], tmp_path: Path) -> WriteSource:
    """Write the files with some tables changed, and return their folder, for `CONTENDER_SOURCE`."""

    def write(changes: Mapping[str, Change]) -> Path:
        for table, (name, _) in model.FILES.items():
            text = changes.get(table, lambda frame: frame)(raw[table]).to_csv(index=False)
            if name.endswith(".zip"):
                with zipfile.ZipFile(tmp_path / name, "w") as archive:
                    archive.writestr(name.removesuffix(".zip"), text)
            else:
                (tmp_path / name).write_text(text)
        return tmp_path

    return write


@pytest.fixture
def dag() -> Any:
    """A training DAG of this test's own: the chain writes arguments into its tasks."""
    return model_dags(SPEC, doc=None)[0]


@pytest.fixture
def chain() -> Chain:
    """A pass through the DAG for the month that the platform was trained on."""
    return Chain(Interval.parse(INTERVAL), trials=1, run_id="fault")
