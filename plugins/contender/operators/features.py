"""`features`: build the feature tables, then load the online store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from airflow.sdk import Context

from contender.core import naming
from contender.core.interval import Interval
from contender.core.manifest import digest_of
from contender.operators.base import ModelOperator, run_interval


class Built(NamedTuple):
    """The feature rows of one month, by view, and the digest of what they were computed from."""

    interval: Interval
    inputs: str
    frames: dict[str, Any]


class FeaturesBuild(ModelOperator):
    """Compute, check and write the feature rows of every month whose raw rows or code are not those they came from."""

    ui_color = "#d5f5e3"

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the views' tables; nothing is written unless every month passed.

        Returns:
            `snapshots` of the views over the run's interval, and `months` that were computed.
        """
        from contender.adapters.lake import Lake
        from contender.stages import data, features

        interval, lake = run_interval(context, self.spec), Lake(self.settings.lake)
        built = self._compute(lake, interval, force=bool(context["params"].get("force_rebuild")))
        own = [month.frames for month in built if month.interval.start >= interval.start]
        newest = {view.name: features.newest(frames[view.name] for frames in own) for view in self.spec.views}
        features.require_fresh(self.spec, newest, interval)
        data.require_valid(dict(line for month in built for line in self._check(month.interval, month.frames)))
        commit = {"run": context["run_id"]}
        for month in built:
            for name, frame in month.frames.items():
                lake.write(name, frame, time=naming.EVENT_TIME, interval=month.interval, commit=commit)
            # Last: a month counts as built only once all its views are written.
            note = features.note(month.interval, month.inputs)
            lake.write(naming.built_table(self.spec.name), note, time=features.MONTH, interval=month.interval)
        snapshots = [lake.snapshot(view.name, time=naming.EVENT_TIME, interval=interval) for view in self.spec.views]
        for snapshot in snapshots:
            self.log.info("%s: %d rows, version %d", snapshot.table, snapshot.rows, snapshot.version)
        return {"snapshots": [item.facts() for item in snapshots], "months": [str(month.interval) for month in built]}

    def _compute(self, lake: Any, interval: Interval, *, force: bool) -> list[Built]:
        """The months of the training window that must be computed: the interval's own, and those not up to date."""
        from contender.adapters.lake import digest
        from contender.adapters.revision import model_code_digest
        from contender.stages import features

        code, computed = model_code_digest(self.settings, self.spec.name), []
        ledger = naming.built_table(self.spec.name)
        noted = features.noted(lake.read(ledger)) if lake.has(ledger) else {}
        back = timedelta(days=self.spec.windows.lookback_days + 1)  # a day more for what was under way at its start
        for month in features.months(self.spec, interval):
            seen = Interval(start=month.start - back, end=month.end)
            tables = {table.name: lake.read(table.name, time=table.time_column, interval=seen)
                      for table in self.spec.tables}  # fmt: skip
            inputs = digest_of([code, {name: digest(rows) for name, rows in tables.items()}])
            if force or month.start >= interval.start or noted.get(month.start) != inputs:
                frames = dict(self.functions.features(tables, month))
                features.require_known_times(frames)
                computed.append(Built(month, inputs, frames))
        return computed

    def _check(self, month: Interval, frames: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The critical findings of each view's own suite; warnings are logged."""
        from contender.adapters.expectations import validate
        from contender.adapters.expectations_suite import load_suite
        from contender.stages import data

        for view in self.spec.views:
            suite = load_suite(self.settings.expectations / self.spec.name / f"{view.name}.json")
            found = validate(frames[view.name], suite, parameters=data.bounds(month, view.max_age_hours))
            for warning in found.warnings:
                self.log.warning("%s %s: %s", view.name, month, warning)
            yield f"{view.name} {month}", found.critical


class FeaturesMaterialise(ModelOperator):
    """Register the feature views and load each entity's newest row into the online store."""

    ui_color = "#d5f5e3"

    def execute(self, context: Context) -> dict[str, Any]:
        """Apply the definitions, materialise the run's interval and read every entity back.

        Views of facts that do not age are loaded from the whole training window: their newest row may be an old one.

        Returns:
            `rows`: for each view the number of entities loaded; `digest` of the definitions.
        """
        from contender.adapters.features import Features
        from contender.adapters.lake import Lake
        from contender.adapters.revision import model_code_digest
        from contender.stages import features

        interval, store = run_interval(context, self.spec), Features(self.settings)
        ageless = {view.name for view in self.spec.views if view.max_age_hours is None}
        whole = Interval(start=features.months(self.spec, interval)[0].start, end=interval.end)
        views = store.definitions(self.spec.name, [view.name for view in self.spec.views])
        store.apply(views, self.spec.name)
        store.materialise([view for view in views if view.name not in ageless], interval)
        store.materialise([view for view in views if view.name in ageless], whole)
        lake, rows = Lake(self.settings.lake), {}
        for view in views:
            columns, of = [*view.join_keys, naming.EVENT_TIME], whole if view.name in ageless else interval
            table = lake.read(view.name, time=naming.EVENT_TIME, interval=of, columns=columns)
            rows[view.name] = store.require_loaded(view, table)
            self.log.info("%s: %d entities in the online store", view.name, rows[view.name])
        return {"rows": rows, "digest": model_code_digest(self.settings, self.spec.name)}
