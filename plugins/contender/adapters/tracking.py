"""MLflow: one run for each task of a DAG run, model versions known by their content, and the two aliases.

Where MLflow lies is said by its own `MLFLOW_TRACKING_URI` and `MLFLOW_REGISTRY_URI`; retries and time-outs by its
`MLFLOW_HTTP_REQUEST_*`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pandas as pd
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.entities import Run, RunStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from contender.adapters.graph_signature import graph_signature
from contender.core.errors import BundleBroken, ContenderError, TrackingUnreachable
from contender.core.settings import settings
from contender.core.spec import Column

log = logging.getLogger(__name__)

TASK_TAG = "contender.task"  # one MLflow run for each task and inputs
INPUTS_TAG = "contender.inputs"
ORPHANED_AFTER_MS = 24 * 60 * 60 * 1000
DIGEST_TAG = "contender.model_digest"
BUNDLE = "bundle"
REPORT = "report"
REPORT_TAG = "contender.report_digest"
SERVED_WITH = ["onnxruntime"]


@contextmanager
def reachable() -> Iterator[None]:
    """Say that MLflow does not answer, rather than how its client found out."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        if isinstance(error, MlflowException) and error.error_code not in {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"}:
            raise
        raise TrackingUnreachable(
            "MLflow does not answer",
            where=mlflow.get_tracking_uri(),
            expected="a tracking server or store",
            got=str(error).splitlines()[0][:200],
            next_step="start it or correct MLFLOW_TRACKING_URI, then clear the failed task; nothing was registered",
        ) from error


@dataclass(frozen=True)
class Version:
    """A registered model version.

    Attributes:
        model, version: Name and number in the registry.
        run_id: The run that trained it.
        digest: SHA-256 of its stored form.
        tags: Its tags.
    """

    model: str
    version: str
    run_id: str
    digest: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Stored:
    """A version's model in the form it is served in.

    Attributes:
        content: ONNX bytes.
        columns: Its inputs, which need not be those of the spec as it is now.
        about: Where it comes from: `about.json` of its bundle.
    """

    content: bytes
    columns: tuple[Column, ...]
    about: Mapping[str, Any]


