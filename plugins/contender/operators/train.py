"""`train`: assemble the training set, search, fit and register the challenger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Context

from contender.core import naming
from contender.core.interval import Interval
from contender.core.manifest import digest_of
from contender.core.results import Snapshot
from contender.core.settings import settings
from contender.core.sharing import makers
from contender.core.windows import Shares
from contender.operators.base import ModelOperator, PushedLink, run_interval, task_identity

COLOUR = "#fcf3cf"


class TrainAssemble(ModelOperator):
    """Join features to the labelled examples as they were known at prediction time; store the training set."""

    ui_color = COLOUR

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the interval's slice of the training table.

        Returns:
            `training_set` (its snapshot), `train` and `holdout` (intervals), `split_by` (`time`; `key` where the rows
            have no time and the intervals stand for shares of them), `train_rows`, `holdout_rows`,
            `unlabelled` and, of the holdout alone, `holdout_unlabelled` (examples without a label), `joined_views` and
            `tables` (snapshots of what was read), `files` (SHA-256 of the files of each of these tables' versions and
            of the training set's).
        """
        from contender.adapters.features import Features
        from contender.adapters.lake import Lake
        from contender.stages import features, train
        from contender.stages.defaults import planted

        interval, lake = run_interval(context, self.spec), Lake(self.settings.lake)
        split = self.spec.split(interval)
        read = Interval(start=split.train.start, end=interval.end)
        seen = Interval(start=split.train.start, end=split.holdout.end)  # earlier by the label's delay
        raw = {table.name: lake.read(table.name, time=table.time_column, interval=read) for table in self.spec.tables}
        examples = self.functions.examples(raw, seen, known_by=interval)
        labelled = train.labelled(examples, self.spec)
        joined = Features(self.settings).historical(labelled, self.spec.features())
        features.require_conserved(labelled, joined, "example_id", "train.assemble")
        self._require_valid(joined, seen)
        fitted_on, held_out = train.slices(planted.with_planted(joined, split, self.spec), split)
        kept = train.keep(fitted_on, held_out, interval)
        snapshot = lake.write(
            naming.training_table(self.spec.name), kept, time=train.INTERVAL_START, interval=_point(interval),
            owner=self.spec.name, commit={"run": context["run_id"]},
        )  # fmt: skip
        views = [lake.snapshot(view.name, time=naming.EVENT_TIME, interval=read) for view in self.spec.views]
        tables = [
            lake.snapshot(table.name, time=table.time_column, interval=read if table.time_column else None)
            for table in self.spec.tables
        ]
        self.log.info("training rows %d, holdout rows %d, digest %s", len(fitted_on), len(held_out), snapshot.digest)
        return {
            "training_set": snapshot.facts(), "train": str(split.train), "holdout": str(split.holdout),
            "split_by": "key" if isinstance(self.spec.windows, Shares) else "time",
            "train_rows": len(fitted_on), "holdout_rows": len(held_out), "unlabelled": len(examples) - len(labelled),
            "holdout_unlabelled": train.within(examples, split.holdout) - train.within(labelled, split.holdout),
            "joined_views": len(self.spec.views), "tables": [item.facts() for item in (*tables, *views)],
            "files": {item.table: lake.files_digest(item.table, item.version) for item in (*tables, *views, snapshot)},
        }  # fmt: skip

    def _require_valid(self, joined: Any, seen: Interval) -> None:
        from contender.adapters.expectations import validate
        from contender.adapters.expectations_suite import load_suite
        from contender.stages import data

        suite = load_suite(self.settings.expectations / self.spec.name / "training_set.json")
        found = validate(joined, suite, parameters=data.bounds(seen, None))
        data.require_valid({"training_set": found.critical})


def _point(interval: Interval) -> Interval:
    """The slice of rows whose `interval_start` is the interval's."""
    from datetime import timedelta

    return Interval(start=interval.start, end=interval.start + timedelta(microseconds=1))


