"""Train: the training set and its slices, one trial, the fit, and the form in which the model is stored."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from contender.core.errors import ModelNotFaithful, NoLabels, NoValues, some
from contender.core.interval import Interval
from contender.core.naming import DUE_AT, EVENT_TIME
from contender.core.policy import Task
from contender.core.spec import Column, ModelSpec
from contender.core.windows import Split
from contender.stages.defaults import converters
from contender.stages.gate.metrics import METRICS

# Float32 scores of two hundred trees differ by about 1e-7 between scikit-learn and ONNX Runtime; of numbers to predict
# this is meant for one of size 1, and larger ones may differ by as much more.
TOLERANCE = 1e-5
# What trials are scored by, whatever the gate decides by: a figure of each row, smooth in the scores.
LOSSES: dict[Task, str] = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mae", "forecast": "mae"}
GOLDEN_REQUESTS = 20
LABEL_KNOWN_AT = "label_known_at"
INTERVAL_START = "interval_start"
SLICE = "slice"
ONNX_OPSET = 18

Estimator = Any  # anything with scikit-learn's fit and predict_proba, or predict where a number is predicted
MakeEstimator = Callable[..., Estimator]
PROBABILITIES = "probabilities"  # the converter's name for them
BINARY = 2


def labelled(examples: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """The examples that have a label.

    Raises:
        NoLabels: Fewer than the spec's `label_share` of them have one.
    """
    known = examples[examples[spec.label].notna()]
    share = len(known) / len(examples) if len(examples) else 0.0
    if share < spec.label_share:
        raise NoLabels(
            "too few rows have a label",
            where=spec.label,
            expected=f"at least {spec.label_share:.0%} of the rows of the window",
            got=f"{len(known)} of {len(examples)} rows",
            next_step="wait until the labels have arrived, or mend the source that delivers them",
        )
    return known.reset_index(drop=True)


def slices(training_set: pd.DataFrame, split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows and holdout rows.

    A training row's label was observed before the holdout begins; the holdout is later than every training row.
    """
    due, known = training_set[DUE_AT], training_set[LABEL_KNOWN_AT]
    train = training_set[(due >= split.train.start) & (due < split.train.end) & (known <= split.holdout.start)]
    holdout = training_set[(due >= split.holdout.start) & (due < split.holdout.end)]
    return train.reset_index(drop=True), holdout.reset_index(drop=True)


def within(examples: pd.DataFrame, interval: Interval) -> int:
    """How many examples are due in an interval, labelled or not."""
    return int(((examples[DUE_AT] >= interval.start) & (examples[DUE_AT] < interval.end)).sum())


def keep(train: pd.DataFrame, holdout: pd.DataFrame, interval: Interval) -> pd.DataFrame:
    """Both slices as one frame to store, marked by `slice` (`train`, `holdout`) and `interval_start`."""
    both = pd.concat([train.assign(**{SLICE: "train"}), holdout.assign(**{SLICE: "holdout"})], ignore_index=True)
    return both.assign(**{INTERVAL_START: pd.Timestamp(interval.start).as_unit("us")})


