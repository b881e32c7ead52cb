"""Command line of releases: `python -m contender.release verify flight_delay/1 | key`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import defaultdict
from pathlib import Path

from contender.core.errors import ContenderError, some
from contender.core.settings import settings

FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors go to stderr and end with the next thing to do.

    Returns:
        The exit code: 0 only where every part of a release holds, or a pair of keys was made.
    """
    asked = _parser().parse_args(arguments)
    try:
        return _key(asked.folder) if asked.command == "key" else _verify(asked.release)
    except ContenderError as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="contender.release", description="What is done with a release.")
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="check every part of a release")
    verify.add_argument("release", help="model/version, a model for its champion, or the path of a release's folder")
    key = commands.add_parser("key", help="make a pair of keys to sign with")
    key.add_argument("--folder", type=Path, help="default: keys in the home")
    return parser


def _verify(asked: str) -> int:
    from contender.release.find import held
    from contender.release.verify import verify

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    found = held(asked, settings())
    print(f"{found.folder}", flush=True)
    names = defaultdict[str, list[str]](list)
    for part in verify(found):
        print(f"  {part.name:<32} {part.state}: {part.says}", flush=True)
        names[part.state].append(part.name)
    failed = {"BROKEN": "The release does not hold", "cannot be checked": "It is not known whether all of it holds"}
    said = [f"{what}: {some(names[state], 20)}" for state, what in failed.items() if names[state]]
    if said:
        print(f"\n{'. '.join(said)}. The lines above say what to do next.", file=sys.stderr)
        return FAILED
    skipped = some(names["skipped"], 20)
    print(f"All that could be checked holds; skipped: {skipped}" if skipped else "All of it holds")
    return 0


def _key(folder: Path | None) -> int:
    from contender.adapters.signing import PRIVATE, make_pair

    where = (folder or settings().keys).resolve()
    key = make_pair(where)
    print(f"Key {key[:16]}: sign with CONTENDER_SIGNING_KEY={where / PRIVATE}, verify with {where / key[:16]}.pub")
    return 0


if __name__ == "__main__":
    sys.exit(main())
