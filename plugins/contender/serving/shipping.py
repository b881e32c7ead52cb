"""The process beside the server that ships its journal: `python -m contender.serving.shipping`.

Apart from the server, so that no request waits for the interpreter while a batch is taken apart. It ends when its
standard input does: the server closes it, or is gone, and then its last segment is shipped like any other. After each
pass it says on standard output how far it is, as one line of JSON.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from contextlib import suppress

import msgspec

from contender.serving.prediction_log import DRAIN_SECONDS, journal_folder, store
from contender.serving.shipper import Progress, Shipper
from contender.serving.supervisor import LEFT, SHIPPED

# Requests come first where the processor is short; the journal is there to wait in.
NICE = 10


def main() -> int:
    """Ship what the environment names; `SHIPPED` if nothing is left, otherwise `LEFT`."""
    os.nice(NICE)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    shipper = Shipper(journal_folder(os.environ), store(os.environ))
    return SHIPPED if shipper.run(_told, _tell, DRAIN_SECONDS) else LEFT


def _told(seconds: float) -> bool:
    """Whether the server closed our input, or is gone; nothing is ever sent by it."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def _tell(progress: Progress) -> None:
    with suppress(BrokenPipeError):  # the server is gone, and what it left is shipped all the same
        os.write(sys.stdout.fileno(), msgspec.json.encode(progress) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
