"""Whose stack it is that the engine has under our name."""

from __future__ import annotations

from pathlib import Path

from contender.core.errors import ContenderError
from contender.stack import env_file
from contender.stack.engine import Engine

WORKING_DIR = "com.docker.compose.project.working_dir"


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
