"""`make upgrade-check [TO=…] [FORK=…]`: what another version of the platform would ask of the models of this checkout.

    python -m contender.upgrade [--to REVISION_OR_PATH] [--root CHECKOUT]

Nothing is changed. The other version's own code checks the specs, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from contender.core.errors import ContenderError, UpgradeRefused
from contender.core.settings import CHECKOUT
from contender.upgrade.versions import CHECKER, Parting, Platform, is_platform, parting, platform_of

CLEAN, EDITS, REFUSED = 0, 1, 2
HERE = "the platform in this checkout"
NEXT_HERE = "Next: make these edits; a model's DAGs come back within 10 s."
NEXT_IN_A_MERGE = "Next: merge it (docs/upgrade.md), make these edits in the merge, and check once more."


def main(arguments: list[str] | None = None) -> int:
    """Say what each spec needs and which platform files differ.

    Returns:
        0 when nothing needs an edit, 1 when something does, 2 when it could not be told.
    """
    parser = argparse.ArgumentParser(prog="contender.upgrade", description="What another version would ask of a fork.")
    parser.add_argument("--to", default="", help=f"revision, or path of a checkout; default {HERE}")
    parser.add_argument("--root", type=Path, default=CHECKOUT, help="the checkout to look at")
    asked = parser.parse_args(arguments)
    root = asked.root.resolve()
    to = asked.to or ("" if root == CHECKOUT else str(CHECKOUT))
    here = nullcontext(Platform(HERE, CHECKOUT))
    try:
        with platform_of(to, root) if to else here as platform:
            answer = _answer(platform, root)
            parted = parting(root, platform)
    except ContenderError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return REFUSED
    print(f"Specs of this checkout, by {platform.name}, whose schema is version {answer['schema_version']}:\n")
    wanting = _tell_specs(answer["specs"], parted)
    both = _tell_files(parted) if parted else 0
    if to and not parted:
        print("\nNo commit is known that both have in common, so that no platform files were compared.")
    print(f"\nSpecs that need an edit: {wanting} of {len(answer['specs'])}.")
    if both:
        print(f"Files that were changed on both sides: {both}; look at them in the merge.")
    if wanting:
        print(NEXT_IN_A_MERGE if to else NEXT_HERE)
    return EDITS if wanting or both else CLEAN


def _answer(platform: Platform, root: Path) -> dict[str, Any]:
    """What the platform's own checker says of the specs of a checkout."""
    paths = [platform.folder / "plugins", root, root / "dags"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    call = [sys.executable, "-m", "contender.upgrade.specs", str(root)]
    done = subprocess.run(call, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UpgradeRefused(
            "that version's check of the specs failed", where=f"{CHECKER} of {platform.name}",
            got=done.stderr.strip().rpartition("\n")[2],
            next_step="its requirements may differ: `make install` in a checkout of it, and say it there",
        )  # fmt: skip
    return dict(json.loads(done.stdout))


def _tell_specs(specs: list[dict[str, Any]], parted: Parting | None) -> int:
    """Print what each spec needs; returns how many of them a person has to edit."""
    wanting = 0
    for spec in specs:
        path, edits, problem = spec["path"], spec["edits"], spec["problem"]
        if not edits and not problem:
            print(f"  {path}  ok")
            continue
        if parted and path in parted.theirs and path not in parted.ours:
            print(f"  {path}  ok: it comes with the merge, and you did not change it")
            continue
        wanting += 1
        print(f"  {path}  {'edit' if edits else 'cannot be used'}")
        for edit in edits:
            print(f"      {edit}")
        if problem:
            print(f"      {'and then' if edits else 'it says'}: {problem}")
    return wanting


def _tell_files(parted: Parting) -> int:
    """Print which files differ since the common commit; returns how many were changed on both sides."""
    platform = Counter(path.partition("/")[0] for path in parted.theirs if is_platform(path))
    places = ", ".join(f"{place} {count}" for place, count in sorted(platform.items()))
    print(f"\nSince the common commit {parted.base[:9]} it changes platform files: {places or 'none'}.")
    own, both = parted.own(), parted.both()
    print(f"Platform files that this checkout changed itself: {len(own)}")
    for path in own:
        print(f"  {parted.ours[path]} {path}{'  also changed there' if path in both else ''}")
    models = [path for path in both if path not in own]
    if models:
        print("Files of models that were changed on both sides:")
    for path in models:
        print(f"  {parted.ours[path]} {path}")
    return len(both)


if __name__ == "__main__":
    sys.exit(main())
