"""A fit shows nobody how good it is on the holdout: only the gate does, after the look is on record."""

from __future__ import annotations

from contender.adapters.lake import Lake
from contender.adapters.tracking import Tracking
from contender.core import naming
from contender.core.settings import settings
from contender.operators.train import _point
from contender.stages.train import INTERVAL_START
from tests.tiny_platform import INTERVAL, MODEL, Run, Tiny

BLIND = {"onnx_largest_difference", "trial_0_log_loss"}
MEASURED = {"accuracy", "auc", "brier", "f1", "log_loss"}


def logged(of: Run) -> dict[str, float]:
    """The metrics of a run's MLflow run by now."""
    run_id = of.chain.returned["train.fit"]["run_id"]
    return dict(Tracking(MODEL).client.get_run(run_id).data.metrics)


def test_fit_logs_nothing_of_the_holdout_and_the_gate_does_after_the_look(tiny: Tiny) -> None:
    assert set(logged(tiny.better)) == BLIND
    assert "metrics" not in tiny.better.chain.returned["train.fit"]
    estimates = tiny.better.measure()["challenger"]
    tiny.better.decide()
    found = logged(tiny.better)
    assert set(found) == BLIND | MEASURED | {f"improvement_{name}" for name in MEASURED}
    assert {name: found[name] for name in MEASURED} == {name: estimates[name]["value"] for name in MEASURED}


def test_fit_without_a_holdout_label_is_the_same(tiny: Tiny) -> None:
    of, lake, table = tiny.better, Lake(settings().lake), naming.training_table(MODEL)
    given, fitted, before = of.made["assembled"], of.made["fitted"], logged(of)
    stored = lake.read(table)
    stored["late"] = stored["late"].where(stored["slice"] == "train")
    blind = lake.write(table, stored, time=INTERVAL_START, interval=_point(INTERVAL), commit={})
    given["training_set"] = blind.facts()
    of.chain.call(of.dag, "train.plan", assembled=given)
    tried = of.chain.call(of.dag, "train.trial", map_index=0, trial=0, assembled=given)
    again = of.chain.call(of.dag, "train.fit", trials=[tried], assembled=given)
    assert again["run_id"] != fitted["run_id"]
    assert {**again, "run_id": ""} == {**fitted, "run_id": "", "new_version": False}
    assert logged(of) == before
