"""Prediction stores that tests run over, and lines of records for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest

from contender.adapters.predictions import TABLE
from contender.serving.record import Recorder, RequestIds

RECORDER = Recorder(model="tiny", version="3", variant="stable", columns=["x", "name"])
IDS = RequestIds()


def libpq(postgres: str) -> str:
    """The tests' server as psycopg names it."""
    return postgres.replace("postgresql+psycopg2://", "postgresql://")


@pytest.fixture(params=["file", "postgres"])
def predictions_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty prediction store of each kind."""
    if request.param == "file":
        return str(tmp_path / "predictions.db")
    url = libpq(request.getfixturevalue("postgres"))
    with psycopg.connect(url) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
    return url


def line(request_id: str | None = None, name: str = "a", rows: int = 1) -> bytes:
    """The line of a record."""
    return RECORDER.line(request_id or IDS.new(), "/predict/raw", [(1.5, name)] * rows, [0.5] * rows, 1.0)


def ids(lines: bytes) -> list[str]:
    """The request ids of lines, in order."""
    return [msgspec.json.decode(one)["request_id"] for one in lines.splitlines()]


def stored(address: str) -> list[str]:
    """The request ids in a store, in order; none where it was never written."""
    query = f"SELECT request_id FROM {TABLE} ORDER BY request_id"
    if "://" in address:
        with psycopg.connect(address) as server:
            made = server.execute("SELECT to_regclass(%s)", (TABLE,)).fetchone()
            return [str(row[0]) for row in server.execute(query)] if made and made[0] else []
    with closing(sqlite3.connect(address)) as file:
        made = file.execute("SELECT name FROM sqlite_master WHERE name = ?", (TABLE,)).fetchone()
        return [row[0] for row in file.execute(query)] if made else []
