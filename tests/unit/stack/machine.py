"""A machine made of answers: what `docker` would say, word for word, with no engine behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contender.core.settings import CHECKOUT
from contender.stack import env_file
from contender.stack.engine import Done, Engine

NOTHING = Done(0, "")
ABSENT = Done(1, "", "no such object")
VOLUME = "contender_postgres-data"


class Machine:
    """Executes nothing: each command is answered by the first answer whose words are all in it.

    Attributes:
        answers: By the words to look for; a value of `None` lets the next one answer.
        asked: Every command so far, without `docker`.
    """

    def __init__(self, folder: Path, port: int) -> None:
        (folder / env_file.EXAMPLE).write_bytes((CHECKOUT / env_file.EXAMPLE).read_bytes())
        self.folder = folder
        self.socket = folder.parent / "docker.sock"
        self.socket.touch()
        self.asked: list[list[str]] = []
        self.config = config(port)
        server = {"ApiVersion": "1.41", "Version": "20.10.24", "Os": "linux"}
        info = {"MemTotal": 8 * 10**9, "DockerRootDir": "/var/lib/docker"}
        self.answers: dict[tuple[str, ...], Done] = {
            ("compose", "version"): Done(0, "2.26.1-4\n"),
            ("version",): Done(0, json.dumps(server)),
            ("info",): Done(0, json.dumps(info)),
            ("context", "inspect"): Done(0, f"unix://{self.socket}\n"),
            ("image", "inspect"): ABSENT,
            ("volume", "inspect"): ABSENT,
            ("run", "--rm"): Done(0, "15\npostgres (PostgreSQL) 15.18 (Debian)\n"),
        }

    def __call__(
        self, command: Sequence[str], folder: Path, env: Mapping[str, str], show: Callable[[str], None] | None = None
    ) -> Done:
        words = [word for word in command[1:] if word not in {"--project-name", "contender"}]
        self.asked.append(words)
        if words[:2] == ["compose", "config"]:
            mount = self.config["services"]["engine-proxy"]["volumes"][0]
            mount["source"] = env.get("CONTENDER_DOCKER_SOCKET") or "/var/run/docker.sock"
            return Done(0, json.dumps(self.config))
        done = next((done for key, done in self.answers.items() if words[: len(key)] == list(key)), NOTHING)
        if show is not None:
            for line in done.out.splitlines():
                show(line)
        return done

    def engine(self, **env: str) -> Engine:
        return Engine(self.folder, env, self)

    def server(self, **changed: Any) -> None:
        self.answers["version",] = Done(0, json.dumps({**json.loads(self.answers["version",].out), **changed}))

    def info(self, **changed: Any) -> None:
        self.answers["info",] = Done(0, json.dumps({**json.loads(self.answers["info",].out), **changed}))

    def did(self, *words: str) -> bool:
        """Whether a command began like this."""
        return any(asked[: len(words)] == list(words) for asked in self.asked)

    def files(self) -> dict[str, str]:
        """Name and content of every file of the checkout."""
        return {path.name: path.read_text() for path in sorted(self.folder.iterdir())}

    def write_env(self, **changed: str | None) -> None:
        values = {**env_file.fresh(self.folder), **changed}
        text = "\n".join(f"{name}={value}" for name, value in values.items() if value is not None)
        (self.folder / env_file.NAME).write_text(text)
        (self.folder / env_file.NAME).chmod(0o600)


def config(port: int) -> dict[str, Any]:
    """What `docker compose config` makes of the parts that the launcher looks at."""
    published = [{"host_ip": "127.0.0.1", "published": str(port), "target": 8080}]
    return {
        "services": {
            "postgres": {"image": "postgres:15-bookworm"},
            "airflow-apiserver": {
                "image": "contender/airflow:local",
                "environment": {"AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}"},
            },
            "mlflow": {"image": "contender/airflow:local", "build": {}},
            "router": {"image": "nginx:stable-bookworm", "ports": published},
            "engine-proxy": {"volumes": [{"type": "bind", "target": "/var/run/docker.sock"}], "image": "a"},
        },
        "volumes": {"postgres-data": {"name": VOLUME}},
        "networks": {"models": {"name": "contender_models"}},
    }
