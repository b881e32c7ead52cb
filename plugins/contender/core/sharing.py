"""Sharing: a model takes tables and feature views of another one, their owner, instead of copying them.

A shared table or view lies in the lake and in the stores once, under its owner's name for it, and is made in one way:
by the functions, suites and feature file of the owner, whichever model's run finds it missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from contender.core.errors import SpecError, some
from contender.core.spec import ModelSpec

REPEATED = ("time_column", "key", "entity", "source")  # what a shared table says as its owner does


def owners_of(spec: ModelSpec, models: Mapping[str, Callable[[], ModelSpec]]) -> dict[str, ModelSpec]:
    """The specs of the models that a model shares with, by name.

    Args:
        spec: The model.
        models: All models there are, by name, each with what gives its spec.

    Raises:
        SpecError: An owner does not exist or shares itself, has no such table or view, or declares the table
            otherwise; or the model lacks what the owner's views are made of.
    """
    found = {}
    for name in spec.owners():
        if name not in models:
            close = get_close_matches(name, models, n=1)
            raise _refused(
                spec, f"the owner {name!r} does not exist" + (f"; did you mean {close[0]!r}?" if close else ""),
                expected=some(sorted(models), 20), got=name, next_step="name the model whose table or view it is",
            )  # fmt: skip
        owner = models[name]()
        if owner.owners():
            raise _refused(
                spec, f"the owner {name!r} shares in turn", expected="owners that share nothing",
                got=f"{name} takes parts of {some(owner.owners())}", next_step="name the model that owns the part",
            )  # fmt: skip
        _require_tables(spec, owner)
        _require_views(spec, owner)
        found[name] = owner
    return found


def owner_of(spec: ModelSpec, owner: str | None, owners: Mapping[str, ModelSpec]) -> ModelSpec:
    """Whose code makes a part of a model: its owner's, or the model's own."""
    return owners[owner] if owner else spec


def owned(spec: ModelSpec) -> ModelSpec:
    """The model without the views of others: what it makes itself."""
    return spec.model_copy(update={"views": tuple(view for view in spec.views if not view.owner)})


def makers(spec: ModelSpec, owners: Mapping[str, ModelSpec]) -> list[ModelSpec]:
    """The models whose features a run must have up to date: the owners of its views, and itself for its own."""
    of_views = [owners[name] for name in sorted({view.owner for view in spec.views if view.owner})]
    own = owned(spec)
    return [*of_views, *([own] if own.views or not of_views else [])]


def _require_tables(spec: ModelSpec, owner: ModelSpec) -> None:
    there = {table.name: table for table in owner.tables}
    for table in spec.tables:
        if table.owner != owner.name:
            if table.owner is None and table.name in there:
                raise _refused(
                    spec, f"the table {table.name!r} would be written by two models",
                    expected=f"owner={owner.name!r}, or another name", got="no owner", next_step="say which it is",
                )  # fmt: skip
            continue
        if table.name not in there:
            raise _refused(
                spec, f"{owner.name!r} has no table {table.name!r}", expected=some(sorted(there), 20), got=table.name,
                next_step="correct the table's name or owner",
            )  # fmt: skip
        same = there[table.name]
        if unlike := [name for name in REPEATED if getattr(table, name) != getattr(same, name)]:
            raise _refused(
                spec, f"the table {table.name!r} is declared otherwise than by its owner {owner.name!r}",
                expected=some(f"{name}={getattr(same, name)!r}" for name in unlike),
                got=some(f"{name}={getattr(table, name)!r}" for name in unlike), next_step="repeat the owner's words",
            )  # fmt: skip


def _require_views(spec: ModelSpec, owner: ModelSpec) -> None:
    there, wanted = {view.name for view in owner.views}, {view.name for view in spec.views if view.owner == owner.name}
    if unknown := sorted(wanted - there):
        raise _refused(
            spec, f"{owner.name!r} has no view {some(map(repr, unknown))}", expected=some(sorted(there), 20),
            got=some(unknown), next_step="correct the view's name or owner",
        )  # fmt: skip
    if twice := sorted({view.name for view in spec.views if view.owner is None} & there):
        raise _refused(
            spec, f"the view {some(map(repr, twice))} would be written by two models",
            expected=f"owner={owner.name!r}, or another name", got="no owner", next_step="say which it is",
        )  # fmt: skip
    if not wanted:
        return
    # A view is made of all the owner's tables: its `features` takes them together.
    taken = {table.name for table in spec.tables if table.owner == owner.name}
    if lacking := [table.name for table in owner.tables if table.name not in taken]:
        raise _refused(
            spec, f"the views of {owner.name!r} are made of tables that are not declared", expected=some(lacking, 20),
            got=some(sorted(taken)) or "none", next_step=f"declare them too, with owner={owner.name!r}",
        )  # fmt: skip
    if spec.data_from != owner.data_from or spec.windows.lookback_days < owner.windows.lookback_days:
        raise _refused(
            spec, f"the views of {owner.name!r} would be made of other rows than by their owner",
            expected=_rows_of(owner), got=_rows_of(spec),
            next_step="take the owner's data_from and at least its lookback_days, or compute features of your own",
        )  # fmt: skip


def _rows_of(spec: ModelSpec) -> str:
    return f"data_from={spec.data_from.date()}, lookback_days={spec.windows.lookback_days}"


def _refused(spec: ModelSpec, what: str, *, expected: str, got: str, next_step: str) -> SpecError:
    return SpecError(what, where=f"{spec.name}/dag.py: SPEC", expected=expected, got=got, next_step=next_step)
