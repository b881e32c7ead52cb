"""The folder of one checkout's platform: what the launcher remembers there."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from contender.embedded.environment import ADMIN

MIXED = ("PATH", "PYTHONPATH", "NO_PROXY", "no_proxy")
GROWING = "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"
LOCAL_SETTINGS = '''"""Written by `make demo`: makes the scheduler import what tasks need before it forks them."""

from contender.operators.preload import preload

preload()
'''


def prepare(home: Path) -> None:
    """Make the folders and the files that Airflow reads at start; existing ones keep their content."""
    for part in (
        "airflow/config",
        "airflow/bundles",
        "mlflow/artifacts",
        "logs",
        "processes",
        "data_docs",
        "serving",
    ):
        (home / part).mkdir(parents=True, exist_ok=True)
    (home / "airflow" / "config" / "airflow_local_settings.py").write_text(LOCAL_SETTINGS, encoding="utf-8")
    password(home)


def password(home: Path) -> str:
    """The administrator's password: random, made once for a home, readable by its owner alone."""
    path = home / "airflow" / "passwords.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({ADMIN: secrets.token_urlsafe(9)}, file)
    return str(json.loads(path.read_text(encoding="utf-8"))[ADMIN])


def remembered(home: Path) -> dict[str, Any]:
    """What `remember` wrote: `ports` by name, those of `served` models, and `migrated`, the database's stamp.

    Empty if nothing is readable.
    """
    try:
        return dict(json.loads((home / "platform.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def remember(home: Path, **facts: Any) -> None:
    """Add facts to the platform's file, in one step."""
    path = home / "platform.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({**remembered(home), **facts}, indent=2), encoding="utf-8")
    temporary.replace(path)


def digest(values: dict[str, str]) -> str:
    """Short digest of an environment: processes started with another one are started anew.

    What is only mixed with the user's is left out: another terminal's `PATH` is no reason to start anew. So is what
    grows with the number of models: the runs of 159 are not ended for one more.
    """
    own = {name: value for name, value in values.items() if name not in (*MIXED, GROWING)}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]
