"""From a resolved request to a row: the features of its entities that were known at the prediction time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from contender.serving.bundle import Signature, Value

# Why a feature is null: no row or no value; a row older than its view's TTL; a row of after the prediction time.
Reason = Literal["missing", "stale", "later"]


class FeatureRow(Protocol):
    """The newest row of an entity."""

    @property
    def values(self) -> Mapping[str, Value]:
        """Feature values by name."""

    @property
    def event_time(self) -> datetime:
        """The time the row speaks of, aware."""


class FeatureRows(Protocol):
    """The online store as `contender.adapters.online_rows.OnlineRows` offers it."""

    def read(self, view: str, join_keys: Mapping[str, str]) -> FeatureRow | None:
        """The newest row of an entity, or `None`."""


@dataclass
class Looked:
    """A row in the order of the signature's columns, and which features of it are null, by reason."""

    row: list[Value]
    unknown: dict[Reason, list[str]] = field(default_factory=lambda: {"missing": [], "stale": [], "later": []})


class Lookup:
    """Reads the views of a signature, each entity once for all requests of a call."""

    def __init__(self, signature: Signature, store: FeatureRows) -> None:
        self._store = store
        self._places = {column.name: place for place, column in enumerate(signature.columns)}
        self._views = {
            name: (view, [column.name for column in signature.columns if column.source == name])
            for name, view in signature.views.items()
        }
        self._read: dict[tuple[str, ...], FeatureRow | None] = {}

    def row(self, at: datetime, keys: Mapping[str, str], given: Mapping[str, Value]) -> Looked:
        """The model's inputs for one request.

        Args:
            at: Prediction time: a value of after it, or older than its TTL at it, is not used.
            keys: Join keys by name; a view one of whose keys is absent is unknown as a whole.
            given: Values of the columns that the request itself gives.

        Raises:
            OnlineStoreUnreachable: The online store cannot be read.
        """
        looked = Looked(row=[None] * len(self._places))
        for name, value in given.items():
            looked.row[self._places[name]] = value
        for view in self._views:
            self._fill(looked, view, at, keys)
        return looked

    def _fill(self, looked: Looked, name: str, at: datetime, keys: Mapping[str, str]) -> None:
        view, columns = self._views[name]
        found = self._find(name, view.join_keys, keys)
        reason = None if found is None else _unusable(found.event_time, at, view.ttl_seconds)
        for column in columns:
            value = None if found is None or reason else found.values.get(column)
            looked.row[self._places[column]] = value
            if value is None:
                looked.unknown[reason or "missing"].append(column)

    def _find(self, view: str, wanted: tuple[str, ...], keys: Mapping[str, str]) -> FeatureRow | None:
        if not all(key in keys for key in wanted):
            return None
        entity = (view, *(keys[key] for key in wanted))
        if entity not in self._read:
            self._read[entity] = self._store.read(view, {key: keys[key] for key in wanted})
        return self._read[entity]


def _unusable(event_time: datetime, at: datetime, ttl_seconds: float | None) -> Reason | None:
    if event_time > at:
        return "later"
    if ttl_seconds is not None and at - event_time > timedelta(seconds=ttl_seconds):
        return "stale"
    return None
