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
from sklearn.metrics import log_loss

from contender.core.errors import ModelNotFaithful, NoLabels
from contender.core.interval import Interval
from contender.core.naming import DUE_AT, EVENT_TIME
from contender.core.spec import Column, ModelSpec, Split

TOLERANCE = 1e-5  # float32 scores of two hundred trees differ by about 1e-7 between scikit-learn and ONNX Runtime
GOLDEN_REQUESTS = 20
LABEL_KNOWN_AT = "label_known_at"
INTERVAL_START = "interval_start"
SLICE = "slice"
ONNX_OPSET = 18

Estimator = Any  # anything with scikit-learn's fit and predict_proba
MakeEstimator = Callable[..., Estimator]


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


def fit(make: MakeEstimator, parameters: dict[str, Any], rows: pd.DataFrame, spec: ModelSpec) -> Estimator:
    """Fit the model's estimator on labelled rows."""
    model = make(parameters, numbers=spec.inputs("number"), categories=spec.inputs("category"), seed=spec.seed)
    return _with_float32_thresholds(model.fit(inputs(rows, spec.columns), rows[spec.label].astype("int64")))


def _with_float32_thresholds(model: Estimator) -> Estimator:
    """Move the thresholds of histogram gradient boosting down to the next float32.

    They lie between two values seen in training, in float64; ONNX keeps them in float32, and rounding to the nearest
    may put one on the wrong side of a value. For float32 inputs `x <= t` and `x <= (largest float32 not above t)` are
    the same, so the fitted model scores as before, and its converted form scores as it does. scikit-learn has no
    public access to the trees; `store` proves the result in any case.
    """
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    for iteration in getattr(last, "_predictors", []):
        for tree in iteration:
            exact = tree.nodes["num_threshold"]
            near = exact.astype("float32")
            tree.nodes["num_threshold"] = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return model


def newest_from(rows: pd.DataFrame, spec: ModelSpec) -> pd.Timestamp:
    """When the newest `validation_days` of some rows begin."""
    newest: pd.Timestamp = rows[DUE_AT].max()
    return newest - timedelta(days=spec.tuning.validation_days)


def trial_score(make: MakeEstimator, parameters: dict[str, Any], rows: pd.DataFrame, spec: ModelSpec) -> float:
    """Log loss of one set of parameters on the newest days of the training rows.

    Args:
        make: The model's `estimator` function.
        parameters: What the trial tries.
        rows: Training rows; the newest `validation_days` of them are scored by a model of
            the older ones whose labels were known by then.
        spec: The model.
    """
    since = newest_from(rows, spec)
    older, newest = rows[rows[LABEL_KNOWN_AT] <= since], rows[rows[DUE_AT] >= since]
    model = fit(make, parameters, older, spec)
    scores = model.predict_proba(inputs(newest, spec.columns))[:, 1]
    return float(log_loss(newest[spec.label].astype("int64"), scores, labels=[0, 1]))


@dataclass(frozen=True)
class StoredModel:
    """A model in a form that runs no code when it is loaded.

    Attributes:
        content: ONNX bytes; one named input for each column, outputs `label` and `probabilities`.
        digest: SHA-256 of the content, hexadecimal.
        largest_difference: Largest absolute difference of a score to the fitted model's, on the rows compared.
    """

    content: bytes
    digest: str
    largest_difference: float


def store(model: Estimator, rows: pd.DataFrame, spec: ModelSpec) -> StoredModel:
    """Convert a fitted model to ONNX and prove on the rows that it still scores as it did.

    The converter is silently wrong for some estimators, e.g. gradient boosting with native categories, so a model
    that was not compared is not stored.

    Args:
        model: The fitted pipeline.
        rows: Rows to compare on: the holdout, without its labels.
        spec: The model's spec.

    Raises:
        ModelNotFaithful: A score differs by more than `TOLERANCE`.
    """
    types = [
        (column.name, (FloatTensorType if column.kind == "number" else StringTensorType)([None, 1]))
        for column in spec.columns
    ]
    with warnings.catch_warnings():
        # The converter hands booleans to integer fields, which protobuf 7.34 refuses: the lock keeps protobuf below 7.
        warnings.filterwarnings("ignore", message="Field onnx.AttributeProto", category=DeprecationWarning)
        onnx = to_onnx(model, initial_types=types, options={"zipmap": False}, target_opset=ONNX_OPSET)
    # The converter gathers the operator sets in a `set`, whose order differs from process to process.
    onnx.opset_import.sort(key=lambda operators: operators.domain)
    content = onnx.SerializeToString(deterministic=True)
    frame = inputs(rows, spec.columns)
    difference = np.abs(scores(content, frame) - model.predict_proba(frame)[:, 1])
    largest = float(difference.max(initial=0.0))
    if not largest <= TOLERANCE:
        raise ModelNotFaithful(
            "the converted model scores otherwise than the fitted one",
            where=f"row {int(difference.argmax())} of {len(rows)}",
            expected=f"a difference of at most {TOLERANCE}",
            got=f"{largest:.3g}, in {int((difference > TOLERANCE).sum())} rows",
            next_step="a few rows: a threshold was lost in float32, round the features; many rows: the converter "
            "does not know the estimator's categories, encode them before it, e.g. by OrdinalEncoder",
        )
    return StoredModel(content=content, digest=hashlib.sha256(content).hexdigest(), largest_difference=largest)


def scores(content: bytes, frame: pd.DataFrame) -> np.ndarray:
    """P(label = 1) of each row by a stored model.

    Args:
        content: ONNX bytes.
        frame: The inputs, as `inputs` makes them.

    Returns:
        float64 array of shape (rows,).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # its threads spin while they wait, which starves the tasks beside this one
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = {name: frame[[name]].to_numpy() for name in frame.columns}
    return np.asarray(session.run(["probabilities"], feed)[0][:, 1], dtype="float64")


def golden(content: bytes, rows: pd.DataFrame, spec: ModelSpec) -> dict[str, Any]:
    """Requests spread evenly over the rows, with the outputs that this process computes for them.

    Returns:
        `{"tolerance": float, "requests": [{"inputs": {column: value}, "output": probability}, ...]}`.
    """
    picked = np.unique(np.linspace(0, len(rows) - 1, num=min(GOLDEN_REQUESTS, len(rows))).astype(int))
    frame = inputs(rows.iloc[picked], spec.columns).reset_index(drop=True)
    answers = scores(content, frame)
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    requests = [
        {"inputs": {str(name): _plain(value) for name, value in record.items()}, "output": float(answer)}
        for record, answer in zip(records, answers, strict=True)
    ]
    return {"tolerance": TOLERANCE, "requests": requests}


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, np.floating) else value


def parameters_of(model: Estimator) -> dict[str, Any]:
    """The fitted estimator's own parameters that are plain values."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return {name: value for name, value in last.get_params().items() if isinstance(value, str | int | float | bool)}


def output_example(content: bytes, frame: pd.DataFrame) -> pd.DataFrame:
    """What the stored model answers, as its signature should describe it."""
    positive = scores(content, frame).astype("float32")
    return pd.DataFrame({"label": np.rint(positive).astype("int64"), "probabilities": positive})
