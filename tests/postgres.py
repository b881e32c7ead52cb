"""PostgreSQL servers of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

PASSWORD = "p@ss/word"


def binary(name: str) -> str | None:
    """The newest server program of that name; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


class PostgresServer:
    """A server on a free port of the loopback interface, with a password; it is made, and not started yet."""

    def __init__(self) -> None:
        initdb, pg_ctl = binary("initdb"), binary("pg_ctl")
        if initdb is None or pg_ctl is None:
            pytest.skip("no PostgreSQL server is installed; on Debian it is in the package postgresql")
        self._pg_ctl = pg_ctl
        # Not below pytest's own folder, which the next session to start closes to everybody else.
        self.folder = Path(tempfile.mkdtemp(prefix="contender-postgres-"))
        # It refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.data = self.folder / "data"
        self._run(
            *(initdb, "-D", str(self.data), "-U", "tests", "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8")
        )
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port = chosen.getsockname()[1]
        # As psycopg has it; its own database, and its account in percent-encoding.
        self.url = f"postgresql://tests:p%40ss%2Fword@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, with what it had; after a kill it recovers."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"
        self._run(*(self._pg_ctl, "-D", str(self.data), "-o", options, "-w", "-l", str(self.folder / "log"), "start"))

    def stop(self) -> None:
        self._run(self._pg_ctl, "-D", str(self.data), "-w", "-m", "fast", "stop")

    def kill(self) -> None:
        """Kill it with all its processes, as an engine kills a container."""
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _, alive = psutil.wait_procs(processes, timeout=30)
        assert alive == []

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, user=self._user, capture_output=True, text=True, check=False, cwd=self.folder, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of the database of a server, as SQLAlchemy has it."""
    server = PostgresServer()
    server.start()
    try:
        yield server.url.replace("postgresql://", "postgresql+psycopg2://")
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A running server for one test, which may stop it or kill it."""
    server = PostgresServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)
