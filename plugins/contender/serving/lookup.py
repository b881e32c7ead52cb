"""From resolved requests to rows: the features of their entities that were known at the prediction time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from contender.adapters.online_rows import Row, is_known
from contender.serving.bundle import Signature, Value

# Why a feature is null: no row or no value; a row older than its view's TTL; a row of after the prediction time.
Reason = Literal["missing", "stale", "later"]
Entity = tuple[str, tuple[str, ...]]


class FeatureRows(Protocol):
    """The online store as `contender.adapters.online_rows.RowsReader` offers it."""

    def read_many(self, requests: Sequence[tuple[str, Mapping[str, str | int]]]) -> list[Row | None]:
        """The newest row of each (view, join keys), all of one moment of the store."""


@dataclass(frozen=True)
class Question:
    """A resolved request.

    Attributes:
        at: Prediction time: a value of after it, or older than its TTL at it, is not used.
        keys: Join keys by name; a view one of whose keys is absent is unknown as a whole.
        given: Values of the columns that the request itself gives.
    """

    at: datetime
    keys: Mapping[str, str]
    given: Mapping[str, Value]


@dataclass
class Looked:
    """A row in the order of the signature's columns, and which features of it are null, by reason."""

    row: list[Value]
    unknown: dict[Reason, list[str]] = field(default_factory=lambda: {"missing": [], "stale": [], "later": []})


class Lookup:
    """Fills the rows of a signature from an online store."""

    def __init__(self, signature: Signature, store: FeatureRows) -> None:
        self._store = store
        self._places = {column.name: place for place, column in enumerate(signature.columns)}
        self._views = {
            name: (
                view.join_keys,
                None if view.ttl_seconds is None else timedelta(seconds=view.ttl_seconds),
                [column.name for column in signature.columns if column.source == name],
            )
            for name, view in signature.views.items()
        }

    def check(self) -> None:
        """Read from every view; a model without views needs no store.

        Raises:
            OnlineStoreUnreachable: The store cannot be read, or lacks a view.
        """
        if self._views:
            self._store.read_many([(name, dict.fromkeys(keys, "")) for name, (keys, _, _) in self._views.items()])

    def rows(self, questions: Sequence[Question]) -> list[Looked]:
        """The model's inputs for each request; each entity is read once, all at one moment of the store.

        Raises:
            OnlineStoreUnreachable: The online store cannot be read.
        """
        wanted = dict.fromkeys(
            entity
            for question in questions
            for view in self._views
            if (entity := self._entity(view, question.keys)) is not None
        )
        asked = [(view, dict(zip(self._views[view][0], values, strict=True))) for view, values in wanted]
        found = dict(zip(wanted, self._store.read_many(asked) if asked else [], strict=True))
        return [self._fill(question, found) for question in questions]

    def _entity(self, view: str, keys: Mapping[str, str]) -> Entity | None:
        wanted = self._views[view][0]
        return (view, tuple(keys[key] for key in wanted)) if all(key in keys for key in wanted) else None

    def _fill(self, question: Question, found: Mapping[Entity, Row | None]) -> Looked:
        looked = Looked(row=[None] * len(self._places))
        for name, value in question.given.items():
            looked.row[self._places[name]] = value
        for view, (_, ttl, columns) in self._views.items():
            entity = self._entity(view, question.keys)
            row = None if entity is None else found[entity]
            reason = _unusable(row, question.at, ttl)
            for column in columns:
                value = None if row is None or reason else row.values.get(column)
                looked.row[self._places[column]] = value
                if value is None:
                    looked.unknown[reason or "missing"].append(column)
        return looked


def _unusable(row: Row | None, at: datetime, ttl: timedelta | None) -> Reason | None:
    if row is None:
        return "missing"
    if is_known(row, at, ttl):
        return None
    return "later" if row.known_at > at else "stale"
