"""`score`: the champion's predictions for an interval."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from airflow.sdk import Context

from contender.core import naming
from contender.core.settings import settings
from contender.operators.base import ModelOperator, run_interval


class ScoreInterval(ModelOperator):
    """Score every example of the interval with the champion, and write the predictions."""

    ui_color = "#fdebd0"

    def execute(self, context: Context) -> dict[str, Any]:
        """Overwrite the interval's slice of the predictions table.

        Returns:
            `version` of the champion, `predictions` (snapshot), `mean_probability`.
        """
        from contender.adapters import tracking
        from contender.adapters.expectations import validate
        from contender.adapters.expectations_suite import load_suite
        from contender.adapters.features import Features
        from contender.adapters.lake import Lake
        from contender.stages import data, features, score, train

        interval, lake = run_interval(context, self.spec), Lake(settings().lake)
        raw = {
            table.name: lake.read(table.name, time=table.time_column, interval=interval) for table in self.spec.tables
        }
        data.require_rows({name: len(rows) for name, rows in raw.items()}, interval)
        examples = self.functions.examples(raw, interval, known_by=interval)
        joined = Features(settings()).historical(examples, self.spec.features())
        features.require_conserved(examples, joined, "example_id", "score")
        with tempfile.TemporaryDirectory() as folder:
            champion = tracking.export(self.spec.name, naming.CHAMPION, Path(folder))
            model = (Path(folder) / "model.onnx").read_bytes()
        predictions = score.predictions(joined, train.scores(model, train.inputs(joined, self.spec)), champion.version)
        suite = load_suite(settings().expectations / self.spec.name / "predictions.json")
        found = validate(predictions, suite, parameters=data.bounds(interval, None))
        data.require_valid({"predictions": found.critical})
        snapshot = lake.write(
            naming.predictions_table(self.spec.name), predictions, time=naming.DUE_AT, interval=interval,
            commit={"run": context["run_id"]},
        )  # fmt: skip
        self.log.info("%d predictions by version %s", snapshot.rows, champion.version)
        return {
            "version": champion.version, "predictions": snapshot.facts(),
            "mean_probability": float(predictions["probability"].mean()),
        }  # fmt: skip