def read_training_set(model: str, assembled: dict[str, Any]) -> tuple[Any, Any]:
    """Training rows and holdout rows of a stored training set, at the version that was assembled."""
    from contender.adapters.lake import Lake
    from contender.stages import train

    snapshot = Snapshot.model_validate(assembled["training_set"])
    rows = Lake(settings().lake).read(
        naming.training_table(model), time=train.INTERVAL_START, interval=snapshot.interval, version=snapshot.version
    )
    return train.restore(rows)


def study_name(context: Context, assembled: dict[str, Any]) -> str:
    """One study for each DAG run and training set: a cleared run whose data changed starts its search anew."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{assembled['training_set']['digest']}"


class TrainPlan(ModelOperator):
    """Draw the parameter sets that the trials will try.

    Args:
        assembled: What `TrainAssemble` returned (templated).
    """

    template_fields: Sequence[str] = ("assembled",)
    ui_color = COLOUR

    def __init__(self, *, assembled: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.assembled = assembled

    def execute(self, context: Context) -> list[int]:
        """Create the study and return the trial numbers."""
        from contender.adapters import tuning

        trials = int(context["params"].get("trials") or self.spec.tuning.trials)
        return tuning.draw(
            self.settings.optuna_storage, study_name(context, self.assembled), self.functions.search_space(),
            trials=trials, seed=self.spec.seed,
        )  # fmt: skip


class TrainTrial(ModelOperator):
    """Score one parameter set on the newest days of the training rows.

    Args:
        trial: Number of the trial (templated).
        assembled: What `TrainAssemble` returned (templated).
    """

    template_fields: Sequence[str] = ("trial", "assembled")
    ui_color = COLOUR

    def __init__(self, *, trial: Any, assembled: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trial = trial
        self.assembled = assembled

    def execute(self, context: Context) -> float:
        """Fit, score and tell the study; returns the task's loss."""
        from contender.adapters import tuning
        from contender.stages import train

        storage, study, number = self.settings.optuna_storage, study_name(context, self.assembled), int(self.trial)
        parameters = tuning.parameters(storage, study, number)
        rows, _ = read_training_set(self.spec.name, self.assembled)
        value = train.trial_score(self.functions.estimator, parameters, rows, self.spec)
        tuning.tell(storage, study, number, value)
        loss = train.LOSSES[self.spec.task]
        self.log.info("trial %d: %s %.5f with %s", number, loss, value, parameters or "the defaults")
        return value


class MlflowRunLink(PushedLink):
    """The run in MLflow's UI, where its address is known."""

    name = "MLflow run"


