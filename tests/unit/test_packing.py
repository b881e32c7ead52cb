from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from contender.core.errors import BundleBroken
from contender.core.spec import Column
from contender.serving.bundle import Bundle, load_bundle
from contender.serving.model import Model
from contender.stages import packing
from tests.unit.serving.tiny import write_bundle

NUMBERS = ("temp", "wind", "age")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_bundle(tmp_path_factory.mktemp("packing") / "bundle"))


def answers(bundle: Bundle) -> list[object]:
    asked = [[request.inputs[column.name] for column in bundle.signature.columns] for request in bundle.golden.requests]
    return [*Model(bundle).predict(asked)]


def test_a_packed_model_answers_to_the_bit_as_the_stored_one(bundle: Bundle) -> None:
    (bundle.folder / packing.PACKED).unlink(missing_ok=True)
    stored = answers(bundle)
    columns = [Column(**column) for column in signature(bundle)]
    (bundle.folder / packing.PACKED).write_bytes(packing.packed(bundle.onnx.read_bytes(), columns))
    assert bundle.is_packed
    assert answers(bundle) == stored


def signature(bundle: Bundle) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((bundle.folder / "signature.json").read_text())["columns"]
    return found


def linear(*, with_category: bool, whole: bool) -> tuple[bytes, list[Column]]:
    made = np.random.default_rng(1)
    frame = {name: made.normal(size=50).astype(np.float32) for name in NUMBERS}
    columns = [Column(name=name, kind="number", source="request") for name in NUMBERS]
    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    parts = [("numbers", StandardScaler(), [*NUMBERS])] if whole else [(n, StandardScaler(), [n]) for n in NUMBERS]
    rows = pd.DataFrame(frame)
    if with_category:
        rows.insert(1, "shop", made.choice(["a", "b"], 50))
        columns.insert(1, Column(name="shop", kind="category", source="request"))
        types.insert(1, ("shop", StringTensorType([None, 1])))
        parts.append(("shop", OneHotEncoder(handle_unknown="ignore"), ["shop"]))
    model = make_pipeline(ColumnTransformer(parts), LinearRegression()).fit(rows, made.normal(size=50))
    return to_onnx(model, initial_types=types, target_opset=18).SerializeToString(), columns


@pytest.mark.parametrize("with_category", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_packing_gives_one_input_for_each_kind_and_changes_no_answer(with_category: bool, whole: bool) -> None:
    content, columns = linear(with_category=with_category, whole=whole)
    small = packing.packed(content, columns)
    assert small == packing.packed(content, columns)
    named = [one.name for one in onnx.load_from_string(small).graph.input]
    assert named == [packing.INPUTS["number"], *([packing.INPUTS["category"]] if with_category else [])]
    made = np.random.default_rng(2)
    numbers, texts = made.normal(size=(7, 3)).astype(np.float32), np.array([["a"], ["b"], ["?"]] * 2 + [["a"]], object)
    by_name = {name: numbers[:, [place]] for place, name in enumerate(NUMBERS)}
    fed = {packing.INPUTS["number"]: numbers}
    if with_category:
        by_name["shop"] = fed[packing.INPUTS["category"]] = texts
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    stored, packed = (onnxruntime.InferenceSession(one, options) for one in (content, small))
    assert np.array_equal(stored.run(None, by_name)[0], packed.run(None, fed)[0])


def test_a_packed_model_of_another_signature_is_not_served(bundle: Bundle, tmp_path: Path) -> None:
    content, columns = linear(with_category=False, whole=True)
    folder = Path(shutil.copytree(bundle.folder, tmp_path / "bundle"))
    (folder / packing.PACKED).write_bytes(packing.packed(content, columns))
    with pytest.raises(BundleBroken, match=r"contender/categories"):
        Model(load_bundle(folder))
