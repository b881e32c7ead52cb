"""Feature views over the lake's Delta tables, as every model's feature file declares them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.data_format import DeltaFormat
from feast.types import Float64, String

from contender.core.naming import EVENT_TIME, KNOWN_AT
from contender.core.settings import settings


def delta_view(
    name: str,
    entities: list[Entity],
    features: Mapping[str, str],
    ttl: timedelta,
    *,
    texts: Collection[str] = (),
) -> FeatureView:
    """A feature view over the Delta table of the same name.

    Args:
        name: Name of the view and of its table.
        entities: What its rows describe.
        features: Feature name to its description; float64 but for those in `texts`.
        ttl: Age at which a value no longer counts; zero for never.
        texts: Features that are text.
    """
    source = FileSource(
        name=name,
        path=f"{settings().lake.rstrip('/')}/{name}",
        file_format=DeltaFormat(),
        timestamp_field=EVENT_TIME,
        created_timestamp_column=KNOWN_AT,
    )
    schema = [
        Field(name=feature, dtype=String if feature in texts else Float64, description=text)
        for feature, text in features.items()
    ]
    return FeatureView(name=name, entities=entities, schema=schema, source=source, ttl=ttl)
