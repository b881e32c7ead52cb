from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contender.core.errors import BundleBroken, GoldenRequestsFailed
from contender.serving.bundle import load_bundle
from contender.serving.model import Model, self_check


@pytest.fixture
def copied(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "bundle"))


def change(path: Path, edit: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_load_bundle_reads_what_training_wrote(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.version == "7"
    assert [column.name for column in loaded.signature.columns][:3] == ["origin", "carrier", "dest"]
    assert loaded.entry is not None


def test_load_bundle_without_request_takes_raw_features_alone(copied: Path) -> None:
    (copied / "request.py").unlink()
    assert load_bundle(copied).entry is None


@pytest.mark.parametrize("name", ["signature.json", "golden.json", "about.json"])
def test_load_bundle_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleBroken, match=name):
        load_bundle(copied)


def test_load_bundle_column_of_an_undescribed_view_is_named(copied: Path) -> None:
    change(copied / "signature.json", lambda content: content["views"].pop("plane_facts"))
    with pytest.raises(BundleBroken, match="got: seats"):
        load_bundle(copied)


def test_load_bundle_golden_request_with_other_columns_is_refused(copied: Path) -> None:
    change(copied / "golden.json", lambda content: content["requests"][3]["inputs"].pop("hour"))
    with pytest.raises(BundleBroken, match="other columns in request 3"):
        load_bundle(copied)


def test_load_bundle_no_golden_requests_is_refused(copied: Path) -> None:
    change(copied / "golden.json", lambda content: content["requests"].clear())
    with pytest.raises(BundleBroken, match="got: no requests"):
        load_bundle(copied)


def test_load_bundle_request_without_resolve_is_refused(copied: Path) -> None:
    (copied / "request.py").write_text("import msgspec\nclass Request(msgspec.Struct): ...\n")
    with pytest.raises(BundleBroken, match="called resolve"):
        load_bundle(copied)


def test_model_missing_or_broken_graph_is_refused(copied: Path) -> None:
    (copied / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleBroken, match=r"model\.onnx"):
        Model(load_bundle(copied))
    (copied / "model.onnx").unlink()
    with pytest.raises(BundleBroken, match=r"model\.onnx"):
        Model(load_bundle(copied))


def test_model_graph_with_other_inputs_is_refused_by_name(copied: Path) -> None:
    def rename(content: Any) -> None:
        content["columns"][3]["name"] = "minute"

    change(copied / "signature.json", rename)
    change(
        copied / "golden.json",
        lambda content: [one["inputs"].update(minute=one["inputs"].pop("hour")) for one in content["requests"]],
    )
    with pytest.raises(BundleBroken, match="others at hour, minute"):
        Model(load_bundle(copied))


def test_self_check_trained_model_is_within_tolerance(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert self_check(Model(loaded), loaded) < 1e-6


def test_self_check_other_output_fails_by_the_worst_request(copied: Path) -> None:
    def shift(content: Any) -> None:
        content["requests"][2]["output"] += 0.01
        content["requests"][5]["output"] += 0.2

    change(copied / "golden.json", shift)
    loaded = load_bundle(copied)
    with pytest.raises(GoldenRequestsFailed, match="golden request 5 of 20"):
        self_check(Model(loaded), loaded)
