"""The model in MLflow's forms, for `mlflow models serve`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd


def scikit_learn(pipeline: Any, rows: pd.DataFrame, folder: Path) -> None:
    """The fitted pipeline as MLflow's users log one, asked for probabilities."""
    import mlflow

    mlflow.sklearn.save_model(
        pipeline,
        str(folder),
        signature=mlflow.models.infer_signature(rows, pipeline.predict_proba(rows)),
        pip_requirements=[f"{package}=={version(package)}" for package in ("scikit-learn", "pandas", "cloudpickle")],
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
    )


def onnx(content: bytes, rows: pd.DataFrame, folder: Path) -> None:
    """The bundle's graph behind inputs of one dimension, with its last output alone, the probabilities.

    MLflow feeds a graph of several inputs with one-dimensional arrays, where ours takes columns of one, and lays the
    outputs side by side as columns, which two of different shapes cannot be.
    """
    import mlflow
    from onnx import load_from_string

    model = load_from_string(content)
    mlflow.onnx.save_model(
        _flattened(model),
        str(folder),
        signature=mlflow.models.infer_signature(rows),
        pip_requirements=[f"onnxruntime=={version('onnxruntime')}"],
        save_as_external_data=False,
    )


def _flattened(model: Any) -> Any:
    """The graph with a step before each input that makes a column of an array, and one output."""
    from onnx import TensorProto, checker, helper

    graph = model.graph
    axis = helper.make_tensor("bench_axis", TensorProto.INT64, [1], [1])
    flat = [
        helper.make_tensor_value_info(given.name, given.type.tensor_type.elem_type, [None]) for given in graph.input
    ]
    steps = [
        helper.make_node("Unsqueeze", [given.name, "bench_axis"], [f"{given.name}_column"]) for given in graph.input
    ]
    names = {given.name: f"{given.name}_column" for given in graph.input}
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
    nodes = [*steps, *graph.node]
    whole = helper.make_graph(nodes, graph.name, flat, [graph.output[-1]], [axis, *graph.initializer])
    made = helper.make_model(whole, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    checker.check_model(made)
    return made
