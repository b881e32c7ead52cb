"""What a retrieval asks of each feature view, read from Feast's objects into plain facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from feast.feature_view import DUMMY_ENTITY_ID, FeatureView

from contender.core.errors import DataError
from contender.feast_stores.sources import OpenedTable, open_table

# Beyond this a time to live is for ever; it keeps event + ttl inside int64.
LONGEST_TTL_US = 4_000_000_000_000_000_000


@dataclass(frozen=True)
class ViewPlan:
    """One feature view's part of a retrieval.

    Attributes:
        view: The name the view goes by in this retrieval.
        table: Its opened table.
        keys: (entity frame column, table column) for each join key.
        features: (output column, table column) for each requested feature.
        event: The table's event time column.
        created: The table's created time column, or None.
        ttl_us: Time to live in microseconds, or None for no limit.
    """

    view: str
    table: OpenedTable
    keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    event: str
    created: str | None
    ttl_us: int | None

    @property
    def table_columns(self) -> list[str]:
        """Every table column the retrieval reads, once each."""
        names = [column for _, column in (*self.keys, *self.features)]
        return list(dict.fromkeys([*names, *self.times]))

    @property
    def times(self) -> list[str]:
        """The event column and, where there is one, the created column."""
        return [self.event, *([self.created] if self.created else [])]


def plan_views(
    views: Sequence[FeatureView],
    refs: Sequence[str],
    *,
    repo_path: str | Path | None,
    full_feature_names: bool,
    versions: Mapping[str, int],
) -> list[ViewPlan]:
    """Plan each view that a reference names; tables are opened here, so that later writes are not seen.

    Args:
        views: The feature views of the retrieval, projections applied.
        refs: `view:feature` references; those of on-demand views are passed over.
        repo_path: Where relative table paths count from.
        full_feature_names: Whether output columns are `view__feature`.
        versions: Delta versions to read, by the source's path as declared.

    Raises:
        DataError: A table is missing or lacks a needed column.
    """
    plans = [
        _plan_view(view, wanted, repo_path, full_feature_names=full_feature_names, versions=versions)
        for view in views
        if (wanted := _features_of(view, refs))
    ]
    outputs = [output for plan in plans for output, _ in plan.features]
    twice = sorted({output for output in outputs if outputs.count(output) > 1})
    if twice:
        raise DataError(
            "two feature views give the same output column",
            where="features",
            got=", ".join(twice),
            next_step="ask with full_feature_names=True",
        )
    return plans


def _features_of(view: FeatureView, refs: Sequence[str]) -> list[str]:
    prefix = f"{view.projection.name_to_use()}:"
    return list(dict.fromkeys(ref.removeprefix(prefix) for ref in refs if ref.startswith(prefix)))


def _plan_view(
    view: FeatureView,
    features: Sequence[str],
    repo_path: str | Path | None,
    *,
    full_feature_names: bool,
    versions: Mapping[str, int],
) -> ViewPlan:
    source, name = view.batch_source, f"feature view {view.name}"
    table = open_table(source, repo_path, name, versions.get(getattr(source, "path", "")))
    physical = _physical_names(source.field_mapping or {}, table)
    # A projection may rename some of the keys only; the others keep their names.
    renamed = view.projection.join_key_map or {}
    keys = tuple(
        (renamed.get(column.name, column.name), physical.get(column.name, column.name))
        for column in view.entity_columns
        if column.name != DUMMY_ENTITY_ID
    )
    prefix = f"{view.projection.name_alias or view.name}__" if full_feature_names else ""
    event = physical.get(source.timestamp_field, source.timestamp_field)
    created = source.created_timestamp_column or None
    plan = ViewPlan(
        view=view.projection.name_to_use(),
        table=table,
        keys=keys,
        features=tuple((f"{prefix}{feature}", physical.get(feature, feature)) for feature in features),
        event=event,
        created=physical.get(created, created) if created else None,
        ttl_us=_micros(view.ttl),
    )
    table.require(plan.table_columns, name)
    return plan


def _physical_names(field_mapping: Mapping[str, str], table: OpenedTable) -> dict[str, str]:
    """Feature name → table column, for the mappings whose column the table really has."""
    present = set(table.columns)
    return {mapped: column for column, mapped in field_mapping.items() if column in present}


def _micros(ttl: timedelta | None) -> int | None:
    """A time to live in microseconds; Feast's zero means no limit."""
    if not ttl:
        return None
    return min(ttl // timedelta(microseconds=1), LONGEST_TTL_US)
