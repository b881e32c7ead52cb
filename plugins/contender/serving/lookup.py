"""From resolved requests to rows: the features of their entities that were known at the prediction time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from contender.adapters.online_rows import Row, encode_key, is_known
from contender.core.errors import BundleBroken, RequestInvalid, StaleFeatures, some
from contender.serving.bundle import Signature, Value

# Why a feature is null: no row or no value; a row older than its view's TTL; a row of after the prediction time.
Reason = Literal["missing", "stale", "later"]
# What becomes of a row older than its view's TTL: the request is refused; null goes into the model; its values do.
# Whether null or not, the answer lists the features as stale.
Stale = Literal["reject", "default", "serve"]
# A view, and the store's key of an entity.
Entity = tuple[str, str]
Asked = dict[Entity, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
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


@dataclass(slots=True)
class Looked:
    """A row in the order of the signature's columns.

    Attributes:
        row: The model's inputs.
        unknown: Which features are null, by reason; by the policy `serve` stale ones have their stale values.
        ages: By view, how many seconds before the prediction time its row is of; only rows whose values are used.
        refused: By the policy `reject`, the stale rows for which there is to be no answer, in words.
    """

    row: list[Value]
    unknown: dict[Reason, list[str]] = field(default_factory=lambda: {"missing": [], "stale": [], "later": []})
    ages: list[tuple[str, float]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _View:
    name: str
    join_keys: tuple[str, ...]
    ttl: timedelta | None
    columns: tuple[tuple[str, int], ...]


class Lookup:
    """Fills the rows of a signature from rows of an online store.

    Args:
        signature: The model's.
        stale: What becomes of rows older than their views' TTL.
    """

    def __init__(self, signature: Signature, stale: Stale = "default") -> None:
        self._stale = stale
        self._places = {column.name: place for place, column in enumerate(signature.columns)}
        self._views = tuple(
            _View(
                name,
                view.join_keys,
                None if view.ttl_seconds is None else timedelta(seconds=view.ttl_seconds),
                tuple((one.name, self._places[one.name]) for one in signature.columns if one.source == name),
            )
            for name, view in signature.views.items()
        )

    def probe(self) -> Asked:
        """An entity of every view that no store has."""
        empty = {view.name: dict.fromkeys(view.join_keys, "") for view in self._views}
        return {(name, encode_key(keys)): keys for name, keys in empty.items()}

    def entities(self, questions: Sequence[Question]) -> Asked:
        """The entities to read, each once.

        Raises:
            RequestInvalid: A join key is no text that could be in a store.
        """
        asked: Asked = {}
        for index, question in enumerate(questions):
            for view in self._views:
                try:
                    entity = _entity(view, question.keys)
                except UnicodeEncodeError as error:
                    raise _unwritable(index, view) from error
                if entity is not None:
                    asked[entity] = {key: question.keys[key] for key in view.join_keys}
        return asked

    def fill(self, questions: Sequence[Question], found: Mapping[Entity, Row | None]) -> list[Looked]:
        """The model's inputs for each request, from rows of at least its entities; see `require_fresh`."""
        return [self._fill(question, found) for question in questions]

    def _fill(self, question: Question, found: Mapping[Entity, Row | None]) -> Looked:
        looked = Looked(row=[None] * len(self._places))
        row, unknown, at = looked.row, looked.unknown, question.at
        for name, value in question.given.items():
            row[self._places[name]] = value
        for view in self._views:
            entity = _entity(view, question.keys)
            held = None if entity is None else found[entity]
            reason = _unusable(held, at, view.ttl)
            if reason == "stale" and self._stale == "reject" and held is not None and view.columns:
                looked.refused.append(_told(view, entity, held, at))
            used = None if reason and not (reason == "stale" and self._stale == "serve") else held
            if used is not None:
                looked.ages.append((view.name, (at - used.event_time).total_seconds()))
            for column, place in view.columns:
                value = None if used is None else used.values.get(column)
                row[place] = value
                if value is None or reason:
                    unknown[reason or "missing"].append(column)
        return looked


def require_fresh(looked: Sequence[Looked]) -> None:
    """Whether the policy lets the request be answered.

    Raises:
        StaleFeatures: A row is stale, and the policy is `reject`.
    """
    refused = [row for one in looked for row in one.refused]
    if refused:
        raise StaleFeatures(
            "the request needs features that are older than they may be",
            where=f"CONTENDER_STALE=reject, {len(refused)} of the entities asked for",
            expected="rows no older than their view's TTL at the prediction time",
            got=some(refused),
            next_step="materialise the views and ask again, or serve with another CONTENDER_STALE",
        )


def stale_policy(said: str) -> Stale:
    """The policy that `CONTENDER_STALE` names.

    Raises:
        BundleBroken: There is none of that name: the process should not start.
    """
    for policy in get_args(Stale):
        if said == policy:
            return policy  # type: ignore[no-any-return]
    raise BundleBroken(
        "the server does not know what to do with stale features",
        where="CONTENDER_STALE",
        expected=", ".join(get_args(Stale)),
        got=said,
        next_step="set CONTENDER_STALE to one of these, or unset it for `default`",
    )


def requests(asked: Asked) -> list[tuple[str, Mapping[str, str | int]]]:
    """Entities as `read_many` takes them."""
    return [(view, keys) for (view, _), keys in asked.items()]


def _entity(view: _View, keys: Mapping[str, str]) -> Entity | None:
    try:
        return view.name, encode_key({key: keys[key] for key in view.join_keys})
    except KeyError:
        return None


def _unusable(row: Row | None, at: datetime, ttl: timedelta | None) -> Reason | None:
    if row is None:
        return "missing"
    if is_known(row, at, ttl):
        return None
    return "later" if row.known_at > at else "stale"


def _told(view: _View, entity: Entity | None, row: Row, at: datetime) -> str:
    limit = 0 if view.ttl is None else view.ttl.total_seconds()
    key = "" if entity is None else entity[1]
    return f"{view.name} {key}: {(at - row.event_time).total_seconds():.0f} s old, TTL {limit:.0f} s"


def _unwritable(index: int, view: _View) -> RequestInvalid:
    return RequestInvalid(
        "a join key is no text that could be in a store",
        where=f"requests[{index}]",
        expected="valid Unicode",
        got=f"a lone surrogate in one of {', '.join(view.join_keys)}",
        next_step="mend the request and send it again",
    )
