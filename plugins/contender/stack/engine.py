"""The Docker engine and Compose, by their command line; whatever runs a command is passed in."""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from contender.core.errors import ContenderError, EngineUnavailable
from contender.stack import env_file

FILE = "docker-compose.yml"
SERVED = "label=contender.purpose=served"
OURS = "label=contender.purpose"
LAST_LINES, LOOKS = 20, 5


class ComposeFailed(ContenderError):
    """Docker or Compose did not do what it was told."""


@dataclass(frozen=True)
class Done:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: What it wrote; where it was shown, the last lines of output and errors together.
        err: What it wrote to its standard error.
    """

    code: int
    out: str
    err: str = ""

    @property
    def said(self) -> str:
        """Its last lines, errors first of all."""
        return last_lines(self.err.strip() or self.out)


class Run(Protocol):
    """Executes a command and waits for its end; with `show`, each line goes there as it comes."""

    def __call__(
        self, command: Sequence[str], folder: Path, env: Mapping[str, str], show: Callable[[str], None] | None = None
    ) -> Done:
        """Run it in `folder` with exactly the environment `env`."""


def execute(
    command: Sequence[str], folder: Path, env: Mapping[str, str], show: Callable[[str], None] | None = None
) -> Done:
    """The `Run` of real life.

    Raises:
        EngineUnavailable: There is no such program.
    """
    try:
        if show is None:
            ended = subprocess.run(
                command, cwd=folder, env=dict(env), capture_output=True, text=True, errors="replace", check=False
            )
            return Done(ended.returncode, ended.stdout, ended.stderr)
        kept: deque[str] = deque(maxlen=LAST_LINES)
        with subprocess.Popen(
            command, cwd=folder, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        ) as process:  # fmt: skip
            try:
                for line in process.stdout or ():
                    kept.append(line.rstrip("\n"))
                    show(kept[-1])
            except KeyboardInterrupt:  # Ctrl-C reaches it too; what ends us alone does not
                process.terminate()
                raise
        return Done(process.returncode, "\n".join(kept))
    except FileNotFoundError as missing:
        raise EngineUnavailable(
            f"there is no `{command[0]}` command",
            where="PATH",
            expected="Docker's command line with its compose plugin, 2.20 or newer",
            next_step="install Docker (https://docs.docker.com/engine/install/), or use `make demo`, which needs none",
        ) from missing


@dataclass(frozen=True)
class Engine:
    """The engine that this checkout's stack runs on.

    Attributes:
        folder: The checkout, with `docker-compose.yml` and `.env`.
        env: Complete environment of every command.
        run: Executes commands.
        project: Name of the compose project, whatever `COMPOSE_PROJECT_NAME` says.
    """

    folder: Path
    env: Mapping[str, str]
    run: Run = execute
    project: str = env_file.PROJECT

    def with_env(self, **values: str) -> Engine:
        """The same engine with further variables for its commands."""
        return replace(self, env={**self.env, **values})

    def docker(self, *arguments: str, show: Callable[[str], None] | None = None) -> Done:
        """Run `docker …`."""
        return self.run(["docker", *arguments], self.folder, self.env, show)

    def compose(self, *arguments: str, show: Callable[[str], None] | None = None) -> Done:
        """Run `docker compose …` on this project."""
        return self.run(self.compose_command(*arguments), self.folder, self.env, show)

    def compose_command(self, *arguments: str) -> list[str]:
        """The command line of `compose`."""
        return ["docker", "compose", "--project-name", self.project, *arguments]

    def must(self, done: Done, what: str, next_step: str) -> str:
        """What the command wrote.

        Raises:
            ComposeFailed: It ended with an error; `what` says what that means, its last lines are in the message.
        """
        if done.code != 0:
            raise ComposeFailed(what, where=str(self.folder / FILE), got=f"\n{done.said}\n", next_step=next_step)
        return done.out

    def config(self) -> dict[str, Any]:
        """The compose file with every variable put in.

        Raises:
            ComposeFailed: Compose cannot read it.
        """
        done = self.compose("config", "--format", "json")
        return dict(json.loads(self.must(done, "the compose file cannot be used", f"mend {FILE}, or .env")))

    def containers(self) -> list[dict[str, Any]]:
        """The stack's containers, running or not, as `docker compose ps` has them."""
        for _ in range(LOOKS):
            done = self.compose("ps", "--all", "--format", "json")
            # Compose lists, then asks for each: one that comes or goes in between is no fault.
            if done.code == 0 or "No such container" not in done.err:
                break
        text = self.must(done, "the stack's containers cannot be listed", "mend what the last line names").strip()
        if text.startswith("["):  # Compose before 2.21
            return list(json.loads(text))
        return [dict(json.loads(line)) for line in text.splitlines() if line.startswith("{")]

    def models(self, *filters: str) -> list[str]:
        """Names of the containers of models, by further filters of `docker ps`."""
        asked = [part for one in filters for part in ("--filter", one)]
        done = self.docker("ps", "--all", "--format", "{{.Names}}", *asked)
        return self.must(done, "the models' containers cannot be listed", "mend what the last line names").split()

    def journals(self, network: str) -> list[str]:
        """Names of the volumes with the journals of the models that were served on a network."""
        done = self.docker("volume", "ls", "--quiet", "--filter", f"name={network}-")
        names = self.must(done, "the volumes cannot be listed", "mend what the last line names").split()
        return [name for name in names if name.startswith(f"{network}-") and name.endswith("-journal")]


def this_engine(folder: Path, run: Run = execute) -> Engine:
    """The engine that the shell's own settings name, and the stack that they or `.env` name."""
    return Engine(folder, dict(os.environ), run, env_file.project(folder, os.environ))


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """The last lines of a text, indented."""
    return "\n".join(f"  | {line}" for line in text.rstrip().splitlines()[-count:])
