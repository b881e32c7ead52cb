"""MLflow on a database of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from onnx import TensorProto, helper

from contender.adapters import release_files
from contender.adapters import tracking as module
from contender.adapters.tracking import Tracking
from contender.core.errors import BundleBroken, ContenderError, TrackingUnreachable


def onnx(bias: float) -> bytes:
    """A small graph that adds a number; another number is another model."""
    value = helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias])
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "bias"], ["y"])],
        "add",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [value],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


EXAMPLE = pd.DataFrame({"x": [1.0, 2.0]})


FIRST, SECOND = onnx(1.0), onnx(2.0)


def train(
    tracking: Tracking, task: str, content: bytes = FIRST, about: str = "1", inputs: str = "i"
) -> tuple[Any, bool]:
    """One task that fits and registers."""
    digest = hashlib.sha256(content).hexdigest()
    with tracking.run(task, inputs, {"interval": "2013-02"}) as run:
        tracking.log_fit(
            parameters={"rate": 0.1}, metrics={"gap": 1e-7}, dataset=EXAMPLE, dataset_uri="/lake/toy_training_set",
            dataset_version=3, dataset_digest="d" * 64, model_digest=digest,
            bundle={"model.onnx": content, "about.json": json.dumps({"about": about}).encode()},
            figures={"importance": Figure()},
        )  # fmt: skip
        return tracking.register(run=run, content=content, digest=digest, example=EXAMPLE)


def test_tracking_logs_and_registers_one_run_for_each_task(tracking: Tracking, tmp_path: Path) -> None:
    version, new = train(tracking, "dag/run/train.fit/-1")
    assert (version.version, version.digest, new) == ("1", hashlib.sha256(FIRST).hexdigest(), True)
    run = tracking.client.get_run(version.run_id)
    assert (run.info.status, run.data.params["rate"], run.data.metrics["gap"]) == ("FINISHED", "0.1", 1e-7)
    (dataset,) = run.inputs.dataset_inputs
    assert json.loads(dataset.dataset.source) == {"path": "/lake/toy_training_set", "delta_table_version": 3}
    assert {item.path for item in tracking.client.list_artifacts(version.run_id)} >= {"bundle", "plots"}
    assert (tmp_path / "mlflow" / "artifacts").is_dir()

    # The task is run again: the same run, no second version.
    again, new = train(tracking, "dag/run/train.fit/-1")
    assert (again, new) == (version, False)
    assert len(tracking.client.search_runs([tracking.experiment])) == 1

    # Another run makes the same model: a run of its own, the version that is there.
    same, new = train(tracking, "dag/other/train.fit/-1")
    assert (same, new) == (version, False)
    other, new = train(tracking, "dag/third/train.fit/-1", SECOND)
    assert (other.version, new) == ("2", True)
    assert len(tracking.client.search_runs([tracking.experiment])) == 3


def test_alias_is_where_it_was_set_last(tracking: Tracking) -> None:
    assert tracking.aliased("champion") is None
    train(tracking, "a")
    train(tracking, "b", SECOND)
    assert tracking.aliased("champion") is None
    for version in ("1", "1", "2"):
        tracking.set_alias("champion", version)
    champion = tracking.aliased("champion")
    assert champion is not None
    assert champion.version == "2"


def test_export_copies_the_aliased_bundle_with_its_version(tracking: Tracking, tmp_path: Path) -> None:
    with pytest.raises(ContenderError, match="no version bears the alias 'champion'"):
        module.export("toy", "champion", tmp_path / "bundle")
    train(tracking, "a", about="first")
    tracking.set_alias("champion", "1")
    assert module.export("toy", "champion", tmp_path / "bundle").version == "1"
    assert json.loads((tmp_path / "bundle" / "about.json").read_text()) == {"about": "first", "version": "1"}


def test_main_says_what_it_exported_and_why_it_could_not(
    tracking: Tracking, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert module.main(["export", "toy", "champion", str(tmp_path / "bundle")]) == 1
    assert "make demo MODEL=toy" in capsys.readouterr().err
    train(tracking, "a")
    tracking.set_alias("champion", "1")
    assert module.main(["export", "toy", "champion", str(tmp_path / "bundle")]) == 0
    assert capsys.readouterr().out == "1\n"
    assert module.main([]) == 2


def test_run_of_a_task_that_fails_is_marked_failed_and_taken_up_again(tracking: Tracking) -> None:
    def status() -> list[str]:
        return [run.info.status for run in tracking.client.search_runs([tracking.experiment])]

    with pytest.raises(ZeroDivisionError), tracking.run("task", "i", {}):
        _ = 1 / 0
    assert status() == ["FAILED"]
    with tracking.run("task", "i", {}):
        assert status() == ["RUNNING"]
    assert status() == ["FINISHED"]


def test_task_run_again_on_other_inputs_gets_a_run_of_its_own(tracking: Tracking) -> None:
    first, _ = train(tracking, "task")
    second, _ = train(tracking, "task", SECOND, inputs="others")
    assert first.run_id != second.run_id
    assert {run.data.tags["contender.inputs"] for run in tracking.client.search_runs([tracking.experiment])} == {
        "i", "others",
    }  # fmt: skip


def test_run_that_a_killed_task_left_open_is_ended_a_day_later(tracking: Tracking) -> None:
    now = tracking.client.create_run(tracking.experiment, start_time=1_000_000_000_000)
    began = {"yesterday": now.info.start_time - module.ORPHANED_AFTER_MS - 1, "today": now.info.start_time - 1000}
    runs = {name: tracking.client.create_run(tracking.experiment, start_time=at) for name, at in began.items()}
    assert tracking.end_orphans(now) == [runs["yesterday"].info.run_id]
    status = {name: tracking.client.get_run(run.info.run_id).info.status for name, run in runs.items()}
    assert status == {"yesterday": "FAILED", "today": "RUNNING"}


def test_bundle_whose_model_is_not_the_registered_one_is_refused(tracking: Tracking, tmp_path: Path) -> None:
    version, _ = train(tracking, "task")
    (stored,) = (tmp_path / "mlflow" / "artifacts").rglob("bundle/*/model.onnx")
    stored.write_bytes(SECOND)
    with pytest.raises(BundleBroken, match="toy version 1"):
        tracking.bundle(version, tmp_path / "copy")


def test_evidence_is_kept_with_the_run_that_trained(tracking: Tracking) -> None:
    version, _ = train(tracking, "a")
    tracking.log_evidence(version.run_id, version, {"improvement_auc": 0.02}, {"rows": 7})
    release_files.keep(tracking, version, {"release.json": b'{"model": "toy"}'})
    run = tracking.client.get_run(version.run_id)
    assert run.data.metrics["improvement_auc"] == 0.02
    names = {item.path for item in tracking.client.list_artifacts(version.run_id)}
    assert {"evidence.json", "release.json"} <= names
    assert release_files.kept(tracking, version, "release.json") == b'{"model": "toy"}'


def test_tracking_of_a_server_that_is_not_there_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TRACKING_URI", "http://127.0.0.1:1"), ("HTTP_REQUEST_MAX_RETRIES", "0")):
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    with pytest.raises(TrackingUnreachable, match=r"MLflow does not answer; where: http://127\.0\.0\.1:1"):
        Tracking("toy")


def test_report_is_kept_with_its_run_and_the_version_gets_card_and_digest(tracking: Tracking, tmp_path: Path) -> None:
    version, _ = train(tracking, "one")
    tracking.log_report(version.run_id, {"report.html": "<p>first</p>", "figures/metrics.svg": "<svg/>"})
    tracking.log_report(version.run_id, {"report.html": "<p>second</p>"})
    tracking.describe(version.version, "# card", "d" * 64)
    kept = Path(tracking.client.download_artifacts(version.run_id, module.REPORT, str(tmp_path)))
    assert (kept / "report.html").read_text() == "<p>second</p>"
    assert (kept / "figures" / "metrics.svg").read_text() == "<svg/>"
    described = tracking.client.get_model_version("toy", version.version)
    assert described.description == "# card"
    assert described.tags[module.REPORT_TAG] == "d" * 64