class TrainFit(ModelOperator):
    """Fit on all training rows with the best parameters, log to MLflow and register the challenger.

    Args:
        trials: The scores of the trials, by their numbers (templated).
        assembled: What `TrainAssemble` returned (templated).
    """

    template_fields: Sequence[str] = ("trials", "assembled")
    operator_extra_links = (MlflowRunLink(),)
    ui_color = COLOUR

    def __init__(self, *, trials: Any, assembled: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trials = trials
        self.assembled = assembled

    def execute(self, context: Context) -> dict[str, Any]:
        """Fit and register.

        Returns:
            `run_id` (of this fit), `version` (known already where the same model was fitted before), `new_version`,
            `model_digest`, `parameters` of the fitted estimator, `called_with` (what `estimator` was given),
            `label_share` of the training rows: of label 1, of each class, or their mean.
        """
        from contender.adapters import lineage, tuning
        from contender.adapters.lake import Lake
        from contender.adapters.tracking import Tracking
        from contender.stages import plots, train
        from contender.stages.gate import fingerprints

        rows, holdout = read_training_set(self.spec.name, self.assembled)
        # Whoever sees how well a model does on the holdout has had a look at it, and looks are counted by the gate.
        holdout = holdout.drop(columns=self.spec.label)
        tracking = Tracking(self.spec.name)
        scores = list(self.trials)
        winner = scores.index(min(scores))  # the first of equals
        study = study_name(context, self.assembled)
        parameters = tuning.parameters(self.settings.optuna_storage, study, winner)
        with tracking.run(task_identity(context), self._inputs(), self._tags(context)) as run:
            if ui := self.settings.mlflow_ui:
                page = f"{ui}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
                context["ti"].xcom_push(key=self.operator_extra_links[0].xcom_key, value=page)
            tracking.end_orphans(run)
            model = train.fit(self.functions.estimator, parameters, rows, self.spec)
            fitted = train.store(model, holdout, self.spec)
            tracking.log_fit(
                parameters={**train.parameters_of(model), "trial": winner, "seed": self.spec.seed},
                metrics={
                    "onnx_largest_difference": fitted.largest_difference,
                    **{f"trial_{number}_{train.LOSSES[self.spec.task]}": score for number, score in enumerate(scores)},
                },
                dataset=train.inputs(rows.head(1000), self.spec.columns),
                dataset_uri=Lake(self.settings.lake).uri(naming.training_table(self.spec.name)),
                dataset_version=self.assembled["training_set"]["version"],
                dataset_digest=self.assembled["training_set"]["digest"],
                model_digest=fitted.digest,
                bundle=self._bundle(context, fitted, holdout, run.info.run_id),
                figures={"importance": plots.importance(fitted.content, rows, self.spec)},
            )
            example = train.inputs(holdout.head(5), self.spec.columns)
            version, new = tracking.register(run=run, content=fitted.content, digest=fitted.digest, example=example)
            traced = fingerprints.traced(
                rows, version=version.version, model_digest=version.digest, cluster=self.spec.gate.cluster,
                train=Interval.parse(self.assembled["train"]),
                training_set=Snapshot.model_validate(self.assembled["training_set"]),
            )  # fmt: skip
            lineage.keep(tracking, version, traced)
            tracking.set_alias(naming.CHALLENGER, version.version)
        self.log.info("version %s (%s)", version.version, "new" if new else "known")
        return {
            "run_id": run.info.run_id, "version": version.version, "new_version": new, "model_digest": fitted.digest,
            "parameters": train.parameters_of(model), "called_with": parameters,
            "label_share": train.label_share(rows, self.spec),
        }  # fmt: skip

    def _inputs(self) -> str:
        """Digest of what the fit depends on: rows, code, scores of the trials."""
        from contender.adapters.revision import lock_digest, model_code_digest

        code = [model_code_digest(self.settings, self.spec.name, self.spec.owners()), lock_digest()]
        return digest_of([self.assembled["training_set"]["digest"], code, list(self.trials)])

    def _tags(self, context: Context) -> dict[str, str]:
        from contender.adapters.revision import lock_digest

        return {
            "interval": str(run_interval(context, self.spec)),
            "mlflow.source.git.commit": self.code_revision(context),
            "contender.lock_digest": lock_digest(),
            "contender.training_set_digest": self.assembled["training_set"]["digest"],
            "contender.training_set_version": str(self.assembled["training_set"]["version"]),
        }

    def _bundle(self, context: Context, fitted: Any, holdout: Any, run_id: str) -> dict[str, bytes]:
        """The files that the image is built from and the app reads."""
        from contender.adapters.features import Features
        from contender.stages import packing, train

        signature = {
            "model": self.spec.name, "label": self.spec.label, "task": self.spec.task, "classes": self.spec.classes,
            "columns": [column.model_dump(mode="json") for column in self.spec.columns],
            "views": Features(self.settings).describe([view.name for view in self.spec.views]),
        }  # fmt: skip
        about = {
            "model": self.spec.name, "model_digest": fitted.digest, "run_id": run_id,
            "code_revision": self.code_revision(context),
            "train": self.assembled["train"], "holdout": self.assembled["holdout"],
        }  # fmt: skip
        files = {"model.onnx": fitted.content, packing.PACKED: packing.packed(fitted.content, self.spec.columns)}
        documents = {"signature": signature, "about": about, "golden": train.golden(fitted, holdout, self.spec)}
        files |= {f"{name}.json": json.dumps(content, indent=1).encode() for name, content in documents.items()}
        # A model that takes the views of one owner alone is asked as its owner is.
        asked = [self.folder, *(self.settings.models / maker.name for maker in makers(self.spec, self.owners))]
        request = next((path for folder in asked if (path := folder / "request.py").exists()), None)
        return files | ({"request.py": request.read_bytes()} if request else {})
