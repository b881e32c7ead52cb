"""What all operators of a model share: its spec, its functions, and the interval of the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink, Context
from airflow.sdk.configuration import conf
from pendulum import instance

from contender.core.errors import IntervalError
from contender.core.interval import Interval
from contender.core.model_code import module_of
from contender.core.settings import Settings, settings
from contender.core.sharing import owners_of
from contender.core.spec import ModelSpec
from contender.core.windows import Shares
from contender.operators.timetable import intervals_with_data

if TYPE_CHECKING:
    from contender.stages.defaults.functions import ModelFunctions


class PushedLink(BaseOperatorLink):
    """A button on the task's page to the address that the task pushed as XCom under the link's key.

    Airflow asks for it when the task ends, failed ones too: push the address as soon as it is known.
    """

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address; empty where the task pushed none."""
        from airflow.sdk.execution_time.xcom import XCom  # the configured backend, chosen when it is imported

        return str(XCom.get_value(ti_key=ti_key, key=self.xcom_key) or "")


def address(page: str) -> str:
    """Full address of one of the platform's own pages; without `[api] base_url` only what follows the host."""
    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/") + page


class ModelOperator(BaseOperator):
    """Base of the stages' operators.

    Args:
        spec: The model's declaration.
    """

    def __init__(self, *, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec

    @property
    def folder(self) -> Path:
        """The model's folder, where its `dag.py` lies: in a run from Git that of the run's own checkout.

        Airflow says in the DAG which file it was parsed from: the model's own, or one beside the models' folders that
        reads it. A DAG that no file declares belongs to the checkout.
        """
        folder = Path(self.dag.fileloc).parent
        beside = folder.parent / self.spec.name
        if folder.name == self.spec.name or (beside / "dag.py").is_file():
            return beside
        return settings().models / self.spec.name

    @property
    def settings(self) -> Settings:
        """The platform's places, with the model's code where the run's `dag.py` lies."""
        return settings(root=self.folder.parents[1])

    @property
    def owners(self) -> dict[str, ModelSpec]:
        """The specs of the models that this one shares with, by name, read in the task from the same checkout.

        Raises:
            SpecError: What is shared cannot be, see `contender.core.sharing`.
        """
        folders = [path.parent for path in sorted(self.settings.models.glob("*/dag.py"))] if self.spec.owners() else []
        return owners_of(self.spec, {folder.name: partial(_spec_in, folder) for folder in folders})

    @property
    def functions(self) -> ModelFunctions:
        """The model's functions, imported in the task and not when the DAG is parsed."""
        from contender.stages.defaults.functions import functions_of

        for name in self.owners:  # first, so that the model's own imports of theirs find those of this checkout
            module_of(self.settings.models / name, "model")
        return functions_of(module_of(self.folder, "model"), self.spec)

    def functions_of(self, maker: ModelSpec) -> ModelFunctions:
        """The functions of the model itself or of one of its owners."""
        from contender.stages.defaults.functions import functions_of

        if maker.name == self.spec.name:
            return self.functions
        return functions_of(module_of(self.settings.models / maker.name, "model"), maker)

    def code_revision(self, context: Context) -> str:
        """The commit of the model's code: that of the run's bundle, or of the checkout where nothing is bundled."""
        from contender.adapters.revision import code_revision

        # Airflow leaves no `.git` in a version's checkout; Git would answer for a repository around it.
        bundle = getattr(context["ti"], "bundle_instance", None)
        return (bundle and bundle.version) or code_revision(self.settings.root)


class ImageOperator(ModelOperator):
    """Base of the operators that look at what was built of what was trained.

    Args:
        fitted: What `TrainFit` returned (templated).
        built: What `ImageBuild` returned (templated).
    """

    template_fields: Sequence[str] = ("fitted", "built")

    def __init__(self, *, fitted: Any, built: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fitted = fitted
        self.built = built


def _spec_in(folder: Path) -> ModelSpec:
    """The spec in a model's folder. Outside Airflow's own parsing the DAGs beside it are objects that nobody lists."""
    spec: ModelSpec = module_of(folder, "dag").SPEC
    return spec


def run_interval(context: Context, spec: ModelSpec) -> Interval:
    """The interval that a run works on.

    It is the parameter `interval` where one is given, otherwise the run's data interval. A run that somebody
    triggered without either, or today, gets the newest interval of the spec's data; of a model whose rows have no time,
    the one that its data begin with.

    Raises:
        IntervalError: There is no interval, or it lies outside the spec's data.
    """
    asked = context["params"].get("interval")
    if asked:
        return _within_data(Interval.parse_months(str(asked)), spec)
    run = context["dag_run"]
    start, end = run.data_interval_start, run.data_interval_end
    scheduled = run_type(context) in {"scheduled", "backfill"}
    if start is not None and end is not None and start < end and (scheduled or _has_data(end, spec)):
        return _within_data(Interval(start=start, end=end), spec)
    if isinstance(spec.windows, Shares):
        return Interval.parse(f"{spec.data_from.astimezone(UTC):%Y-%m}")
    if spec.data_until is None:
        raise IntervalError(
            "the run has no interval",
            where=f"{spec.name}: parameter interval",
            expected="an interval, as the spec's data has no end",
            got="a run without a data interval",
            next_step="trigger it with the parameter interval, e.g. 2013-06",
        )
    timetable = intervals_with_data(spec.schedule, spec.data_until)
    newest = timetable.infer_manual_data_interval(run_after=instance(spec.data_until))
    return Interval(start=newest.start, end=newest.end)


def run_type(context: Context) -> str:
    """What started the run: `manual`, `scheduled`, `backfill`, `asset_triggered`.

    In a worker it is an enumeration whose text is its Python name.
    """
    kind = context["dag_run"].run_type
    return str(getattr(kind, "value", kind))


def _has_data(end: Any, spec: ModelSpec) -> bool:
    return bool(end > spec.data_from and (spec.data_until is None or end <= spec.data_until))


def _within_data(interval: Interval, spec: ModelSpec) -> Interval:
    if interval.start < spec.data_from or (spec.data_until is not None and interval.end > spec.data_until):
        until = spec.data_until.date().isoformat() if spec.data_until else "now on"
        raise IntervalError(
            "the interval has no data",
            where=f"{spec.name}: interval",
            expected=f"a part of {spec.data_from.date().isoformat()}/{until}",
            got=str(interval),
            next_step="trigger the run with an interval inside; the spec's data_from and data_until bound it",
        )
    return interval


def task_identity(context: Context) -> str:
    """What identifies a task across its attempts: DAG, run, task and map index."""
    ti = context["ti"]
    return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}"
