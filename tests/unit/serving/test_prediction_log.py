from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from contender.core.errors import BundleBroken, ContenderError, PredictionLogFull, PredictionStoreUnreachable
from contender.serving.log_metrics import LogMetrics
from contender.serving.prediction_log import log_from_env, redacted_from_env
from tests.predictions import ids, line, stored
from tests.unit.serving.journal_children import CONTEXT, log_and_be_killed, started
from tests.unit.serving.test_shipper import eventually


def environment(folder: Path, **changes: str) -> dict[str, str]:
    return {
        "CONTENDER_PREDICTIONS": str(folder / "predictions.db"), "CONTENDER_JOURNAL": str(folder / "journal")
    } | changes  # fmt: skip


def test_log_from_begin_to_end_has_all_in_the_store(tmp_path: Path) -> None:
    log = log_from_env(environment(tmp_path))
    assert log is not None
    log.begin()
    log.append(one := line())
    assert log.end()
    assert stored(str(tmp_path / "predictions.db")) == ids(one)
    assert log.figures().state == "stopped"


def test_log_with_fsync_and_a_limit_in_megabytes(tmp_path: Path) -> None:
    log = log_from_env(environment(tmp_path, CONTENDER_JOURNAL_FSYNC="1", CONTENDER_JOURNAL_MB="1"))
    assert log is not None
    log.append(line())
    with pytest.raises(PredictionLogFull, match=r"less than 1000000 bytes"):
        log.append(b"x" * 1_000_000 + b"\n")
    log.begin()
    assert log.end()


def test_log_that_is_not_wanted_is_none(tmp_path: Path) -> None:
    assert log_from_env({"CONTENDER_PREDICTIONS": "none"}) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "kind", "where"),
    [
        ({"CONTENDER_PREDICTIONS": ""}, BundleBroken, "CONTENDER_PREDICTIONS"),
        ({"CONTENDER_JOURNAL": ""}, BundleBroken, "CONTENDER_JOURNAL"),
        ({"CONTENDER_JOURNAL_MB": "0"}, BundleBroken, "CONTENDER_JOURNAL_MB"),
        ({"CONTENDER_JOURNAL_MB": "1.5"}, BundleBroken, "CONTENDER_JOURNAL_MB"),
        ({"CONTENDER_JOURNAL_FSYNC": "yes"}, BundleBroken, "CONTENDER_JOURNAL_FSYNC"),
        ({"CONTENDER_JOURNAL": "/dev/null/journal"}, PredictionLogFull, "/dev/null/journal"),
        ({"CONTENDER_PREDICTIONS": "mysql://h/db"}, PredictionStoreUnreachable, "mysql://…"),
    ],
    ids=["no store", "no journal", "zero", "fraction", "word", "not to be written", "another database"],
)
def test_log_of_an_environment_that_means_nothing_does_not_start(
    tmp_path: Path, changes: dict[str, str], kind: type[ContenderError], where: str
) -> None:
    with pytest.raises(kind) as raised:
        log_from_env(environment(tmp_path, **changes))
    assert raised.value.where == where


def test_redacted_names_are_separated_by_commas() -> None:
    assert redacted_from_env({"CONTENDER_REDACT": "a, model.b,,c "}) == ["a", "model.b", "c"]
    assert redacted_from_env({}) == []


def test_metrics_say_what_is_pending_and_what_was_shipped(tmp_path: Path) -> None:
    log = log_from_env(environment(tmp_path))
    assert log is not None
    registry = CollectorRegistry()
    registry.register(LogMetrics(log.figures, ("tiny", "3", "stable")))

    def value(name: str, **labels: str) -> float | None:
        common = {"model": "tiny", "version": "3", "variant": "stable"}
        return registry.get_sample_value(f"contender_prediction_log_{name}", common | labels)

    log.append(one := line())
    assert (value("pending_bytes"), value("shipped_total"), value("state", state="shipping")) == (len(one), 0, 0)
    (tmp_path / "predictions.db").write_text("no database, and longer than a hundred bytes" * 10)
    log.begin()
    assert not log.end(0.5)
    assert (value("failures_total", cause="PredictionStoreUnreachable") or 0) > 0
    (tmp_path / "predictions.db").unlink()
    log = log_from_env(environment(tmp_path))
    assert log is not None
    registry = CollectorRegistry()
    registry.register(LogMetrics(log.figures, ("tiny", "3", "stable")))
    log.begin()
    assert log.end()
    assert [value(name) for name in ("pending_bytes", "shipped_total", "refused_total", "torn_total")] == [0, 1, 0, 0]
    assert (value("state", state="stopped"), value("repeated_total")) == (1, 0)
    assert (value("seconds_since_success") or -1) > 0


def test_process_that_ships_is_started_again_when_it_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = log_from_env(environment(tmp_path))
    assert log is not None
    log.begin()
    log.append(one := line())
    eventually(lambda: log.figures().shipped == 1)
    process = log._supervisor._process
    assert process is not None
    process.kill()
    log.append(two := line())
    eventually(lambda: log.figures().shipped == 2)
    assert (log.figures().failures, log.figures().state) == ({"ShippingEnded": 1}, "shipping")
    assert log.end()
    assert stored(str(tmp_path / "predictions.db")) == ids(one + two)
    assert "is started again" in caplog.text


def test_server_that_is_killed_has_all_in_the_store_without_another_one(tmp_path: Path) -> None:
    heard, told = CONTEXT.Pipe(duplex=False)
    process = started(log_and_be_killed, told, environment(tmp_path))
    told.close()
    acknowledged = heard.recv_bytes().decode().split()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()
    heard.close()
    eventually(lambda: list((tmp_path / "journal").iterdir()) == [])
    assert stored(str(tmp_path / "predictions.db")) == acknowledged


def test_stop_between_two_processes_ships_what_is_left(tmp_path: Path) -> None:
    log = log_from_env(environment(tmp_path))
    assert log is not None
    log.begin()
    eventually(lambda: log.figures().state == "shipping")
    process = log._supervisor._process
    assert process is not None
    process.kill()
    process.wait()
    log.append(one := line())
    assert log.end()
    assert stored(str(tmp_path / "predictions.db")) == ids(one)


def test_what_is_left_at_the_end_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "predictions.db").mkdir()
    log = log_from_env(environment(tmp_path))
    assert log is not None
    log.begin()
    log.append(one := line())
    assert not log.end(0.5)
    assert f"{len(one)} bytes of the prediction log wait" in caplog.text


def test_server_of_more_than_a_thousand_descriptors_has_its_log_shipped(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        log = log_from_env(environment(tmp_path))
        assert log is not None
        log.begin()
        log.append(line())
        eventually(lambda: log.figures().shipped == 1)
        assert log.figures().failures == {}
        assert log.end()
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
