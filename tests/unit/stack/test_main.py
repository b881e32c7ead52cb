"""How the launcher ends when it is told to, and how it talks to the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contender.core.settings import CHECKOUT
from contender.stack.engine import Done, Engine, execute


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"])
def test_main_signal_says_what_stays_and_ends_its_command(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The program `docker` of this test never answers."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/started.part; mv {tmp_path}/started.part {tmp_path}/started\n"
                       "exec sleep 60\n")  # fmt: skip
    program.chmod(0o755)
    env = {
        **os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CONTENDER_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(CHECKOUT / "plugins"),
    }  # fmt: skip
    call = [sys.executable, "-S", "-m", "contender.stack", "up"]
    with subprocess.Popen(call, env=env, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (
        code, "\nInterrupted. What was started stays; `make up` goes on with it, `make down` stops it.\n"
    )  # fmt: skip
    line = Path(f"/proc/{(tmp_path / 'started').read_text().strip()}/cmdline")
    assert not (line.exists() and line.read_bytes()), "what it ran is gone, or ended and is not yet reaped"


@pytest.mark.parametrize(
    ("command", "run"),
    [(["prune"], "contender.retention"), (["prune", "churn", "--yes"], "contender.retention churn --yes"),
     (["verify", "churn/1"], "contender.release verify churn/1")],
    ids=" ".join,
)  # fmt: skip
def test_main_runs_what_is_of_the_releases_in_the_stack_s_scheduler(
    tmp_path: Path, command: list[str], run: str
) -> None:
    """The program `docker` of this test knows one container, and says what it was to run in it."""
    program = tmp_path / "docker"
    program.write_text(f"""#!/bin/sh
case "$*" in
exec*) echo "$*" >{tmp_path}/ran; exit 7;;
compose*ps*) echo '{{"Service": "airflow-scheduler", "State": "running", "Name": "here"}}';;
esac
""")
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT / "plugins")}
    done = subprocess.run([sys.executable, "-S", "-m", "contender.stack", *command], env=env, check=False)
    assert done.returncode == 7
    assert (tmp_path / "ran").read_text().strip() == f"exec --interactive here python -m {run}"


def test_execute_interrupted_while_it_shows_ends_the_command(tmp_path: Path) -> None:
    class Terminated(KeyboardInterrupt):
        """As the launcher's own: `subprocess` waits for the command's end on all but Ctrl-C itself."""

    def show(_: str) -> None:
        raise Terminated

    with pytest.raises(Terminated):  # or the test's own time-out, which is half as long
        execute(["sh", "-c", "echo begun; exec sleep 600"], tmp_path, dict(os.environ), show)


def test_containers_one_that_goes_during_the_look_is_looked_for_again(tmp_path: Path) -> None:
    said = [Done(1, "", "Error response from daemon: No such container: 46ce\n"), Done(0, '{"Service": "redis"}\n')]
    engine = Engine(tmp_path, {}, lambda *_, **__: said.pop(0))
    assert engine.containers() == [{"Service": "redis"}]
