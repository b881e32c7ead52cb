"""Feast: the definitions of the feature repository, point-in-time joins, and loading the online store.

Which registry and stores are used is said in `feature_repo/feature_store.yaml`, or in the file that Feast's own
`FEAST_FS_YAML_FILE_PATH` names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView

from contender.core.errors import RowsNotConserved, SpecError, some
from contender.core.interval import Interval
from contender.core.model_code import module_of
from contender.core.settings import Settings

EPOCH = pd.Timestamp(0, tz="UTC")


class Features:
    """Feast's store, as far as a pipeline needs it.

    Args:
        settings: Where the feature repository and the stores lie.
    """

    def __init__(self, settings: Settings) -> None:
        self._repo = settings.feature_repo
        os.environ.setdefault("CONTENDER_FEAST_REGISTRY", f"sqlite:///{settings.home / 'feast_registry.db'}")
        os.environ.setdefault("CONTENDER_ONLINE_STORE", settings.online_store)
        settings.home.mkdir(parents=True, exist_ok=True)
        yaml = os.environ.get("FEAST_FS_YAML_FILE_PATH") or settings.feature_repo / "feature_store.yaml"
        self.store = FeatureStore(repo_path=str(self._repo), fs_yaml_file=Path(yaml))

    def definitions(self, model: str, names: list[str]) -> list[FeatureView]:
        """The feature views of these names, as `feature_repo/<model>.py` defines them; without names no file is needed.

        Raises:
            SpecError: One is not defined there.
        """
        if not names:
            return []
        views = {view.name: view for view in vars(self._module(model)).values() if isinstance(view, FeatureView)}
        unknown = [name for name in names if name not in views]
        if unknown:
            raise SpecError(
                "the spec names feature views that the feature repository lacks",
                where=f"feature_repo/{model}.py",
                expected=some(sorted(views)),
                got=some(unknown),
                next_step="define them there, or correct the spec's views",
            )
        return [views[name] for name in names]

    def _module(self, model: str) -> Any:
        return module_of(self._repo, model)

    def apply(self, views: list[FeatureView], model: str) -> None:
        """Register the views and their entities; what is registered already stays as it is."""
        if not views:
            return
        entities = [item for item in vars(self._module(model)).values() if isinstance(item, Entity)]
        self.store.apply([*entities, *views])

    def describe(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """Join keys and time to live (seconds, `None` for never) of registered views, for the serving app."""
        views = [self.store.get_feature_view(name) for name in names]  # Feast infers the join keys when it registers
        return {
            view.name: {
                "join_keys": list(view.join_keys),
                "ttl_seconds": view.ttl.total_seconds() if view.ttl else None,
            }
            for view in views
        }

    def historical(self, entities: pd.DataFrame, features: list[str]) -> pd.DataFrame:
        """Join features to entity rows as they were known at each row's time.

        Args:
            entities: Rows with the join keys and `event_timestamp`.
            features: References `view:feature`.

        Returns:
            The same rows in the same order, with one column for each feature.

        Raises:
            RowsNotConserved: The store returned another number of rows.
        """
        if not features:
            return entities.copy()
        joined: pd.DataFrame = self.store.get_historical_features(
            entity_df=entities, features=features, filter_by_created_timestamp=True
        ).to_df()
        if len(joined) != len(entities):
            raise RowsNotConserved(
                "the point-in-time join lost or multiplied rows",
                where="get_historical_features",
                expected=f"{len(entities)} rows",
                got=f"{len(joined)} rows",
                next_step="check the offline store named in feature_store.yaml",
            )
        return joined

    def materialise(self, views: list[FeatureView], interval: Interval) -> None:
        """Load each entity's newest row of the interval into the online store."""
        if views:  # Feast takes no views for all of them
            self.store.materialize(interval.start, interval.end, [view.name for view in views])

    def require_loaded(self, view: FeatureView, rows: pd.DataFrame) -> int:
        """Read a registered view's entities back from the online store, whichever it is.

        Args:
            view: What was materialised.
            rows: Its feature table's rows of the interval: the join keys and `event_timestamp` (UTC), each entity
                any number of times.

        Returns:
            The number of entities, each of which the online store has with a row at least as new as its newest here.

        Raises:
            RowsNotConserved: The online store lacks an entity, or has it with an older row; with examples.
        """
        keys = list(view.join_keys)
        newest = rows.groupby(keys, as_index=False)["event_timestamp"].max()
        if newest.empty:
            return 0
        feature = view.features[0].name
        entities = {key: newest[key].tolist() for key in keys}
        answer = self.store.get_online_features(features=[f"{view.name}:{feature}"], entity_rows=entities)
        stored = answer.to_dict(include_event_timestamps=True)[f"{feature}__ts"]
        # Feast answers in whole seconds, and with zero where there is no row.
        wanted = (newest["event_timestamp"] - EPOCH) // pd.Timedelta(seconds=1)
        lost = newest[pd.Series(stored) < wanted]
        if len(lost):
            raise RowsNotConserved(
                "the online store lacks rows that were loaded into it",
                where=f"feature view {view.name}",
                expected=f"{len(newest)} entities, each as new as its newest row in the feature table",
                got=f"{len(newest) - len(lost)}; absent or older: {some(lost[keys].to_dict('records'))}",
                next_step="check the online store named in feature_store.yaml, then run the task again",
            )
        return len(newest)
