"""Whose stack it is that the engine has under our name, and whether containers can read the files of this checkout."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contender.core.errors import ContenderError
from contender.stack import env_file
from contender.stack.engine import Engine

# What the image's build copies with its mode and nothing mounts.
COPIED = "docker/airflow"
WORKING_DIR = "com.docker.compose.project.working_dir"


class MachineUnfit(ContenderError):
    """The machine, its engine or the files on it cannot carry the stack."""


class DataMismatch(ContenderError):
    """The stack's volumes were made by another version, another checkout, or with other secrets."""


def check_checkout(engine: Engine) -> None:
    """The project's name belongs to one checkout at a time.

    Raises:
        DataMismatch: Containers of that name were made by another checkout.
    """
    label = f"label=com.docker.compose.project={engine.project}"
    done = engine.docker("ps", "--all", "--filter", label, "--format", f'{{{{.Label "{WORKING_DIR}"}}}}')
    folders = engine.must(done, "the stack's containers cannot be listed", "mend what the last line names")
    others = {folder for folder in folders.splitlines() if folder and Path(folder).resolve() != engine.folder.resolve()}
    if not others:
        return
    gone = not any(Path(folder).exists() for folder in others)
    raise DataMismatch(
        "the stack of another checkout is on this engine",
        where=f"compose project {engine.project}",
        expected=str(engine.folder),
        got=", ".join(sorted(others)) + (", which is gone" if gone else ""),
        # Not from a checkout: there, Compose would ask for the variables of the file that it finds.
        next_step=f"remove its containers: (cd / && docker compose --project-name {engine.project} down), which keeps "
        "the volumes; then make up"
        if gone
        else "make down VOLUMES=1 there, work there, or give this one a name: CONTENDER_STACK=<name>, and a "
        f"CONTENDER_PORT, in {env_file.NAME}",
    )


def check_readable(folder: Path, config: Mapping[str, Any]) -> None:
    """Containers run as users of their own: what is mounted into them must be readable by all.

    Args:
        folder: The checkout; what lies outside of it, e.g. the engine's socket, is not looked at, nor is `.git`.
        config: The compose file with every variable put in.

    Raises:
        MachineUnfit: With the command that mends it.
    """
    folder = folder.resolve()
    mounts = [mount for service in config["services"].values() for mount in service.get("volumes") or ()]
    sources = {Path(mount["source"]).resolve() for mount in mounts if mount.get("type") == "bind"} | {folder / COPIED}
    ours = {path.relative_to(folder) for path in sources if path.is_relative_to(folder) and path.exists()}
    closed = sorted(str(path) for path in ours - {Path(".git")} if not _is_open(folder / path))
    if closed:
        paths = shlex.join(closed)
        raise MachineUnfit(
            "the containers cannot read files of this checkout",
            where=str(folder),
            expected="readable by all users",
            got=paths,
            next_step=f"chmod -R go+rX {paths}",
        )


def _is_open(path: Path) -> bool:
    needed = 0o005 if path.is_dir() else 0o004
    return path.stat().st_mode & needed == needed
