"""`make new-model`: its arguments come as environment variables, so that no shell reads them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from datetime import UTC, datetime

from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT
from contender.scaffold.make import make
from contender.scaffold.questions import completed
from contender.scaffold.request import asked_of

ARGUMENTS = (
    "NAME", "FROM", "DATA", "LABEL", "TIME", "ENTITY", "QUERY", "CONNECTION", "DROP", "KEEP", "CLASSES", "TITLE",
    "OWNER",
)  # fmt: skip
PREFIX = "NEW_MODEL_"
INTERRUPTED = 130


def main() -> int:
    """Make the model; 0 when all its files were written, 1 when it was refused."""
    # It reports each of its own closures at level info.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it gets the same as by Ctrl-C
    given = {name: os.environ.get(PREFIX + name, "") for name in ARGUMENTS}
    try:
        found = completed(given, CHECKOUT, input if sys.stdin.isatty() else None)
        made = make(asked_of(found), CHECKOUT, datetime.now(UTC), _say)
    except ContenderError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("Interrupted: nothing was written", file=sys.stderr)
        return INTERRUPTED
    name = made.spec.name
    _say("\nGuessed, and said in the spec too:")
    for guess in made.guesses:
        _say(f"  {guess}")
    _say("\nWritten:")
    for path in sorted(made.files):
        _say(f"  {path}")
    _say(f"\nNext: make demo MODEL={name}   trains it in Airflow")
    _say(f"      make test-model MODEL={name}   runs its tests")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
