"""`make new-model`: its arguments come as environment variables, so that no shell reads them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT
from contender.scaffold.questions import completed
from contender.scaffold.refusals import readable
from contender.scaffold.request import Asked, asked_of, days_of, require_possible

if TYPE_CHECKING:
    from contender.scaffold.make import Made

ARGUMENTS = (
    "NAME", "FROM", "DATA", "LABEL", "TIME", "ENTITY", "QUERY", "CONNECTION", "DROP", "KEEP", "CLASSES",
    "LABEL_DELAY", "TITLE", "OWNER",
)  # fmt: skip
PREFIX = "NEW_MODEL_"
INTERRUPTED = 130


def main() -> int:
    """Make the model; 0 when all its files were written, 1 when it was refused."""
    for ending in (signal.SIGTERM, signal.SIGHUP):  # whoever ends it, nothing half-written is left
        signal.signal(ending, signal.default_int_handler)
    given = {name: os.environ.get(PREFIX + name, "") for name in ARGUMENTS}
    try:
        days_of(given["LABEL_DELAY"].strip())  # it is not asked for, and refused before anything is
        found = completed(given, CHECKOUT, input if sys.stdin.isatty() else None)
        asked = asked_of(found)
        require_possible(asked, CHECKOUT)
        made = _made(asked)
    except ContenderError as error:
        print(readable(error), file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("Interrupted: nothing was written", file=sys.stderr)
        return INTERRUPTED
    name = made.spec.name
    if made.guesses:
        _say("\nGuessed, and said in the spec too:")
    for guess in made.guesses:
        _say(f"  {guess}")
    _say("\nWritten:")
    for path in sorted(made.files):
        _say(f"  {path}")
    lines = sum(text.count("\n") for text in made.files.values())
    _say(f"\n{len(made.files)} files, {lines:,} lines, none of which you have to write or edit.")
    _say(f"Next: make demo MODEL={name}   trains it in Airflow")
    _say(f"      make test-model MODEL={name}   runs its tests")
    return 0


def _made(asked: Asked) -> Made:
    # They load all that a model may need: what was refused before did not have to wait for it.
    import contender.factory  # noqa: F401  with it Airflow, which sets logging up anew

    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it reports what it loads, and each closure
    from contender.scaffold.make import make

    for name in logging.root.manager.loggerDict:  # some of its modules set a level of their own when they are imported
        if name.startswith("great_expectations."):
            logging.getLogger(name).setLevel(logging.WARNING)
    return make(asked, CHECKOUT, datetime.now(UTC), _say)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
