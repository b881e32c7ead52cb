"""What a person is shown when asked to approve, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

from contender.bench.chain import Chain
from contender.core import decisions
from contender.core.evidence import Estimate, Evidence, Finding, Override, SliceFigures, Verdict
from contender.core.interval import Interval
from contender.core.policy import GatePolicy
from contender.factory import model_dags
from contender.operators.promote import PromoteApprove
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
    slices=(
        SliceFigures(column="origin", value="EWR", rows=900, clusters=7, improvement=Estimate(value=-0.01)),
        SliceFigures(column="origin", value="LGA", rows=34, clusters=2, not_enough="not enough data: 34 rows"),
    ),
)  # fmt: skip
ASSEMBLED = {
    "train": "2013-01-01/2013-02-14", "holdout": "2013-02-15/2013-03-01",
    "training_set": {"table": "flight_delay_training_set", "version": 0, "digest": "t", "rows": 9, "interval": None},
}  # fmt: skip
FITTED = {"version": "4", "run_id": "r", "parameters": {}}
LINKS = {"train.fit": "http://127.0.0.1:5000/#/experiments/1/runs/r", "gate.decide": "/contender/reports/x.html"}


def asking(approval: str = "on_promote", verdict: Verdict = VERDICT) -> Any:
    """The task `promote.approve`, its arguments filled in."""
    policy = GatePolicy.model_validate({**SPEC.gate.model_dump(), "approval": approval})
    spec = SPEC.model_copy(update={"gate": policy})
    task: Any = model_dags(spec, doc=None)[0].task_dict["promote.approve"]
    task.assembled, task.fitted, task.evidence, task.verdict = ASSEMBLED, FITTED, EVIDENCE.facts(), verdict.facts()
    return task


def shown(
    field: str, task: Any, verdict: Verdict, links: Mapping[str, str] = LINKS, evidence: Evidence = EVIDENCE
) -> list[str]:
    """What the person who is asked sees, line by line."""
    seen = {"evidence": evidence.facts(), "verdict": verdict.facts()}
    ti = SimpleNamespace(xcom_pull=lambda task_ids, key: links.get(task_ids) if "_link_" in key else seen[key])
    text = task.dag.get_template_env().from_string(getattr(task, field)).render(ti=ti, task=task)
    return [line for line in str(text).splitlines() if line.strip()]


@pytest.fixture
def approve() -> Any:
    return asking()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an MLflow that is away: an answer counts all the same."""
    monkeypatch.setenv("CONTENDER_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
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


def test_request_shows_tables_reasons_and_links(approve: Any) -> None:
    assert shown("subject", approve, VERDICT) == ["Promote the challenger of flight_delay?"]
    assert shown("body", approve, VERDICT) == [
        "The gate says **promote**: 1234 rows in 7 clusters of the holdout, look 1 at it, alpha 0.05.",
        "| metric | challenger | version 3 | improvement | interval |",
        "|---|---|---|---|---|",
        "| log_loss | 0.5000 | 0.6000 | +0.1000 | +0.0500 to +0.1500 |",
        "| auc | 0.7000 | 0.6500 | +0.0500 | none |",
        "| slice | rows | improvement | interval |",
        "|---|---|---|---|",
        "| origin EWR | 900 | -0.0100 | none |",
        "| origin LGA | 34 | not enough data: 34 rows | |",
        "- improved: log_loss",
        "- first model",
        (
            "[Decision report](/contender/reports/x.html) "
            "[Plots in MLflow](http://127.0.0.1:5000/#/experiments/1/runs/r/artifacts)"
        ),
    ]


def test_request_without_addresses_has_no_links(approve: Any) -> None:
    assert shown("body", approve, VERDICT, links={})[-1] == "- first model"


def test_request_shows_an_override_first(approve: Any) -> None:
    override = Override(verdict="promote", reason="agreed in June", by="Ada")
    held = VERDICT.model_copy(update={"verdict": "hold", "override": override})
    assert shown("subject", approve, held) == ["Promote the challenger of flight_delay?"]
    body = shown("body", approve, held)
    assert body[0] == "**Override by Ada: promote**, agreed in June"
    assert body[1].startswith("The gate says **hold**")


def test_request_has_names_and_reasons_as_text_that_breaks_no_table(approve: Any) -> None:
    override = Override(verdict="promote", reason="# agreed **in** [June](x)", by="A|da")
    finding = Finding(rule="slices", verdict="hold", reason="origin <b>a|b</b> is worse")
    said = VERDICT.model_copy(update={"verdict": "hold", "override": override, "findings": (finding,)})
    sliced = SliceFigures(column="origin", value="a|b", rows=9, clusters=1, not_enough="few | rows")
    body = shown("body", approve, said, evidence=EVIDENCE.model_copy(update={"slices": (sliced,)}))
    assert body[0] == r"**Override by A\|da: promote**, \# agreed \*\*in\*\* \[June\]\(x\)"
    assert r"| origin a\|b | 9 | few \| rows | |" in body
    assert r"- origin &lt;b&gt;a\|b&lt;/b&gt; is worse" in body


def test_request_to_confirm_says_what(approve: Any) -> None:
    held = VERDICT.model_copy(update={"verdict": "hold"})
    assert shown("subject", approve, held) == ["Confirm the verdict hold of flight_delay?"]


@pytest.mark.parametrize(
    ("policy", "parameter", "asked"),
    [("none", False, False), ("none", True, True), ("on_promote", False, True), ("always", False, True)],
)
def test_person_is_asked_where_policy_or_parameter_say_so(policy: str, parameter: bool, asked: bool) -> None:
    task = asking(policy)
    context = Chain(Interval.parse("2013-02"), 1, "asked", params={"approval": parameter}).context(task.task_id)
    if asked:
        with pytest.raises(KeyError, match="task_instance"):  # on its way to ask, which needs Airflow
            PromoteApprove.execute.__wrapped__(task, context)
    else:
        assert PromoteApprove.execute.__wrapped__(task, context) is None


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
    (report,) = (home / "reports" / "flight_delay").glob("*.html")
    assert "approved by Ada: looks right" in report.read_text()


def test_rejection_overrides_the_gate_and_skips_the_release(approve: Any, home: Path) -> None:
    with pytest.raises(DownstreamTasksSkipped) as raised:
        answer(approve, "Reject")
    assert raised.value.tasks == ["promote.push"]
    (record,) = on_record(home)
    assert (record.kind, record.actor, record.verdict) == ("override", "Ada", "reject")
    assert record.reasons == ("rejected by Ada",)


@pytest.mark.parametrize(("option", "said"), [("Approve", "approved"), ("Reject", "rejected")])
def test_answer_to_a_hold_changes_nothing_but_the_record(home: Path, option: str, said: str) -> None:
    held = VERDICT.model_copy(update={"verdict": "hold"})
    with pytest.raises(DownstreamTasksSkipped) as raised:
        answer(asking("always", held), option, "seen")
    assert raised.value.tasks == ["promote.push"]
    (record,) = on_record(home)
    assert (record.kind, record.actor, record.verdict) == ("decision", "Ada", "hold")
    assert record.reasons == (f"{said} by Ada: seen",)


def test_answer_taken_up_twice_is_on_record_once(approve: Any, home: Path) -> None:
    answer(approve, "Approve")
    answer(approve, "Approve")
    assert len(on_record(home)) == 1


def test_answer_that_was_not_offered_is_refused_and_not_on_record(approve: Any, home: Path) -> None:
    with pytest.raises(ValueError, match="Perhaps"):
        answer(approve, "Perhaps")
    assert not (home / "decisions").exists()
