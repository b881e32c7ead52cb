"""The protocols as their own tools speak them: Triton's client, MLflow's client, and MLflow's server as the measure.

Models of every task, each behind the real app on a real uvicorn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server import init
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from starlette.testclient import TestClient
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from contender.adapters.graph_signature import graph_signature
from tests.unit.serving.conftest import serve
from tests.unit.test_tasks import bundle, spec, stored  # noqa: F401  fixtures


@pytest.fixture
def client(bundle: Path) -> Iterator[httpx.Client]:  # noqa: F811
    with serve(bundle, None) as client:
        yield client


@pytest.fixture
def frame(bundle: Path) -> pd.DataFrame:  # noqa: F811
    """The golden requests as MLflow's users hold them."""
    golden = json.loads((bundle / "golden.json").read_text())
    return pd.DataFrame([request["inputs"] for request in golden["requests"]])


@pytest.fixture
def outputs(bundle: Path) -> np.ndarray:  # noqa: F811
    golden = json.loads((bundle / "golden.json").read_text())
    return np.array([request["output"] for request in golden["requests"]])


@pytest.fixture
def mlflow_server(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:  # noqa: F811
    """MLflow's own server in this process, with the very same graph."""
    # It is set by the server for good, and other tests of MLflow read it.
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
    graph = onnx.load(bundle / "model.onnx")
    mlflow.onnx.save_model(
        graph,
        str(tmp_path / "saved"),
        signature=graph_signature(graph),
        pip_requirements=["onnxruntime"],
        save_as_external_data=False,
    )
    return TestClient(init(mlflow.pyfunc.load_model(str(tmp_path / "saved"))), raise_server_exceptions=False)


def forms(frame: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """What is posted, by its name: body and content type. MLflow's server takes tensors of two dimensions alone."""
    bodies = {
        "dataframe_split": {"dataframe_split": json.loads(frame.to_json(orient="split"))},
        "dataframe_records": {"dataframe_records": json.loads(frame.to_json(orient="records"))},
        "instances of records": {"instances": [{n: [v] for n, v in row.items()} for row in _records(frame)]},
        "instances by column": {"instances": {name: [[row[name]] for row in _records(frame)] for name in frame}},
        "inputs": {"inputs": {name: [[row[name]] for row in _records(frame)] for name in frame}},
    }
    return {name: (json.dumps(body), "application/json") for name, body in bodies.items()}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return found


def test_invocations_are_answered_as_mlflow_s_server_answers_them(
    client: httpx.Client, mlflow_server: TestClient, frame: pd.DataFrame
) -> None:
    for name, (body, kind) in forms(frame).items():
        headers = {"Content-Type": kind}
        ours = client.post("/invocations", content=body, headers=headers)
        theirs = mlflow_server.post("/invocations", content=body, headers=headers)
        assert (ours.status_code, theirs.status_code) == (200, 200), (name, ours.text, theirs.text)
        assert ours.headers["content-type"] == theirs.headers["content-type"]
        found, expected = ours.json()["predictions"], theirs.json()["predictions"]
        assert found.keys() == expected.keys(), name
        for output in expected:
            np.testing.assert_allclose(found[output], expected[output], rtol=1e-6, atol=1e-7, err_msg=name)
    text = frame.to_csv(index=False)
    by_csv = client.post("/invocations", content=text, headers={"Content-Type": "text/csv"}).json()
    assert by_csv == client.post("/invocations", json={"dataframe_records": _records(frame)}).json()
    ask_with_mlflow_s_client(client, frame)
    ping, their_ping = client.get("/ping"), mlflow_server.get("/ping")
    assert (ping.status_code, ping.text) == (their_ping.status_code, their_ping.text) == (200, "\n")
    assert client.get("/version").text == mlflow_server.get("/version").text == mlflow.__version__


def ask_with_mlflow_s_client(client: httpx.Client, frame: pd.DataFrame) -> None:
    theirs = ScoringServerClient("127.0.0.1", client.base_url.port)
    theirs.ping()
    whole = frame.dropna()
    assert len(theirs.invoke(whole).get_predictions()) == len(whole)
    with pytest.raises(Exception, match=rf"error code 422.*{frame.columns[0]} is missing"):
        theirs.invoke(whole.iloc[:, 1:])
    with pytest.raises(Exception, match=r"error code 422.*params is not taken"):
        theirs.invoke(whole, params={"threshold": 0.5})
    # It writes missing values as NaN, which is no JSON.
    with pytest.raises(Exception, match=r"error code 400.*is refused: not finite"):
        theirs.invoke(frame)


def test_triton_s_client_learns_the_model_and_asks_it(
    client: httpx.Client,
    bundle: Path,  # noqa: F811
    frame: pd.DataFrame,
    outputs: np.ndarray,
) -> None:
    name = json.loads((bundle / "signature.json").read_text())["model"]
    with triton.InferenceServerClient(f"127.0.0.1:{client.base_url.port}") as theirs:
        assert theirs.is_server_live()
        assert theirs.is_server_ready()
        assert theirs.is_model_ready(name)
        assert theirs.is_model_ready(name, "1")
        assert not theirs.is_model_ready(name, "2")
        assert "binary_tensor_data" in theirs.get_server_metadata()["extensions"]
        told = theirs.get_model_metadata(name, "1")
        graph = graph_signature(onnx.load(bundle / "model.onnx"))
        assert shapes(told["inputs"]) == {one.name: (one.shape, one.type) for one in graph.inputs.inputs}
        assert shapes(told["outputs"]) == {one.name: (one.shape, one.type) for one in graph.outputs.inputs}
        inputs = tensors(told["inputs"], frame)
        found = theirs.infer(name, inputs, model_version="1", request_id="r-1")
        assert found.get_response()["id"] == "r-1"
        scores = found.as_numpy(told["outputs"][-1]["name"])
        if "label" in shapes(told["outputs"]):
            np.testing.assert_array_equal(found.as_numpy("label"), scores.argmax(axis=1))
        ours = scores if outputs.ndim > 1 else scores[:, -1]
        np.testing.assert_allclose(ours, outputs, rtol=1e-6, atol=1e-7)
        # JSON has no NaN, and this client has no other word for a missing value.
        whole = tensors(told["inputs"], frame.dropna(), binary=False)
        wanted = [triton.InferRequestedOutput(one["name"], binary_data=False) for one in told["outputs"]]
        by_json = theirs.infer(name, whole, outputs=wanted).as_numpy(told["outputs"][-1]["name"])
        np.testing.assert_array_equal(by_json, scores[frame.notna().all(axis=1)])
        with pytest.raises(InferenceServerException, match=rf"{told['inputs'][0]['name']} is missing"):
            theirs.infer(name, inputs[1:])
        with pytest.raises(InferenceServerException, match=rf"there is no such route.*/v2/models/{name}") as unknown:
            theirs.get_model_metadata("another")
        assert unknown.value.status() == "404"


def tensors(told: list[dict[str, Any]], frame: pd.DataFrame, *, binary: bool = True) -> list[triton.InferInput]:
    """The frame's columns as the client holds them."""
    made = []
    for one in told:
        values = frame[[one["name"]]].to_numpy(object if one["datatype"] == "BYTES" else "float32")
        made.append(triton.InferInput(one["name"], list(values.shape), one["datatype"]))
        made[-1].set_data_from_numpy(values, binary_data=binary)
    return made


def shapes(told: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = {"BYTES": "object", "FP32": "float32", "INT64": "int64"}
    return {one["name"]: (tuple(one["shape"]), np.dtype(kinds[one["datatype"]])) for one in told}
