"""MLflow that is not there: when training starts, and in the middle of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from contender.bench.chain import Chain
from contender.core.errors import TrackingUnreachable
from contender.operators.train import TrainFit
from flight_delay.dag import SPEC
from tests.conftest import Trained
from tests.faults.platform_state import left_as_it_was, state


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def server(platform: Trained) -> Iterator[tuple[str, Callable[[], None]]]:
    """A real MLflow server over the platform's database: its address, and how to kill it."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    database = f"sqlite:///{platform.home / 'mlflow.db'}"
    call = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        database,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # A session of its own: the server's workers are its children.
    process = subprocess.Popen(
        call, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )

    def kill() -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    try:
        _wait_for(f"{url}/health", process)
        yield url, kill
    finally:
        kill()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310  our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"no answer from {address}")


class FitInterrupted(TrainFit):
    """The task as it is, but something happens while its estimator is made."""

    def __init__(self, *, interrupt: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.interrupt = interrupt

    @property
    def functions(self) -> Any:
        functions = super().functions

        def estimator(*args: Any, **kwargs: Any) -> Any:
            self.interrupt()
            return functions.estimator(*args, **kwargs)

        return SimpleNamespace(**{**vars(functions), "estimator": estimator})


def test_mlflow_unreachable_at_start_stops_at_fit_and_names_the_address(
    platform: Trained, chain: Chain, dag: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with left_as_it_was(platform.home), pytest.raises(TrackingUnreachable) as raised:
        chain.call(dag, "train.fit", trials=[0.5], assembled=platform.returned["train.assemble"])
    assert raised.value.where == address
    assert "MLFLOW_TRACKING_URI" in raised.value.next_step


@pytest.mark.parametrize("task", ["gate.measure", "promote.release", "score.predict"])
def test_mlflow_unreachable_later_stops_and_leaves_stores(
    platform: Trained, chain: Chain, dag: Any, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    came = platform.returned
    arguments: dict[str, Any] = {"assembled": came["train.assemble"], "fitted": came["train.fit"]}
    if task == "promote.release":
        finding = {"rule": "improved", "verdict": "promote", "reason": "better"}
        verdict = {"verdict": "promote", "findings": [finding], "evidence_digest": "0" * 64}
        arguments |= {
            "materialised": came["features.materialise"], "evidence": came["gate.measure"], "verdict": verdict,
        }  # fmt: skip
    if task == "score.predict":
        from contender.factory import model_dags

        dag, arguments = model_dags(SPEC, doc=None)[1], {}
    with left_as_it_was(platform.home), pytest.raises(TrackingUnreachable):
        chain.call(dag, task, **arguments)


def test_mlflow_unreachable_in_mid_training_registers_nothing_and_is_made_good(
    platform: Trained, chain: Chain, dag: Any, server: tuple[str, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, kill = server
    chain.run_id = "killed"
    task = "chain/killed/train.fit/-1"
    assembled = platform.returned["train.assemble"]
    chain.call(dag, "train.plan", assembled=assembled)
    score = chain.call(dag, "train.trial", map_index=0, trial=0, assembled=assembled)
    before = state(platform.home)

    fit = FitInterrupted(task_id="fit", spec=SPEC, trials=[score], assembled=assembled, interrupt=kill, dag=dag)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", url)
        with pytest.raises(TrackingUnreachable) as raised:
            chain.call(SimpleNamespace(task_dict={"train.fit": fit}), "train.fit")
    assert raised.value.where == url
    # The run stays open, as nobody could be told; nothing else is different.
    assert state(platform.home) == before | {"runs": before["runs"] | {task: ["RUNNING"]}}

    # MLflow is back and the task is run again: it takes up its own run.
    fitted = chain.call(dag, "train.fit", trials=[score], assembled=assembled)
    assert (fitted["version"], fitted["new_version"]) == ("1", False)
    assert state(platform.home) == before | {"runs": before["runs"] | {task: ["FINISHED"]}}
