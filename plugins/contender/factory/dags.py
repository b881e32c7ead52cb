"""The three DAGs of a model: `<model>_train`, `<model>_score` and `<model>_deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, Label, Param, TaskGroup, TriggerRule, XComArg
from airflow.sdk.definitions.param import ParamsDict

from contender.core import naming
from contender.core.errors import SpecError
from contender.core.markdown import plain
from contender.core.spec import ModelSpec
from contender.factory.model_dag import model_dag
from contender.operators.approval import BODY, SUBJECT
from contender.operators.data import DataLoad, DataValidate
from contender.operators.deploy import DeployPrune, DeployServe
from contender.operators.features import FeaturesBuild, FeaturesMaterialise
from contender.operators.gate import EVIDENCE, VERDICT, GateDecide, GateMeasure, override_param
from contender.operators.image import SKIPPED, ImageBuild, ImageInventory, ImageProve
from contender.operators.promote import PromoteApprove, PromotePush, PromoteRelease
from contender.operators.score import ScorePredict
from contender.operators.timetable import intervals_with_data
from contender.operators.train import TrainAssemble, TrainFit, TrainPlan, TrainTrial

# Whole months: one, or the firsts of two.
INTERVAL_PATTERN = r"^\d{4}-(0[1-9]|1[0-2])(-01/\d{4}-(0[1-9]|1[0-2])-01)?$"

# Tasks that write what all runs of a model share: a backfill beside a run that somebody triggered takes turns with it.
ONE_AT_A_TIME: dict[str, Any] = {"max_active_tis_per_dag": 1}


def model_dags(spec: ModelSpec, doc: str | None, file: str | None = None) -> tuple[DAG, DAG, DAG]:
    """Make a model's DAGs.

    Args:
        spec: The model.
        doc: Documentation for the UI, in Markdown; the docstring of the model's `dag.py`.
        file: The model's `dag.py`; its folder must bear the model's name.

    Returns:
        The training DAG, the batch scoring DAG and the deployment DAG.

    Raises:
        SpecError: The folder has another name: a copied model whose spec was not renamed would replace the original.
    """
    if file is not None and Path(file).parent.name != spec.name:
        raise SpecError(
            "the spec's name is not its folder's",
            where=f"{file}: SPEC.name",
            expected=repr(Path(file).parent.name),
            got=repr(spec.name),
            next_step="give both the same name; it is the stem of everything that belongs to the model",
        )
    return _train(spec, doc), _score(spec, doc), _deploy(spec, doc)


def _with_params(dag: DAG, params: dict[str, Param]) -> DAG:
    """Give a DAG its parameters once its tasks are made.

    Earlier, Airflow would put a copy of them into each task, which meets them all the same when it runs; with the
    copies a DAG takes three times as long to store at each parse.
    """
    dag.params = ParamsDict(params)
    return dag


def _interval_param(spec: ModelSpec) -> Param:
    return Param(
        None,
        type=["null", "string"],
        pattern=INTERVAL_PATTERN,
        title="Interval",
        description="The interval to work on, UTC: a month `2013-06`, or several `2013-03-01/2013-06-01`. "
        "Empty: the run's own data interval, or the newest of the model's data.",
        examples=[f"{spec.data_from:%Y-%m}"],
    )


def _train(spec: ModelSpec, doc: str | None) -> DAG:
    params = {
        "interval": _interval_param(spec),
        "trials": Param(
            spec.tuning.trials, type="integer", minimum=1, maximum=500, title="Tuning trials",
            description="How many parameter sets are tried; the first is always the estimator's defaults.",
        ),
        "force_rebuild": Param(
            False, type="boolean", title="Force rebuild",
            description="Read, validate and build every month of the window again, not just what is missing.",
        ),
        "approval": Param(
            False, type="boolean", title="Ask for approval",
            description="Wait for a person's approval before the champion is replaced, whatever the policy says.",
        ),
        "override": override_param(),
    }  # fmt: skip
    filters = {"plain": plain}  # for what people wrote, in the request for approval
    months = intervals_with_data(spec.schedule, spec.data_until)
    with model_dag(spec, "train", doc=doc, schedule=months, user_defined_filters=filters) as dag:
        with TaskGroup("data", tooltip="Validate what the source delivers, then load what passed"):
            validate = DataValidate(task_id="validate", spec=spec, **ONE_AT_A_TIME)
            load = DataLoad(task_id="load", spec=spec, **ONE_AT_A_TIME, validated=validate.output)
        with TaskGroup("features", tooltip="Build the feature tables, then load the online store"):
            build = FeaturesBuild(task_id="build", spec=spec, **ONE_AT_A_TIME)
            materialise = FeaturesMaterialise(task_id="materialise", spec=spec, **ONE_AT_A_TIME)
        with TaskGroup("train", tooltip="Assemble the training set, search, fit and register the challenger"):
            assemble = TrainAssemble(task_id="assemble", spec=spec, **ONE_AT_A_TIME)
            plan = TrainPlan(task_id="plan", spec=spec, assembled=assemble.output)
            trial = TrainTrial.partial(task_id="trial", spec=spec, assembled=assemble.output).expand(trial=plan.output)
            fit = TrainFit(task_id="fit", spec=spec, trials=trial.output, assembled=assemble.output)
        with TaskGroup("image", tooltip="Build the serving image, have it answer the golden requests, list its parts"):
            image = ImageBuild(task_id="build", spec=spec, fitted=fit.output)
            prove = ImageProve(task_id="prove", spec=spec, fitted=fit.output, built=image.output)
            inventory = ImageInventory(
                task_id="inventory", spec=spec, fitted=fit.output, built=_optional(image),
                trigger_rule=TriggerRule.NONE_FAILED,  # without an engine it lists what an image would be built of
            )  # fmt: skip
            image >> inventory
        with TaskGroup("gate", tooltip="Measure challenger and champion on the same holdout, then decide"):
            measure = GateMeasure(task_id="measure", spec=spec, assembled=assemble.output, fitted=fit.output)
            decide = GateDecide(
                task_id="decide", spec=spec, assembled=assemble.output, fitted=fit.output, evidence=measure.output,
                proof=_optional(prove), built=_optional(image), skipped=_optional(image, SKIPPED),
                trigger_rule=TriggerRule.NONE_FAILED,  # without an engine the image tasks are skipped
            )  # fmt: skip
            verdicts = {name: EmptyOperator(task_id=name) for name in ("promote", "hold", "reject")}
            for name, verdict in verdicts.items():
                decide >> Label(name) >> verdict
        with TaskGroup(
            "promote", tooltip="Ask where asked to, push the image, then move the alias and write the manifest"
        ):
            approve = PromoteApprove(
                task_id="approve", spec=spec,
                assembled=_optional(assemble), fitted=_optional(fit),
                evidence=_optional(decide, EVIDENCE), verdict=_optional(decide, VERDICT),
                subject=SUBJECT, body=BODY,
                # Where the policy has each verdict confirmed, all three branches lead here, and one is taken.
                trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
            )  # fmt: skip
            push = PromotePush(task_id="push", spec=spec, evidence=XComArg(decide, key=EVIDENCE))
            PromoteRelease(
                task_id="release", spec=spec, **ONE_AT_A_TIME,
                assembled=assemble.output, materialised=materialise.output, fitted=fit.output,
                inventory=inventory.output,
                evidence=XComArg(decide, key=EVIDENCE), verdict=XComArg(decide, key=VERDICT),
                approval=_optional(approve), pushed=push.output,
            )  # fmt: skip
        load >> build >> materialise >> assemble
        prove >> decide
        asked = verdicts.values() if spec.gate.approval == "always" else [verdicts["promote"]]
        for verdict in asked:
            verdict >> approve
        approve >> push
    return _with_params(dag, params)


def _optional(task: Any, key: str = "return_value") -> str:
    """A template of another task's XCom that is empty where the task was skipped, and makes no dependency."""
    return f"{{{{ ti.xcom_pull(task_ids='{task.task_id}', key='{key}') }}}}"


def _score(spec: ModelSpec, doc: str | None) -> DAG:
    with (
        model_dag(spec, "score", doc=doc, schedule=intervals_with_data(spec.schedule, spec.data_until)) as dag,
        TaskGroup("score", tooltip="The champion's predictions for the interval"),
    ):
        ScorePredict(task_id="predict", spec=spec, inlets=[Asset(naming.asset_name(spec.name))])
    return _with_params(dag, {"interval": _interval_param(spec)})


def _deploy(spec: ModelSpec, doc: str | None) -> DAG:
    # Not paused at its creation: the asset starts a run only of a DAG that is not paused when it is updated.
    moved = Asset(naming.asset_name(spec.name))
    with (
        model_dag(spec, "deploy", doc=doc, schedule=moved, is_paused_upon_creation=False) as dag,
        TaskGroup("deploy", tooltip="The champion's image in the place of the one before, then removal of old ones"),
    ):
        serve = DeployServe(task_id="serve", spec=spec)
        serve >> DeployPrune(task_id="prune", spec=spec)
    return dag
