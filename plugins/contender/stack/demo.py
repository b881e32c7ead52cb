"""`make demo STACK=compose` on the host: a process inside the stack, where the libraries are, shows the chain."""

from __future__ import annotations

import subprocess

from contender.stack import env_file
from contender.stack.engine import Engine
from contender.stack.health import ServiceFailed
from contender.stack.lifecycle import whatever_env

SERVICE = "airflow-apiserver"
MODULE = "contender.stack.inside"
END_SECONDS = 15


def demo(engine: Engine, model: str, interval: str) -> int:
    """Run `contender.stack.inside` in the API server's container; its output is ours.

    It lives as long as our end of its standard input: however this command ends, it ends too, while the run goes on.

    Returns:
        Its exit code.

    Raises:
        ServiceFailed: The stack does not run.
        EnvFileInvalid: `.env` has no log-in.
    """
    name = container(engine, SERVICE)
    values = {**(env_file.read(engine.folder) or {}), **env_file.own(engine.env)}
    env_file.check(engine.folder, values)
    # The values of these two are taken from the environment, not from the arguments that `ps` shows.
    login = [env_file.USER, env_file.PASSWORD]
    options = [part for variable in login for part in ("--env", variable)]
    inside = ["python", "-m", MODULE, "--model", model, "--interval", interval]
    with subprocess.Popen(
        ["docker", "exec", "--interactive", *options, name, *inside],
        cwd=engine.folder,
        env={**engine.env, **{variable: values[variable] for variable in login}},
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches us alone, and the other side by the end of its input
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(END_SECONDS)
            raise


def container(engine: Engine, service: str, *, healthy: bool = True) -> str:
    """Name of the container of a service that runs, and that is healthy if it has to be.

    Raises:
        ServiceFailed: It does not run, or is not healthy.
    """
    rows = [row for row in whatever_env(engine).containers() if row["Service"] == service]
    if not rows or rows[0]["State"] != "running" or (healthy and rows[0].get("Health") != "healthy"):
        raise ServiceFailed(
            "the stack is not up",
            where=f"service {service}",
            expected="healthy" if healthy else "running",
            got=", ".join(filter(None, (rows[0]["State"], rows[0].get("Health")))) if rows else "no container",
            next_step="make up",
        )
    return str(rows[0]["Name"])
