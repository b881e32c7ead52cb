"""`make reproduce RELEASE=…`: make a release again, in a home of its own, and say whether it is the same model.

A release of this home is made from the very versions of the tables that its manifest names, any other from its source,
read anew: so it is on a clean clone. Nothing of the user's home is written to.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from contender.core.errors import ContenderError, ReleaseMissing
from contender.core.manifest import MANIFEST
from contender.core.settings import settings
from contender.embedded.environment import environment, name_mlflow
from contender.embedded.ports import choose_ports
from contender.release.find import FORMS, held

FAILED, INTERRUPTED = 1, 130
# What leads to a place that is written to: the new home has its own. The source's variables stay the user's.
PLACES = (
    "CONTENDER_HOME", "CONTENDER_LAKE", "CONTENDER_OPTUNA_STORAGE", "CONTENDER_ONLINE_STORE",
    "CONTENDER_FEAST_REGISTRY", "FEAST_FS_YAML_FILE_PATH",
    "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "_MLFLOW_SERVER_ARTIFACT_ROOT",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS",
)  # fmt: skip


def own_environment(home: Path, user: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process that writes to that home alone.

    Args:
        home: Absolute folder.
        user: The surrounding environment: where sources and connections are, and how the libraries are tuned.
    """
    kept = {name: value for name, value in user.items() if name not in PLACES}
    quiet = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
    own = {"CONTENDER_FEAST_REGISTRY": f"sqlite:///{home / 'feast_registry.db'}"}
    return quiet | kept | environment(home, choose_ports({}, free=lambda _: True), kept) | own


def reproduce(asked: str, origin: str, keep: Path | None) -> int:
    """Find the release and have it made again.

    Args:
        asked: Which one, see `contender.release.find`.
        origin: `tables` or `source`; empty for what fits the release.
        keep: Folder that becomes the home it is made in and stays; `None` for one that is removed in the end.

    Returns:
        0 only if the model is the same.

    Raises:
        ReleaseMissing: There is no such release, or the folder to keep has something in it.
        ReleaseBroken: Its manifest cannot be read.
    """
    place = settings()
    name_mlflow(place)
    found = held(asked, place)
    release = found.release
    tables = origin == "tables" or (not origin and found.of_this_home)
    how = f"the tables of {place.lake}, at their versions" if tables else "its source, read anew"
    print(f"Reproducing {release.model} version {release.version}, {release.interval}, from {how}", flush=True)
    with tempfile.TemporaryDirectory(prefix="reproduce-") as temporary:
        home = _empty(keep) if keep else Path(temporary)
        command = [sys.executable, "-W", "ignore", "-m", "contender.release.remake", str(found.folder / MANIFEST)]
        command += ["--tables", place.lake] if tables else []
        done = subprocess.run(command, env=own_environment(home, os.environ), check=False)
    if keep:
        print(f"What was made is in {keep}", flush=True)
    return done.returncode


def _empty(folder: Path) -> Path:
    folder = folder.expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReleaseMissing(
            "the folder to keep what is made has something in it", where=str(folder),
            expected="none yet, or an empty one", next_step="name another one: KEEP=<folder>",
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Run the command; errors go to stderr and end with the next thing to do."""
    parser = argparse.ArgumentParser(prog="contender.release.reproduce", description="Make a release again.")
    parser.add_argument("release", help=FORMS)
    parser.add_argument("--from", dest="origin", choices=("tables", "source"), default="")
    parser.add_argument("--keep", type=Path, help="folder that becomes the home it is made in, and stays")
    asked = parser.parse_args(arguments)
    try:
        return reproduce(asked.release, asked.origin, asked.keep)
    except ContenderError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted. Nothing of your home was changed", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
