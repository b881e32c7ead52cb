"""The stack's roles and databases, as `docker/postgres/databases.sh` leaves them on a server of the test's own."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from contender.adapters.predictions import TABLE, open_predictions
from contender.core.settings import CHECKOUT
from tests.postgres import PASSWORD, PostgresServer
from tests.predictions import line

ROLES = ("airflow", "mlflow", "feast", "optuna", "predictions")
FORM = f"""
    SELECT column_name, ordinal_position, data_type, is_nullable FROM information_schema.columns
    WHERE table_name = '{TABLE}' ORDER BY 2"""
INDEXES = f"SELECT indexdef FROM pg_indexes WHERE tablename = '{TABLE}' ORDER BY 1"


def prepare(server: PostgresServer) -> None:
    """What the stack does at every start."""
    env = os.environ | {
        "PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "tests", "PGPASSWORD": PASSWORD,
        "PGDATABASE": "postgres", **{f"CONTENDER_{role.upper()}_DB_PASSWORD": f"of-{role}" for role in ROLES},
    }  # fmt: skip
    script = CHECKOUT / "docker" / "postgres" / "databases.sh"
    done = subprocess.run(["bash", script], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url) as server:
        return server.execute(query).fetchall()


def test_served_models_may_add_answers_and_read_them_and_nothing_else(own_postgres: PostgresServer) -> None:
    superuser = own_postgres.url.removesuffix("/postgres") + "/predictions"
    served = superuser.replace("tests:p%40ss%2Fword", "predictions:of-predictions")
    with psycopg.connect(own_postgres.url, autocommit=True) as server:  # an older stack, with an answer in it
        server.execute("CREATE ROLE predictions LOGIN PASSWORD 'of-predictions'")
        server.execute("CREATE DATABASE predictions OWNER predictions")
    with closing(open_predictions(served, 10)) as store:
        store.write(line())
    made_by_the_store = rows(superuser, FORM), rows(superuser, INDEXES)
    for _ in range(2):
        prepare(own_postgres)
        with closing(open_predictions(served, 10)) as store:
            assert store.write(line()) == 1
    assert rows(served, f"SELECT count(*) FROM {TABLE}") == [(3,)]
    for refused in (
        f"DELETE FROM {TABLE}", f"UPDATE {TABLE} SET model = ''", f"TRUNCATE {TABLE}", f"DROP TABLE {TABLE}",
        "CREATE TABLE mine (x int)", "CREATE SCHEMA mine", "DROP SCHEMA public CASCADE", "DROP DATABASE predictions",
    ):  # fmt: skip
        with psycopg.connect(served, autocommit=True) as server, pytest.raises(InsufficientPrivilege):
            server.execute(refused)
    with psycopg.connect(superuser) as server:
        server.execute(f"DROP TABLE {TABLE}")
    prepare(own_postgres)
    assert (rows(superuser, FORM), rows(superuser, INDEXES)) == made_by_the_store