class Tracking:
    """Runs and versions of one model.

    Args:
        model: The model's name; also the name of its experiment and of its registered model.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        # Without a server MLflow would keep the artefacts in whatever folder the process was started in.
        serverless = mlflow.get_tracking_uri().startswith("sqlite:")
        artifacts = str(settings().home / "mlflow" / "artifacts") if serverless else None
        with reachable():
            self.client = mlflow.MlflowClient()
            found = self.client.get_experiment_by_name(model)
            self.experiment = (
                found.experiment_id if found else self.client.create_experiment(model, artifact_location=artifacts)
            )

    @contextmanager
    def run(self, task: str, inputs: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """The one MLflow run of a task and its inputs, begun or taken up again; it ends as finished or failed.

        Args:
            task: Identity of the task: DAG run, task and map index.
            inputs: Digest of what the task works on. A task that is cleared after its inputs changed gets a run of its
                own: what the earlier run logged stays as it was.
            tags: Further tags.
        """
        with reachable():
            query = f"tags.`{TASK_TAG}` = '{task}' AND tags.`{INPUTS_TAG}` = '{inputs}'"
            there = self.client.search_runs([self.experiment], query, max_results=1)
            begun = there[0] if there else None
            active = mlflow.start_run(
                run_id=begun.info.run_id if begun else None,
                experiment_id=self.experiment,
                run_name=None if begun else task,
                tags={**tags, TASK_TAG: task, INPUTS_TAG: inputs},
            )
        try:
            yield active
        except BaseException:
            _end(RunStatus.FAILED)
            raise
        with reachable():
            mlflow.end_run()

    def end_orphans(self, current: Run) -> list[str]:
        """Mark runs as failed that were begun long before the current one and never ended: their tasks were killed."""
        with reachable():
            oldest = current.info.start_time - ORPHANED_AFTER_MS
            query = f"attributes.status = 'RUNNING' AND attributes.start_time < {oldest}"
            orphans = [run.info.run_id for run in self.client.search_runs([self.experiment], query)]
            for run_id in orphans:
                self.client.set_terminated(run_id, RunStatus.to_string(RunStatus.FAILED))
        return orphans

    def log_fit(
        self,
        *,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        dataset: pd.DataFrame,
        dataset_uri: str,
        dataset_version: int,
        dataset_digest: str,
        model_digest: str,
        bundle: Mapping[str, bytes],
        figures: Mapping[str, Any],
    ) -> None:
        """Record in the active run how the model was fitted; how good it is, `log_evidence` adds."""
        with reachable():
            mlflow.log_params(dict(parameters))
            mlflow.log_metrics(dict(metrics))
            table = DeltaDatasetSource(path=dataset_uri, delta_table_version=dataset_version)
            rows = mlflow.data.from_pandas(dataset, source=table, name=self.model, digest=dataset_digest[:36])
            mlflow.log_input(rows, context="training")
            for name, figure in figures.items():
                mlflow.log_figure(figure, f"plots/{name}.png")
            with tempfile.TemporaryDirectory() as folder:
                for name, content in bundle.items():
                    (Path(folder) / name).write_bytes(content)
                mlflow.log_artifacts(folder, f"{BUNDLE}/{model_digest}")

    def register(self, *, run: Run, content: bytes, digest: str, example: pd.DataFrame) -> tuple[Version, bool]:
        """Register the stored model, unless a version with the same digest exists.

        Args:
            run: The active run.
            content: ONNX bytes.
            digest: Their SHA-256.
            example: A few input rows.

        Returns:
            The version, and whether it is new.
        """
        with reachable():
            there = self.with_digest(digest)
            if there is not None:
                return there, False
            graph = onnx.load_from_string(content)
            logged = mlflow.onnx.log_model(
                graph,
                name=self.model,
                signature=graph_signature(graph),
                pip_requirements=SERVED_WITH,
                save_as_external_data=False,
            )
            mlflow.log_dict(example.to_dict("split", index=False), "input_example.json")
            if not self._is_registered():
                self.client.create_registered_model(self.model)
            made = self.client.create_model_version(
                self.model,
                logged.model_uri,
                run_id=run.info.run_id,
                tags={DIGEST_TAG: digest},
                model_id=logged.model_id,
            )
            return _version(made), True

    def _is_registered(self) -> bool:
        return bool(self.client.search_registered_models(f"name = '{self.model}'"))

    def with_digest(self, digest: str) -> Version | None:
        """The version whose stored form has this digest, or `None`."""
        with reachable():
            versions = self.client.search_model_versions(f"name = '{self.model}'")
        found = [_version(item) for item in versions if item.tags.get(DIGEST_TAG) == digest]
        return min(found, key=lambda item: int(item.version)) if found else None

    def aliased(self, alias: str) -> Version | None:
        """The version that bears an alias, or `None`."""
        with reachable():
            if not self._is_registered():
                return None
            aliases = self.client.get_registered_model(self.model).aliases
            number = aliases.get(alias)
            return _version(self.client.get_model_version(self.model, number)) if number else None

    def required(self, alias: str) -> Version:
        """The version that bears an alias.

        Raises:
            ContenderError: No version bears it.
        """
        found = self.aliased(alias)
        if found is None:
            raise ContenderError(
                f"no version bears the alias {alias!r}",
                where=f"models:/{self.model}@{alias}",
                expected="a promoted version",
                got="none",
                next_step=f"make demo MODEL={self.model}",
            )
        return found

    def version(self, number: str) -> Version:
        """One version by its number."""
        with reachable():
            return _version(self.client.get_model_version(self.model, number))

    def set_alias(self, alias: str, version: str) -> None:
        """Move an alias; setting it where it is already changes nothing."""
        with reachable():
            self.client.set_registered_model_alias(self.model, alias, version)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        with reachable():
            for name, value in tags.items():
                self.client.set_model_version_tag(self.model, version, name, value)

    def log_evidence(
        self, run_id: str, version: Version, metrics: Mapping[str, float], report: Mapping[str, Any]
    ) -> None:
        """Record the gate's figures.

        Args:
            run_id: The run whose model was measured; where it came out as a known version, not that version's own run.
            version: The version; its logged model gets the metrics too where the run is the one that made it.
            metrics: Figures by name.
            report: The evidence, kept as `evidence.json`.
        """
        with reachable():
            own = version.run_id == run_id
            model_id = self.client.get_model_version(self.model, version.version).model_id if own else None
            for name, value in metrics.items():
                self.client.log_metric(run_id, name, value, model_id=model_id)
            self.client.log_dict(run_id, dict(report), "evidence.json")

    def log_report(self, run_id: str, texts: Mapping[str, str]) -> None:
        """Keep the report of a decision with the run that was decided on, over an older one.

        Args:
            run_id: The run.
            texts: Page, card and figures, by their names below the run's folder of the report.
        """
        with reachable():
            for name, text in texts.items():
                self.client.log_text(run_id, text, f"{REPORT}/{name}")

    def describe(self, version: str, description: str, report_digest: str) -> None:
        """Give a version its card, and the digest of the page that says the same."""
        with reachable():
            self.client.update_model_version(self.model, version, description)
        self.tag(version, {REPORT_TAG: report_digest})

    def bundle(self, version: Version, to: Path) -> Path:
        """Copy a version's bundle into a folder and return it.

        Raises:
            BundleBroken: Its model is not the one that was registered.
        """
        with reachable():
            path = Path(self.client.download_artifacts(version.run_id, f"{BUNDLE}/{version.digest}", str(_folder(to))))
        found = hashlib.sha256((path / "model.onnx").read_bytes()).hexdigest()
        if found != version.digest:
            raise BundleBroken(
                "the stored model is not the one that was registered",
                where=f"{version.model} version {version.version}, run {version.run_id}",
                expected=f"SHA-256 {version.digest}",
                got=found,
                next_step="restore the run's artefacts from a backup, or train the interval again",
            )
        return path

    def stored(self, version: Version) -> Stored:
        """A version's model and what its bundle says of it.

        Raises:
            BundleBroken: Its model is not the one that was registered.
        """
        with tempfile.TemporaryDirectory() as folder:
            bundle = self.bundle(version, Path(folder))
            signature, about = (json.loads((bundle / f"{name}.json").read_bytes()) for name in ("signature", "about"))
            columns = tuple(Column.model_validate(column) for column in signature["columns"])
            return Stored(content=(bundle / "model.onnx").read_bytes(), columns=columns, about=about)


def _end(status: int) -> None:
    """End the active run in an error's wake: that MLflow is gone as well must not hide the error."""
    try:
        mlflow.end_run(RunStatus.to_string(status))
    except (MlflowException, SQLAlchemyError, OSError):
        log.exception("MLflow could not be told that the run failed; it is ended by the next run")


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _version(found: ModelVersion) -> Version:
    return Version(
        model=found.name,
        version=str(found.version),
        run_id=found.run_id,
        digest=found.tags.get(DIGEST_TAG, ""),
        tags=dict(found.tags),
    )


def export(model: str, alias: str, to: Path) -> Version:
    """Copy the bundle of the version that bears an alias into a folder, with its version in `about.json`.

    Raises:
        ContenderError: No version bears the alias.
    """
    tracking = Tracking(model)
    found = tracking.required(alias)
    with tempfile.TemporaryDirectory() as folder:
        bundle = tracking.bundle(found, Path(folder))
        about = json.loads((bundle / "about.json").read_bytes()) | {"version": found.version}
        (bundle / "about.json").write_text(json.dumps(about, indent=1))
        shutil.copytree(bundle, to, dirs_exist_ok=True)
    return found


def main(arguments: list[str]) -> int:
    """`export MODEL ALIAS FOLDER`: copy a bundle and print its version."""
    match arguments:
        case ["export", model, alias, folder]:
            try:
                print(export(model, alias, Path(folder)).version)
            except ContenderError as error:
                print(error, file=sys.stderr)
                return 1
            return 0
        case _:
            print("usage: python -m contender.adapters.tracking export MODEL ALIAS FOLDER", file=sys.stderr)
            return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
