"""A model's outputs as its graph names them, which MLflow and the Open Inference Protocol answer with."""

from __future__ import annotations

from typing import Any

from contender.core.golden import Output
from contender.serving.bundle import Signature

HALF = 0.5
LABEL, PROBABILITIES, NUMBER = "label", "probabilities", "variable"


class Outputs:
    """The outputs of one model.

    Attributes:
        shapes: For each output by name its width; 0 where it has a single dimension, that of the rows.
    """

    def __init__(self, signature: Signature) -> None:
        self._task = signature.task
        width = len(signature.classes) if signature.task == "multiclass" else 2
        self.shapes = {LABEL: 0, PROBABILITIES: width} if self._has_classes else {NUMBER: 1}

    @property
    def _has_classes(self) -> bool:
        return self._task in {"binary", "multiclass"}

    def by_name(self, outputs: list[Output]) -> dict[str, list[Any]]:
        """Label (the class's code) and probabilities of each row, or its number in a list of one."""
        if not self._has_classes:
            return {NUMBER: [[output] for output in outputs]}
        rows = [output if isinstance(output, list) else [1 - output, output] for output in outputs]
        labels = [int(row[1] > HALF) if self._task == "binary" else row.index(max(row)) for row in rows]
        return {LABEL: labels, PROBABILITIES: rows}
