"""`make prune [MODEL=…] [YES=1] [STACK=compose]`: say which images would go and which stay, each with the reason.

    python -m contender.retention [MODEL] [--yes]

Without a model, of every model that this platform has decided on or released. Only with `--yes` is anything removed.
"""

from __future__ import annotations

import argparse
import sys

from contender.core.errors import ContenderError, some
from contender.core.retention import Policy
from contender.core.settings import Settings, settings
from contender.embedded.environment import name_mlflow


def main(arguments: list[str] | None = None) -> int:
    """List what would be removed, or remove it; 0 when that was done, 1 when it could not be."""
    parser = argparse.ArgumentParser(prog="contender.retention", description="Remove old images of models.")
    parser.add_argument("model", nargs="?", default="")
    parser.add_argument("--yes", action="store_true", help="remove them; without it they are listed")
    asked = parser.parse_args(arguments)
    try:
        return _prune(asked.model, settings(), yes=asked.yes)
    except ContenderError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _prune(model: str, places: Settings, *, yes: bool) -> int:
    policy, models = Policy.from_env(), _models(model, places)
    if not models:
        print(f"no model was decided on or released yet below {places.home}")
        return 0
    name_mlflow(places)
    from contender.adapters.containers import Engine
    from contender.retention.prune import plan, prune

    engine, removable = Engine.connect(), 0
    for one in models:
        fates = plan(one, engine, places, policy)
        fates = prune(fates, engine) if yes else fates
        gone, stay = ([fate for fate in fates if fate.kept is kept] for kept in (False, True))
        removable += len(gone)
        print(f"{one}: {len(fates)} images on the engine")
        print("\n".join([f"  {'removed' if yes else 'would be removed'}: {fate}" for fate in gone]
                        + [f"  stays: {fate}" for fate in stay]), end="\n" if fates else "")  # fmt: skip
    if removable and not yes:
        print("\nNothing was removed. Next: say the same with YES=1")
    return 0


def _models(model: str, places: Settings) -> list[str]:
    known = sorted(
        {path.stem for path in places.decisions.glob("*.jsonl")}
        | {path.name for path in places.releases.glob("*") if path.is_dir()}
    )
    if model and model not in known:
        raise ContenderError(
            "of this model nothing is on record", where="MODEL", expected=f"one of {some(known, 50) or 'none yet'}",
            got=model, next_step="say MODEL=<one of these>, or none for all; nothing was removed",
        )  # fmt: skip
    return [model] if model else known


if __name__ == "__main__":
    sys.exit(main())
