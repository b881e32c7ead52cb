"""`score`: the champion's predictions for an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from contender.core import naming
from contender.core.interval import Interval
from contender.core.spec import Column
from contender.operators.base import ModelOperator, run_interval


class ScorePredict(ModelOperator):
    """Score every example of the interval with the champion, and write the predictions."""

    ui_color = "#fdebd0"

    def execute(self, context: Context) -> dict[str, Any]:
        """Overwrite the interval's slice of the predictions table.

        Returns:
            `version` of the champion, `predictions` (snapshot), `mean` of each predicted number.
        """
        from contender.adapters.lake import Lake
        from contender.adapters.tracking import Tracking
        from contender.stages import score, train

        interval, lake, tracking = run_interval(context, self.spec), Lake(self.settings.lake), Tracking(self.spec.name)
        champion = tracking.required(naming.CHAMPION)
        model = tracking.stored(champion)
        joined = self._inputs(lake, interval, model.columns)
        scores = train.scores(model.content, train.inputs(joined, model.columns))
        predictions = score.predictions(joined, scores, champion.version, self.spec)
        self._require_valid("predictions", predictions, interval)
        snapshot = lake.write(
            naming.predictions_table(self.spec.name), predictions, time=naming.DUE_AT, interval=interval,
            owner=self.spec.name, commit={"run": context["run_id"]},
        )  # fmt: skip
        self.log.info("%d predictions by version %s", snapshot.rows, champion.version)
        return {
            "version": champion.version, "predictions": snapshot.facts(),
            "mean": {name: float(value) for name, value in predictions.mean(numeric_only=True).items()},
        }  # fmt: skip

    def _inputs(self, lake: Any, interval: Interval, columns: Sequence[Column]) -> Any:
        """The interval's examples with the features that the model takes, checked as those of training are."""
        from contender.adapters.features import Features
        from contender.stages import data, features

        newest = {}
        for view in self.spec.views:
            part = lake.read(view.name, time=naming.EVENT_TIME, interval=interval, columns=[naming.EVENT_TIME])
            newest[view.name] = part[naming.EVENT_TIME].max() if len(part) else None
        features.require_fresh(self.spec, newest, interval)
        raw = {
            table.name: lake.read(table.name, time=table.time_column, interval=interval) for table in self.spec.tables
        }
        data.require_rows({name: len(rows) for name, rows in raw.items()}, interval)
        examples = self.functions.examples(raw, interval, known_by=interval)
        references = [f"{column.source}:{column.name}" for column in columns if column.source != "request"]
        joined = Features(self.settings).historical(examples, references)
        features.require_conserved(examples, joined, "example_id", "score")
        self._require_valid("scoring_set", joined, interval)
        return joined

    def _require_valid(self, name: str, frame: Any, interval: Interval) -> None:
        from contender.adapters.expectations import validate
        from contender.adapters.expectations_suite import load_suite
        from contender.stages import data

        suite = load_suite(self.settings.expectations / self.spec.name / f"{name}.json")
        data.require_valid({name: validate(frame, suite, parameters=data.bounds(interval, None)).critical})
