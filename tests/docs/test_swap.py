"""The backends of docs/swap.md: its blocks are run, with the addresses of servers of the tests' own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from contender.core.settings import CHECKOUT
from tests.docs.pages import example
from tests.made_model import environment, made
from tests.s3 import client
from tests.unit.scaffold.conftest import checkout

PAGE = "docs/swap.md"
DATABASES = ("mlflow", "optuna", "feast", "online")
INTERVAL = "2013-01-01/2014-01-01"
TRAIN = f"""
from contender.bench.chain import Chain
from contender.core.interval import Interval
from contender.core.model_code import module_of
from contender.core.settings import settings

dag = module_of(settings().models / "mine", "dag").train
assert Chain(Interval.parse("{INTERVAL}"), 1, "swap").run(dag) == "promote"
"""


def own(text: str, database: str, s3: str) -> str:
    """The text with addresses of the tests' servers in place of the page's."""
    host, port = database.rsplit("@", 1)[1].split("/", 1)[0].split(":")
    changed = text.replace("db.example/", f"{host}:{port}/").replace("db.example", host).replace("5432", port)
    return changed.replace("sslmode: require", "sslmode: disable").replace("http://s3.example:9000", s3)


def run(code: str, env: Mapping[str, str], exports: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python code after a shell's exports."""
    command = ["bash", "-euc", f'{exports}\nexec "$0" -W ignore -c "$1"', sys.executable, code]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=500)


def digest(home: Path) -> str:
    """Of the model that was released."""
    manifest = json.loads((home / "releases" / "mine" / "1" / "release.json").read_text(encoding="utf-8"))
    return str(manifest["evidence"]["challenger_digest"])


def tables(databases: str, name: str) -> dict[str, int]:
    """Number of rows of each table of a database."""
    address = f"{databases.replace('+psycopg2', '').rsplit('/', 1)[0]}/{name}"
    with closing(psycopg.connect(address)) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {table: connection.execute(f'SELECT 1 FROM "{table}"').rowcount for (table,) in found}


def keys(s3: str, bucket: str) -> list[str]:
    """What a bucket holds."""
    return [item["Key"] for item in client(s3).list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.fixture(scope="module")
def databases(postgres: str) -> str:
    """The server's address, with the page's databases and their roles in it."""
    with closing(psycopg.connect(postgres.replace("+psycopg2", ""), autocommit=True)) as connection:
        for name in DATABASES:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
            connection.execute(f"CREATE DATABASE {name} OWNER {name}")
    return postgres


@dataclass(frozen=True)
class Swapped:
    """One model trained and promoted twice, on the embedded defaults and on the page's backends.

    Attributes:
        root: The checkout with the model.
        before: Home of the first.
        after: Home of the other.
    """

    root: Path
    before: Path
    after: Path


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory, databases: str, s3: str) -> Swapped:
    folder = tmp_path_factory.mktemp("swap")
    root, before, after = checkout(folder), folder / "before", folder / "after"
    made(root, "forecasting")
    done = run(TRAIN, environment(root, before))
    assert done.returncode == 0, done.stderr[-4000:]
    store = folder / "feature_store.yaml"
    store.write_text(own(example(PAGE, "feature_store.yaml"), databases, s3))
    for bucket in ("models", "lake"):
        client(s3).create_bucket(Bucket=bucket)
    env = environment(root, after) | {"FEAST_FS_YAML_FILE_PATH": str(store), "ONLINE_PASSWORD": "secret"}
    exports = own(example(PAGE, "backends") + example(PAGE, "s3"), databases, s3)
    done = run(TRAIN, env, exports)
    assert done.returncode == 0, done.stderr[-4000:]
    return Swapped(root, before, after)


@pytest.mark.slow
def test_other_backends_give_the_same_model(swapped: Swapped) -> None:
    assert digest(swapped.after) == digest(swapped.before)


@pytest.mark.slow
def test_other_backends_hold_what_the_embedded_ones_would(swapped: Swapped, databases: str, s3: str) -> None:
    assert tables(databases, "mlflow")["model_versions"] == 1
    assert tables(databases, "optuna")["trials"] == 1
    assert tables(databases, "feast")["feature_views"] == 1
    assert sum(tables(databases, "online").values()) > 0
    assert any(key.endswith("model.onnx") for key in keys(s3, "models"))
    assert any(key.startswith("tables/mine_history/") for key in keys(s3, "lake"))
    kept = {path.name for path in swapped.before.rglob("*") if path.is_file()}
    local = {"mlflow.db", "optuna.db", "feast_registry.db", "online.db", "model.onnx"}
    assert kept >= local
    assert not local & {path.name for path in swapped.after.rglob("*") if path.is_file()}
    assert not (swapped.after / "lake").exists()


@pytest.mark.slow
def test_file_store_that_loses_rows_is_refused(swapped: Swapped, tmp_path: Path) -> None:
    declared = (CHECKOUT / "feature_repo" / "feature_store.yaml").read_text()
    store = tmp_path / "feature_store.yaml"
    store.write_text(declared.replace("type: contender.feast_stores.asof.AsofOfflineStore", "type: file"))
    assemble = TRAIN.replace('.run(dag) == "promote"', '.call(dag, "train.assemble")')
    done = run(assemble, environment(swapped.root, swapped.before) | {"FEAST_FS_YAML_FILE_PATH": str(store)})
    assert done.returncode == 1
    assert "RowsNotConserved: the point-in-time join lost or multiplied rows" in done.stderr
    assert "expected: 1462 rows; got: 1460 rows" in done.stderr


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", (CHECKOUT / PAGE).read_text(encoding="utf-8")))
    assert named
    assert [path for path in sorted(named) if not (CHECKOUT / path).is_file()] == []
