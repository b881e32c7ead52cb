"""What a person is shown when asked to approve, and what becomes of the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

from contender.bench.chain import Chain
from contender.core import decisions
from contender.core.evidence import Estimate, Evidence, Finding, Verdict
from contender.core.interval import Interval
from contender.factory import model_dags
from flight_delay.dag import SPEC

WHEN = datetime(2014, 1, 2, 3, 4, tzinfo=UTC)
VERDICT = Verdict(
    verdict="promote",
    findings=tuple(
        Finding(rule="improved", verdict="promote", reason=reason) for reason in ("improved: log_loss", "first model")
    ),
    evidence_digest="e" * 64,
)
EVIDENCE = Evidence(
    metric="log_loss", reference="version 3", holdout_digest="h" * 64, rows=1234, clusters=7,
    challenger={"log_loss": Estimate(value=0.5), "auc": Estimate(value=0.7)},
    champion={"log_loss": Estimate(value=0.6), "auc": Estimate(value=0.65)},
    improvement={"log_loss": Estimate(value=0.1, low=0.05, high=0.15), "auc": Estimate(value=0.05)},
)  # fmt: skip


@pytest.fixture
def approve() -> Any:
    """The task `promote.approve`, its arguments filled in."""
    task: Any = model_dags(SPEC, doc=None)[0].task_dict["promote.approve"]
    task.fitted, task.verdict = {"version": "4"}, VERDICT.facts()
    return task


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path))
    return tmp_path


def answer(task: Any, option: str, comment: Any = None) -> Any:
    """Resume the task as Airflow does once somebody answered."""
    context = Chain(Interval.parse("2013-02"), trials=1, run_id="asked").context(task.task_id)
    event = {
        "chosen_options": [option], "params_input": {"comment": comment}, "responded_at": WHEN,
        "responded_by_user": {"id": "7", "name": "Ada"}, "timedout": False,
    }  # fmt: skip
    return task.execute_complete({**context, "task": task}, event)


def on_record(home: Path) -> tuple[decisions.Record, ...]:
    return decisions.verify(home / "decisions" / "flight_delay.jsonl")


def test_request_shows_a_table_of_the_figures_and_the_reasons(approve: Any) -> None:
    seen = {"gate.measure": EVIDENCE.facts(), "gate.decide": VERDICT.facts()}
    ti = SimpleNamespace(xcom_pull=lambda task_ids, key="return_value": seen[task_ids])
    body = approve.dag.get_template_env().from_string(approve.body).render(ti=ti)
    assert body.strip().splitlines() == [
        "The gate says **promote**: 1234 rows in 7 clusters of the holdout.",
        "",
        "| metric | challenger | version 3 | improvement | interval |",
        "|---|---|---|---|---|",
        "| log_loss | 0.5000 | 0.6000 | +0.1000 | +0.0500 to +0.1500 |",
        "| auc | 0.7000 | 0.6500 | +0.0500 | none |",
        "",
        "- improved: log_loss",
        "- first model",
    ]


def test_comment_may_be_left_empty(approve: Any) -> None:
    assert list(approve.params) == ["comment"]
    assert approve.params.get_param("comment").resolve() is None


def test_approval_is_a_decision_by_the_person_who_gave_it(approve: Any, home: Path) -> None:
    assert answer(approve, "Approve", "looks right") == {"answer": "Approve", "by": "Ada", "comment": "looks right"}
    (record,) = on_record(home)
    assert (record.kind, record.actor, record.verdict, record.time) == ("decision", "Ada", "promote", WHEN)
    assert record.subject == "version 4"
    assert record.reasons == ("approved by Ada: looks right",)
    assert record.evidence_digest == VERDICT.evidence_digest


def test_rejection_overrides_the_gate_and_skips_the_release(approve: Any, home: Path) -> None:
    with pytest.raises(DownstreamTasksSkipped) as raised:
        answer(approve, "Reject")
    assert raised.value.tasks == ["promote.release"]
    (record,) = on_record(home)
    assert (record.kind, record.actor, record.verdict) == ("override", "Ada", "reject")
    assert record.reasons == ("rejected by Ada",)


def test_answer_taken_up_twice_is_on_record_once(approve: Any, home: Path) -> None:
    answer(approve, "Approve")
    answer(approve, "Approve")
    assert len(on_record(home)) == 1


def test_answer_that_was_not_offered_is_refused_and_not_on_record(approve: Any, home: Path) -> None:
    with pytest.raises(ValueError, match="Perhaps"):
        answer(approve, "Perhaps")
    assert not (home / "decisions").exists()