def restore(stored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows and holdout rows of a stored training set, in one order whatever the table's files were."""
    ordered = stored.sort_values([EVENT_TIME, "example_id"], ignore_index=True)
    train, holdout = (ordered[ordered[SLICE] == name].reset_index(drop=True) for name in ("train", "holdout"))
    return train, holdout


def inputs(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """A model's inputs: numbers as float32 (missing as NaN), categories as text (missing as empty)."""
    return pd.DataFrame(
        {
            column.name: frame[column.name].astype("float32")
            if column.kind == "number"
            else frame[column.name].astype(object).where(frame[column.name].notna(), "")
            for column in columns
        }
    )


def labels(rows: pd.DataFrame, spec: ModelSpec) -> np.ndarray:
    """The labels as the estimator takes them: codes of classes as int64, numbers as float64."""
    found = rows[spec.label].to_numpy(dtype="float64")
    return found.astype("int64") if spec.task in ("binary", "multiclass") else found


def label_share(rows: pd.DataFrame, spec: ModelSpec) -> float | list[float]:
    """What a baseline knows of the training rows: the share of label 1, of each class, or the mean of the labels."""
    if spec.task == "multiclass":
        counts = np.bincount(labels(rows, spec), minlength=len(spec.classes))
        return [float(share) for share in counts / counts.sum()]
    return float(rows[spec.label].mean())


def loss(rows: pd.DataFrame, scores: np.ndarray, spec: ModelSpec) -> float:
    """What trials are scored by, of rows and their scores; less is better."""
    known = labels(rows, spec)
    return METRICS[spec.task][LOSSES[spec.task]].value(known == 1 if spec.task == "binary" else known, scores)


def fit(
    make: MakeEstimator, parameters: dict[str, Any], rows: pd.DataFrame, spec: ModelSpec, *, of: str = "training rows"
) -> Estimator:
    """Fit the model's estimator on labelled rows.

    Args:
        make: The model's `estimator` function.
        parameters: What it is called with.
        rows: Training rows, or those of them that a fold fits on.
        spec: The model.
        of: What these rows are, for the messages.

    Raises:
        NoLabels: There is no row, or a class of the spec has none.
        NoValues: A number has no value in any row: estimators have no common answer to that, and most fail.
    """
    known = labels(rows, spec)
    absent = [name for code, name in enumerate(spec.classes) if not (known == code).any()]
    if absent or len(known) == 0:
        raise NoLabels(
            "a class has no row to learn it from" if absent else "there are no rows to train on",
            where=f"{spec.name}: {of}, {spec.label}",
            expected=f"rows of each of {some(spec.classes, 20)}" if spec.classes else "labelled rows",
            got=f"{len(known)} rows, none of {some(absent)}" if absent else "0 rows",
            next_step="train on a longer window, or declare fewer or shorter folds (Tuning)"
            + (", or take the class out of the spec's classes" if absent else ""),
        )
    if empty := [name for name in spec.inputs("number") if rows[name].isna().all()]:
        raise NoValues(
            "inputs have no value in any row to fit on",
            where=f"{spec.name}: {of}, {rows[DUE_AT].min()} to {rows[DUE_AT].max()}",
            expected="a value of each numeric column in one row at least",
            got=f"none of {some(empty, 20)} in {len(rows)} rows",
            next_step="train on a longer window, declare fewer or shorter folds (Tuning) or shorter lags (Panel), or "
            "take the columns out of the spec; a source that stopped filling them is to be mended",
        )
    model = make(parameters, numbers=spec.inputs("number"), categories=spec.inputs("category"), seed=spec.seed)
    return _with_float32_thresholds(model.fit(inputs(rows, spec.columns), known))


def _with_float32_thresholds(model: Estimator) -> Estimator:
    """Move the thresholds of histogram gradient boosting down to the next float32.

    They lie between two values seen in training, in float64; ONNX keeps them in float32, and rounding to the nearest
    may put one on the wrong side of a value. For float32 inputs `x <= t` and `x <= (largest float32 not above t)` are
    the same, so the fitted model scores as before, and its converted form scores as it does. scikit-learn has no
    public access to the trees; `store` proves the result in any case.
    """
    last = last_step(model)
    for iteration in getattr(last, "_predictors", []):
        for tree in iteration:
            exact = tree.nodes["num_threshold"]
            near = exact.astype("float32")
            tree.nodes["num_threshold"] = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return model


def newest_from(rows: pd.DataFrame, spec: ModelSpec, fold: int = 0) -> pd.Timestamp:
    """When the newest `validation_days` of some rows begin, or those `fold` times as long before."""
    newest: pd.Timestamp = rows[DUE_AT].max()
    return newest - timedelta(days=spec.tuning.validation_days) * (fold + 1)


def trial_score(make: MakeEstimator, parameters: dict[str, Any], rows: pd.DataFrame, spec: ModelSpec) -> float:
    """The task's loss of one set of parameters on the newest days of the training rows.

    Args:
        make: The model's `estimator` function.
        parameters: What the trial tries.
        rows: Training rows; the newest `validation_days` of them are scored by a model of
            the older ones whose labels were known by then. With several `folds` so are the days before them, and the
            score is the mean.
        spec: The model.
    """
    found = []
    for fold in range(spec.tuning.folds):
        since, until = newest_from(rows, spec, fold), newest_from(rows, spec, fold - 1)
        older = rows[rows[LABEL_KNOWN_AT] <= since]
        newer = rows[(rows[DUE_AT] >= since) & ((rows[DUE_AT] < until) if fold else True)]
        if len(newer):  # a series may have a gap as long as a window
            of = f"rows known before fold {fold + 1} of {spec.tuning.folds}, which begins {since}"
            model = fit(make, parameters, older, spec, of=of)
            found.append(loss(newer, answers(model, inputs(newer, spec.columns), spec.task), spec))
    return float(np.mean(found))


def answers(model: Estimator, frame: pd.DataFrame, task: Task) -> np.ndarray:
    """What a fitted model answers, as `scores` gives it of the stored one."""
    if task in ("regression", "forecast"):
        return np.asarray(model.predict(frame), dtype="float64")
    chances = np.asarray(model.predict_proba(frame), dtype="float64")
    return chances[:, 1] if task == "binary" else chances


@dataclass(frozen=True)
class StoredModel:
    """A model in a form that runs no code when it is loaded.

    Attributes:
        content: ONNX bytes; one named input for each column, and as last output `probabilities`, or the number.
        digest: SHA-256 of the content, hexadecimal.
        largest_difference: Largest absolute difference of a score to the fitted model's, on the rows compared.
        tolerance: How large it may be: `TOLERANCE`, of numbers to predict times the largest of them.
    """

    content: bytes
    digest: str
    largest_difference: float
    tolerance: float


def store(model: Estimator, rows: pd.DataFrame, spec: ModelSpec) -> StoredModel:
    """Convert a fitted model to ONNX and prove on the rows that it still scores as it did.

    The converter is silently wrong for some estimators, e.g. gradient boosting with native categories, so a model
    that was not compared is not stored.

    Args:
        model: The fitted pipeline.
        rows: Rows to compare on: the holdout, without its labels.
        spec: The model's spec.

    Raises:
        ModelNotFaithful: It cannot be converted, or a score differs by more than `TOLERANCE`.
    """
    content = _converted(model, spec)
    frame = inputs(rows, spec.columns)
    expected = answers(model, frame, spec.task)
    difference = np.abs(scores(content, frame) - expected).reshape(len(frame), -1).max(axis=1, initial=0.0)
    tolerance = TOLERANCE * float(np.abs(expected).max(initial=1.0))
    largest = float(difference.max(initial=0.0))
    if not largest <= tolerance:
        raise ModelNotFaithful(
            "the converted model scores otherwise than the fitted one",
            where=f"row {int(difference.argmax())} of {len(rows)}",
            expected=f"a difference of at most {tolerance:.3g}",
            got=f"{largest:.3g}, in {int((difference > tolerance).sum())} rows",
            next_step="a few rows: a threshold was lost in float32, round the features; many rows: the converter "
            "does not know the estimator's categories, encode them before it, e.g. by OrdinalEncoder",
        )
    digest = hashlib.sha256(content).hexdigest()
    return StoredModel(content=content, digest=digest, largest_difference=largest, tolerance=tolerance)


def _converted(model: Estimator, spec: ModelSpec) -> bytes:
    """The model as ONNX, the same bytes in every process.

    Raises:
        ModelNotFaithful: There is no converter for a part of it, or it fails.
    """
    types = [
        (column.name, (FloatTensorType if column.kind == "number" else StringTensorType)([None, 1]))
        for column in spec.columns
    ]
    options = {"zipmap": False} if spec.task in ("binary", "multiclass") else None
    others = converters.register(model)
    opset = {"": ONNX_OPSET} | others if others else ONNX_OPSET
    with warnings.catch_warnings():
        # The converter hands booleans to integer fields, which protobuf 7.34 refuses: the lock keeps protobuf below 7.
        warnings.filterwarnings("ignore", message="Field onnx.AttributeProto", category=DeprecationWarning)
        try:
            onnx = to_onnx(model, initial_types=types, options=options, target_opset=opset)
        except Exception as error:
            raise ModelNotFaithful(
                "the fitted model cannot be converted to ONNX",
                where=f"{spec.name}: estimator in model.py, {' '.join(str(model).split())[:200]}",
                expected="steps that skl2onnx, or for LightGBM and XGBoost onnxmltools, converts",
                got=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
                next_step="return another estimator; skl2onnx.supported_converters() names those there are, and "
                "skl2onnx.update_registered_converter takes one of your own",
            ) from error
    # The converter gathers the operator sets in a `set`, whose order differs from process to process.
    onnx.opset_import.sort(key=lambda operators: operators.domain)
    content: bytes = onnx.SerializeToString(deterministic=True)
    return content


def scores(content: bytes, frame: pd.DataFrame) -> np.ndarray:
    """What a stored model answers to each row.

    Args:
        content: ONNX bytes.
        frame: The inputs, as `inputs` makes them.

    Returns:
        float64: P(label = 1) of shape (rows,), the probabilities of three or more classes of shape (rows, classes), or
        the predicted numbers of shape (rows,).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # its threads spin while they wait, which starves the tasks beside this one
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = {name: frame[[name]].to_numpy() for name in frame.columns}
    last = session.get_outputs()[-1].name
    found = np.asarray(session.run([last], feed)[0], dtype="float64")
    if last != PROBABILITIES:
        return found.reshape(len(frame))
    return found[:, 1] if found.shape[1] == BINARY else found


def golden(stored: StoredModel, rows: pd.DataFrame, spec: ModelSpec) -> dict[str, Any]:
    """Requests spread evenly over the rows, with the outputs that this process computes for them.

    Returns:
        `{"tolerance": float, "requests": [{"inputs": {column: value}, "output": answer}, ...]}`; the answer of a
        multiclass model is a list.
    """
    picked = np.unique(np.linspace(0, len(rows) - 1, num=min(GOLDEN_REQUESTS, len(rows))).astype(int))
    frame = inputs(rows.iloc[picked], spec.columns).reset_index(drop=True)
    answered = scores(stored.content, frame).tolist()
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    requests = [
        {"inputs": {str(name): _plain(value) for name, value in record.items()}, "output": answer}
        for record, answer in zip(records, answered, strict=True)
    ]
    return {"tolerance": stored.tolerance, "requests": requests}


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, np.floating) else value


def last_step(model: Estimator) -> Estimator:
    """The estimator itself: the last step of a pipeline."""
    return model.steps[-1][1] if hasattr(model, "steps") else model


def parameters_of(model: Estimator) -> dict[str, Any]:
    """The fitted estimator's own parameters that are plain values."""
    last = last_step(model)
    return {name: value for name, value in last.get_params().items() if isinstance(value, str | int | float | bool)}
