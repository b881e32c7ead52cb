"""Verify a release: every part of it, one after the other, whatever came out of the part before.

Needs no clock and no network of its own: what it asks are the platform's own stores, and the engine where one answers.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pyarrow as pa
from deltalake.exceptions import DeltaError
from mlflow.exceptions import MlflowException

from contender.core.errors import ContenderError, EngineUnavailable, ImageMissing, ReleaseTooOld, TrackingUnreachable
from contender.release import checks, code
from contender.release.find import Held

# What keeps a part from being looked at, and says nothing against it.
IN_THE_WAY = (TrackingUnreachable, MlflowException, EngineUnavailable, ImageMissing, ReleaseTooOld)
# What the libraries raise of content that is not what it should be, where no adapter foresaw it.
MALFORMED = (FileNotFoundError, tarfile.TarError, DeltaError, pa.ArrowException, KeyError, TypeError, ValueError)
State = Literal["holds", "BROKEN", "cannot be checked", "skipped"]


@dataclass(frozen=True)
class Part:
    """What came out of one part.

    Attributes:
        name: Of the part.
        state: What came out. Skipped is what the release does not have, and what only an engine could tell that does
            not answer.
        says: More of it in a line.
    """

    name: str
    state: State
    says: str

    @property
    def fine(self) -> bool:
        """Whether a release may be taken for verified with it."""
        return self.state in {"holds", "skipped"}


def verify(held: Held) -> Iterator[Part]:
    """Check every part of a release, in the order from its signature back to its data."""
    for name, check in _parts(held):
        yield _checked(name, check)


def _parts(held: Held) -> Iterator[tuple[str, Callable[[], str]]]:
    for name in ("signature", "manifest", "sbom", "model", "image"):
        yield name, partial(getattr(checks, name), held)
    try:
        tables = held.release.tables
    except ContenderError:
        tables = ()
        yield "tables", lambda: str(held.release)
    for snapshot in tables:
        yield f"table {snapshot.table}", partial(checks.table, held, snapshot)
    yield "training set", partial(checks.training_set, held)
    yield "features", partial(code.features, held)
    yield "decision log", partial(checks.decision_log, held)
    yield "lineage", partial(checks.lineage, held)


def _checked(name: str, check: Callable[[], str]) -> Part:
    try:
        return Part(name, "holds", check())
    except checks.NothingToCheck as reason:
        return Part(name, "skipped", str(reason))
    except IN_THE_WAY as error:
        return Part(name, "cannot be checked", str(error))
    except ContenderError as error:
        return Part(name, "BROKEN", str(error))
    except MALFORMED as error:
        return Part(name, "BROKEN", f"it cannot be read as what it should be: {_told(error)}; next: {checks.BACKUP}")
    except OSError as error:
        return Part(name, "cannot be checked", f"{_told(error)}; next: mend what keeps it from being read")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
