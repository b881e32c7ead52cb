"""What the writers of online stores share: views, rows, and the operations each offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contender.core.errors import DataError

# Entity key, event and created time (microseconds since the epoch, UTC), msgpack map of values.
StoredRow = tuple[str, int, int | None, bytes]


@dataclass(frozen=True)
class View:
    """A feature view as a store knows it; its join keys are sorted."""

    project: str
    name: str
    join_keys: tuple[str, ...]

    @classmethod
    def of(cls, project: str, name: str, join_keys: Sequence[str]) -> View:
        """A view whose join keys are in any order."""
        return cls(project, name, tuple(sorted(join_keys)))


class RowsWriter(Protocol):
    """The changes an online store can be asked for.

    An older value never replaces a newer one, whatever the order of writing; of one event time the later creation
    wins, and an equal row is written again, so that a repeated load has the same end.
    """

    def declare_view(self, view: View) -> None:
        """Make room for the view's rows. Rows under other join keys could never be found again, so they go.

        Raises:
            DataError: The store has a view of this name from another project.
        """

    def drop_view(self, name: str) -> None:
        """Remove a view and its rows; nothing happens where there is none."""

    def views_of(self, project: str) -> list[str]:
        """Names of the project's views."""

    def upsert(self, view: View, rows: Sequence[StoredRow]) -> int:
        """Write rows of a declared view where they are not older than what is there; gives the number written."""


def of_another_project(view: View, project: str) -> DataError:
    """The refusal of a view whose name `project` has taken."""
    return DataError(
        f"the online store already has a feature view {view.name}",
        expected=f"project {view.project}",
        got=f"project {project}",
        next_step="give each project an online store of its own",
    )
