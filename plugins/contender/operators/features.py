"""`features`: build the feature tables, then load the online store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from airflow.sdk import Context

from contender.core import naming
from contender.core.interval import Interval
from contender.core.manifest import digest_of
from contender.core.sharing import makers
from contender.core.spec import ModelSpec
from contender.operators.base import ModelOperator, run_interval


class Built(NamedTuple):
    """The feature rows of one month, by view, the model whose code made them, and the digest of what they came from."""

    maker: ModelSpec
    interval: Interval
    inputs: str
    frames: dict[str, Any]


class FeaturesBuild(ModelOperator):
    """Compute, check and write the feature rows of every month whose raw rows or code are not those they came from.

    Views of another model are made by that model's code, all of them, as its own run would.
    """

    ui_color = "#d5f5e3"

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the views' tables; nothing is written unless every month passed.

        Returns:
            `snapshots` of the views over the run's interval, and `months` that were computed, of any maker.
        """
        from contender.adapters.lake import Lake
        from contender.stages import data, features

        interval, lake = run_interval(context, self.spec), Lake(self.settings.lake)
        force = bool(context["params"].get("force_rebuild"))
        of_all = [self._compute(lake, maker, interval, force=force) for maker in makers(self.spec, self.owners)]
        built = [month for months in of_all for month in months]
        own = [month.frames for month in built if month.interval.start >= interval.start]
        newest = {
            view.name: features.newest(frames[view.name] for frames in own if view.name in frames)
            for view in self.spec.views
        }
        features.require_fresh(self.spec, newest, interval)
        data.require_valid(dict(line for month in built for line in self._check(month)))
        commit = {"run": context["run_id"]}
        for month in built:
            maker = month.maker.name
            for name, frame in month.frames.items():
                lake.write(name, frame, time=naming.EVENT_TIME, interval=month.interval, owner=maker, commit=commit)
            # Last: a month counts as built only once all its views are written.
            note = features.note(month.interval, month.inputs)
            lake.write(naming.built_table(maker), note, time=features.MONTH, interval=month.interval)
        snapshots = [lake.snapshot(view.name, time=naming.EVENT_TIME, interval=interval) for view in self.spec.views]
        for snapshot in snapshots:
            self.log.info("%s: %d rows, version %d", snapshot.table, snapshot.rows, snapshot.version)
        return {
            "snapshots": [item.facts() for item in snapshots],
            "months": sorted({str(month.interval) for month in built}),
        }

    def _compute(self, lake: Any, maker: ModelSpec, interval: Interval, *, force: bool) -> list[Built]:
        """The months of the training window that must be computed: the interval's own, and those not up to date."""
        from contender.adapters.lake import digest
        from contender.adapters.revision import model_code_digest
        from contender.stages import features

        code, computed = model_code_digest(self.settings, maker.name, maker.owners()), []
        functions, ledger = self.functions_of(maker), naming.built_table(maker.name)
        noted = features.noted(lake.read(ledger)) if lake.has(ledger) else {}
        back = timedelta(days=maker.windows.lookback_days + 1)  # a day more for what was under way at its start
        for month in features.months(self.spec, interval):
            seen = Interval(start=month.start - back, end=month.end)
            tables = {table.name: lake.read(table.name, time=table.time_column, interval=seen)
                      for table in maker.tables}  # fmt: skip
            inputs = digest_of([code, {name: digest(rows) for name, rows in tables.items()}])
            if force or month.start >= interval.start or noted.get(month.start) != inputs:
                frames = dict(functions.features(tables, month))
                features.require_known_times(frames)
                computed.append(Built(maker, month, inputs, frames))
        return computed

    def _check(self, month: Built) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The critical findings of each view's own suite; warnings are logged."""
        from contender.adapters.expectations import validate
        from contender.adapters.expectations_suite import load_suite
        from contender.stages import data

        for view in month.maker.views:
            suite = load_suite(self.settings.expectations / month.maker.name / f"{view.name}.json")
            bounds = data.bounds(month.interval, view.max_age_hours)
            found = validate(month.frames[view.name], suite, parameters=bounds)
            for warning in found.warnings:
                self.log.warning("%s %s: %s", view.name, month.interval, warning)
            yield f"{view.name} {month.interval}", found.critical


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
        views = self.register(store)
        store.materialise([view for view in views if view.name not in ageless], interval)
        store.materialise([view for view in views if view.name in ageless], whole)
        lake, rows = Lake(self.settings.lake), {}
        for view in views:
            columns, of = [*view.join_keys, naming.EVENT_TIME], whole if view.name in ageless else interval
            table = lake.read(view.name, time=naming.EVENT_TIME, interval=of, columns=columns)
            rows[view.name] = store.require_loaded(view, table)
            self.log.info("%s: %d entities in the online store", view.name, rows[view.name])
        return {"rows": rows, "digest": model_code_digest(self.settings, self.spec.name, self.spec.owners())}

    def register(self, store: Any) -> list[Any]:
        """Apply the definitions of the model's views, its owners' among them; the views."""
        views: list[Any] = []
        for maker in makers(self.spec, self.owners):
            taken = [view.name for view in self.spec.views if (view.owner or self.spec.name) == maker.name]
            defined = store.definitions(maker.name, taken)
            store.apply(defined, maker.name)
            views += defined
        return views
