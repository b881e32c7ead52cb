"""`make remove-model MODEL=… [YES=1]`: take a model's files away, and say what else there is of it.

    python -m contender.scaffold.remove NAME [--yes]

Only files of the checkout are removed, and only with `--yes`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from contender.core.errors import ContenderError, ScaffoldRefused, some
from contender.core.naming import image_repository
from contender.core.settings import CHECKOUT, Settings, settings
from contender.scaffold.belongings import Declared, declared, files_of, needed_by
from contender.scaffold.refusals import readable
from contender.scaffold.request import NAME
from contender.scaffold.write import STAGING

PAGE = "docs/new-model.md, Removing a model"


def main(arguments: list[str] | None = None, root: Path = CHECKOUT) -> int:
    """List what would be removed, or remove it; 0 when that was done, 1 when it was refused."""
    parser = argparse.ArgumentParser(prog="contender.scaffold.remove", description="Remove a model's files.")
    parser.add_argument("model")
    parser.add_argument("--yes", action="store_true", help="remove them; without it they are listed")
    asked = parser.parse_args(arguments)
    model = asked.model
    try:
        _require_model(root, model)
        require_not_needed(root, model)
        found, files = declared(root / "dags" / model / "dag.py"), files_of(root, model)
        listed = _listed(root, files)
        if asked.yes:
            take_away(root, files)
    except ContenderError as error:
        print(readable(error), file=sys.stderr)
        return 1
    print("\n".join(["Removed:" if asked.yes else "Would be removed:", *listed, *what_stays(model, found, settings())]))
    if not asked.yes:
        print(f"\nNothing was removed. Next: make remove-model MODEL={model} YES=1")
    return 0


def _require_model(root: Path, model: str) -> None:
    known = sorted(path.parent.name for path in root.glob("dags/*/dag.py"))
    if not re.fullmatch(NAME, model) or model not in known:
        raise ScaffoldRefused(
            "there is no such model", where="MODEL", expected=f"one of {some(known, 50)}", got=model or "(none)",
            next_step="say MODEL=<one of these>",
        )  # fmt: skip


def require_not_needed(root: Path, model: str) -> None:
    """Refuse to take from others what they share or import.

    Raises:
        ScaffoldRefused: They do; names who, and what.
    """
    if needed := list(needed_by(root, model)):
        raise ScaffoldRefused(
            "others need this model", where=f"dags/{model}", expected="no owner= and no import that names it",
            got=some(needed, 10), next_step="remove these first, or give them tables and code of their own",
        )  # fmt: skip


def take_away(root: Path, files: list[Path]) -> None:
    """Remove all of the files, or none of them.

    Raises:
        ScaffoldRefused: They could not be moved out of their places.
    """
    try:
        aside = Path(tempfile.mkdtemp(prefix=STAGING, dir=root))
        moves = [(path, aside / str(number)) for number, path in enumerate(files)]
        try:
            for path, kept in moves:
                path.rename(kept)
        except BaseException:  # whatever stops it, they go back; where even that is stopped, they stay aside
            for path, kept in moves:
                if kept.exists():
                    kept.rename(path)
            aside.rmdir()
            raise
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise ScaffoldRefused(
            "the files could not be removed", where=str(root), got=str(error),
            next_step="change their owner or mode; nothing was removed",
        ) from error  # fmt: skip


def what_stays(model: str, found: Declared, places: Settings) -> list[str]:
    """Lines that tell what there is of a model beside its files, and where."""
    releases, log = places.releases / model, places.decisions / f"{model}.jsonl"
    lake = some(found.lake, 100) if not found.problem else f"not known, as its dag.py fails: {found.problem}"
    return [
        "Stays on purpose, as the record of what was decided and released:",
        f"  decisions   {log}, {places.reports / model}",
        f"  releases    {releases}",
        f"  MLflow      registered model and experiment {model}",
        f"Stays, and takes up room ({PAGE}, says how to delete it):",
        f"  lake        {places.lake}: {lake}",
        f"  features    in Feast's registry and the online store: {some(found.views, 100) or 'none of its own'}",
        f"  reports     {places.data_docs / model}",
        f"  Airflow     runs and logs of {model}_train, {model}_score, {model}_deploy",
        f"  studies     {model}_train/… in Optuna's storage",
        f"  images      {image_repository(model)}",
        "  serving     until `make stop`, or in the stack until its container is removed",
    ]


def _listed(root: Path, files: list[Path]) -> list[str]:
    lines = [f"  {path.relative_to(root)}{'/' if path.is_dir() else ''}" for path in files]
    lost = _not_in_git(root, files)
    return [*lines, f"Git could not bring back, as it is now: {some(lost, 20)}"] if lost else lines


def _not_in_git(root: Path, files: list[Path]) -> list[str]:
    """Those of the files that git could not bring back, ignored ones too; all of them where there is no repository."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    call = ["git", "status", "--porcelain", "-z", "--no-renames", "--ignored", "--untracked-files=all", "--"]
    try:
        done = subprocess.run([*call, *map(str, files)], cwd=root, env=env, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ["any of them: they are in no repository that git reads"]
    changed = [line[3:] for line in done.stdout.split("\0") if line[3:]]
    return [name for name in changed if "__pycache__" not in name]


if __name__ == "__main__":
    sys.exit(main())
