"""The model behind the app: one ONNX Runtime session, rows in, answers out."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from contender.core.errors import BundleBroken, GoldenRequestsFailed
from contender.core.golden import Output, apart
from contender.serving.bundle import Bundle, Value

# What ONNX Runtime raises for a file it cannot load; each stands by itself below Exception.
UNLOADABLE = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
    OSError,
)
ONNX_TYPES = {"number": "tensor(float)", "category": "tensor(string)"}

PROBABILITIES = "probabilities"
# The inputs of a packed model (contender/stages/packing.py).
PACKED = {"number": "contender/numbers", "category": "contender/categories"}

Row = Sequence[Value]


class Model:
    """Scores rows whose values are in the order of the signature's columns.

    A null number goes in as NaN, a null category as the empty string, which the encoder treats as unknown.

    Raises:
        BundleBroken: The ONNX graph cannot be loaded, or its inputs and outputs are not the signature's.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.columns = bundle.signature.columns
        self.task = bundle.signature.task
        self._numbers, self._categories = (
            [place for place, column in enumerate(self.columns) if column.kind == kind]
            for kind in ("number", "category")
        )
        self._pick = itemgetter(*self._numbers) if self._numbers else None
        options = ort.SessionOptions()
        # Requests are small and processes take the cores: threads of the session would only contend.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session = ort.InferenceSession(
                bundle.scored.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except UNLOADABLE as error:
            raise _broken(bundle, "a graph that ONNX Runtime loads", error) from error
        self._feed = self._packed if bundle.is_packed else self._by_column
        self._check_interface(bundle)

    def _check_interface(self, bundle: Bundle) -> None:
        takes = {given.name: given.type for given in self._session.get_inputs()}
        if bundle.is_packed:
            expected = {PACKED[column.kind]: ONNX_TYPES[column.kind] for column in self.columns}
        else:
            expected = {column.name: ONNX_TYPES[column.kind] for column in self.columns}
        if takes != expected:
            differing = sorted(name for name in takes.keys() | expected.keys() if takes.get(name) != expected.get(name))
            raise _broken(bundle, "the inputs of signature.json", f"others at {', '.join(differing)}")
        outputs = [given.name for given in self._session.get_outputs()]
        self._answer = outputs[-1]
        if (self._answer == PROBABILITIES) != (self.task in {"binary", "multiclass"}):
            raise _broken(bundle, f"a last output that is the answer of a {self.task} model", ", ".join(outputs))

    def predict(self, rows: Sequence[Row]) -> list[Output]:
        """For each row the probability of the label, the probabilities of the classes in their order, or the number.

        Args:
            rows: Values in the order of `columns`, each already checked; at least one row.
        """
        found = self._session.run([self._answer], self._feed(rows))[0]
        if self.task == "binary":
            found = found[:, 1]
        answers: list[Output] = (found if self.task == "multiclass" else found.reshape(-1)).tolist()
        return answers

    def _packed(self, rows: Sequence[Row]) -> dict[str, Any]:
        feed: dict[str, Any] = {}
        if self._pick is not None:
            numbers = np.array([self._pick(row) for row in rows], dtype=np.float32)  # numpy makes NaN of None
            feed[PACKED["number"]] = numbers.reshape(len(rows), -1)
        if self._categories:
            texts = [["" if row[place] is None else row[place] for place in self._categories] for row in rows]
            feed[PACKED["category"]] = np.array(texts, dtype=object)
        return feed

    def _by_column(self, rows: Sequence[Row]) -> dict[str, Any]:
        """What a model of before there were packed ones takes."""
        whole = self._packed(rows)
        return {
            self.columns[place].name: whole[PACKED[kind]][:, [position]]
            for kind, places in (("number", self._numbers), ("category", self._categories))
            for position, place in enumerate(places)
        }


def self_check(model: Model, bundle: Bundle) -> float:
    """Answer the golden requests; the largest absolute difference to what training computed.

    Raises:
        GoldenRequestsFailed: A difference is above the tolerance.
    """
    requests = bundle.golden.requests
    answers = model.predict([[request.inputs[column.name] for column in model.columns] for request in requests])
    differences = [apart(answer, request.output) for answer, request in zip(answers, requests, strict=True)]
    worst = max(range(len(requests)), key=differences.__getitem__)
    # Not `>`: a NaN must fail.
    if not all(difference <= bundle.golden.tolerance for difference in differences):
        raise GoldenRequestsFailed(
            "the loaded model answers its golden requests otherwise than the trained one",
            where=f"golden request {worst} of {len(requests)}",
            expected=f"{requests[worst].output!r} within {bundle.golden.tolerance}",
            got=repr(answers[worst]),
            next_step="the bundle or ONNX Runtime was changed since training: build the image again",
        )
    return differences[worst]


def _broken(bundle: Bundle, expected: str, got: object) -> BundleBroken:
    return BundleBroken(
        "the model file cannot be served",
        where=str(bundle.scored),
        expected=expected,
        got=got,
        next_step="train the model again",
    )
