"""The signature under which MLflow serves an ONNX graph: tensors, as the graph itself has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types.schema import Schema, TensorSpec


def graph_signature(model: onnx.ModelProto) -> ModelSignature:
    """Inputs and outputs of a graph by name, type and shape; a dimension without a size is -1.

    A signature of columns would not do: with one, MLflow hands each column on in one dimension, and its server refuses
    every request to a graph whose inputs have the shape (rows, 1).
    """
    return ModelSignature(inputs=_tensors(model.graph.input), outputs=_tensors(model.graph.output))


def _tensors(values: Any) -> Schema:
    return Schema([TensorSpec(_dtype(one), _shape(one), one.name) for one in values])


def _dtype(value: onnx.ValueInfoProto) -> Any:
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(size.dim_value or -1 for size in value.type.tensor_type.shape.dim)
