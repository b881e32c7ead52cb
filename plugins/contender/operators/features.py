"""`features`: build the feature tables, then load the online store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Context

from contender.core import naming
from contender.core.interval import Interval
from contender.core.settings import settings
from contender.operators.base import ModelOperator, run_interval


class FeaturesBuild(ModelOperator):
    """Compute, check and write the feature rows of every month that needs it.

    Args:
        loaded: What `DataLoad` returned (templated).
    """

    template_fields: Sequence[str] = ("loaded",)
    ui_color = "#d5f5e3"

    def __init__(self, *, loaded: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loaded = loaded

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the views' tables; nothing is written unless every month passed.

        Returns:
            `snapshots` of the views over the run's interval, and `months` that were computed.
        """
        from contender.adapters.lake import Lake
        from contender.stages import data, features

        interval, lake = run_interval(context, self.spec), Lake(settings().lake)
        present = {view.name: self._present(lake, view.name) for view in self.spec.views}
        months = features.months_to_build(self.spec, interval, present, set(self.loaded["changed"]))
        built = [(month, self._compute(lake, month)) for month in months]
        own = [frames for month, frames in built if month.start >= interval.start]
        newest = {
            view.name: max((frames[view.name][naming.EVENT_TIME].max() for frames in own), default=None)
            for view in self.spec.views
        }
        features.require_fresh(self.spec, newest, interval)
        data.require_valid({name: lines for month, frames in built for name, lines in self._check(month, frames)})
        for month, frames in built:
            for name, frame in frames.items():
                lake.write(name, frame, time=naming.EVENT_TIME, interval=month, commit={"run": context["run_id"]})
        snapshots = [lake.snapshot(view.name, time=naming.EVENT_TIME, interval=interval) for view in self.spec.views]
        for snapshot in snapshots:
            self.log.info("%s: %d rows, version %d", snapshot.table, snapshot.rows, snapshot.version)
        return {"snapshots": [item.facts() for item in snapshots], "months": [str(month) for month in months]}

    def _present(self, lake: Any, view: str) -> set[str]:
        """Months of which the view's table has rows: none where it was written before the view had all its columns."""
        wanted = {column.name for column in self.spec.columns if column.source == view}
        return lake.months(view, naming.EVENT_TIME) if wanted <= lake.columns(view) else set()

    def _compute(self, lake: Any, month: Interval) -> dict[str, Any]:
        from contender.stages import features

        back = timedelta(days=self.spec.windows.lookback_days + 1)  # a day more for what was under way at its start
        seen = Interval(start=month.start - back, end=month.end)
        tables = {
            table.name: lake.read(table.name, time=table.time_column, interval=seen) for table in self.spec.tables
        }
        frames = self.functions.features(tables, month)
        features.require_known_times(frames)
        return dict(frames)

    def _check(self, month: Interval, frames: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The critical findings of each view's own suite; warnings are logged."""
        from contender.adapters.expectations import validate
        from contender.adapters.expectations_suite import load_suite
        from contender.stages import data

        for view in self.spec.views:
            suite = load_suite(settings().expectations / self.spec.name / f"{view.name}.json")
            found = validate(frames[view.name], suite, parameters=data.bounds(month, view.max_age_hours))
            for warning in found.warnings:
                self.log.warning("%s %s: %s", view.name, month, warning)
            yield f"{view.name} {month}", found.critical


class FeaturesMaterialise(ModelOperator):
    """Register the feature views and load each entity's newest row into the online store."""

    ui_color = "#d5f5e3"

    def execute(self, context: Context) -> dict[str, Any]:
        """Apply the definitions, materialise the run's interval and read every entity back.

        Returns:
            `rows`: for each view the number of entities loaded; `digest` of the definitions.
        """
        from contender.adapters.features import Features
        from contender.adapters.lake import Lake

        interval, store = run_interval(context, self.spec), Features(settings())
        views = store.definitions(self.spec.name, [view.name for view in self.spec.views])
        store.apply(views, self.spec.name)
        store.materialise(views, interval)
        lake, rows = Lake(settings().lake), {}
        for view in views:
            columns = [*view.join_keys, naming.EVENT_TIME]
            table = lake.read(view.name, time=naming.EVENT_TIME, interval=interval, columns=columns)
            rows[view.name] = store.require_loaded(view, table)
            self.log.info("%s: %d entities in the online store", view.name, rows[view.name])
        return {"rows": rows, "digest": store.digest(self.spec.name)}
