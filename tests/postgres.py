"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "p@ss/word"


def binary(name: str) -> str | None:
    """The newest server program of that name; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the database of a server on a free port of the loopback interface, with a password in it."""
    initdb, pg_ctl = binary("initdb"), binary("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("no PostgreSQL server is installed; on Debian it is in the package postgresql")
    # Not below pytest's own folder, which the next session to start closes to everybody else.
    folder = Path(tempfile.mkdtemp(prefix="contender-postgres-"))
    # It refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data = folder / "data"

    def run(*command: str) -> None:
        done = subprocess.run(command, user=user, capture_output=True, text=True, check=False, cwd=folder, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    run(initdb, "-D", str(data), "-U", "tests", "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8")
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    options = f"-p {port} -h 127.0.0.1 -k {folder} -F"
    run(pg_ctl, "-D", str(data), "-o", options, "-w", "-l", str(folder / "log"), "start")
    try:
        yield f"postgresql+psycopg2://tests:p%40ss%2Fword@127.0.0.1:{port}/postgres"
    finally:
        run(pg_ctl, "-D", str(data), "-w", "-m", "fast", "stop")
        shutil.rmtree(folder)
