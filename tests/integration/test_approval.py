"""People reject and approve promotions on a live platform, by REST and by clicks; what was said is on record."""

from __future__ import annotations

from typing import Any

import pytest

from contender.client.airflow_api import AirflowApi, AirflowRefused
from contender.core import decisions
from contender.core.markdown import plain
from contender.embedded.lifecycle import Platform
from tests.integration.flights import DAG, MODEL, REASON, champion, instance, mlflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def records(flights: Platform, run: str) -> list[decisions.Record]:
    """What is on record of a run, its look aside: a repeated comparison has none of its own."""
    found = decisions.verify(flights.home / "decisions" / f"{MODEL}.jsonl")
    return [record for record in found if record.run == run and record.kind != "look"]


def test_rejected_run_moves_no_alias_and_is_on_record(flights: Platform, rejected: str) -> None:
    gate, person = records(flights, rejected)
    assert (gate.kind, gate.actor, gate.verdict) == ("decision", "airflow:manual", "promote")
    assert (person.kind, person.actor, person.verdict) == ("override", "admin", "reject")
    assert person.reasons == ("rejected by admin",)
    assert person.evidence_digest == gate.evidence_digest


def test_rejection_by_click_is_on_record_with_name_and_comment(flights: Platform, rejected_by_click: str) -> None:
    _, person = records(flights, rejected_by_click)
    assert (person.kind, person.actor, person.verdict) == ("override", "admin", "reject")
    assert person.reasons == ("rejected by admin: not before the audit",)


def test_approval_by_click_after_an_override_is_on_record_with_name_and_comment(
    flights: Platform, approved_by_click: tuple[str, str]
) -> None:
    run, shown = approved_by_click
    gate, override, person, promotion = records(flights, run)
    assert gate.actor == "airflow:manual"
    assert (override.kind, override.actor, override.verdict) == ("override", "admin", "promote")
    assert override.reasons == (REASON,)
    assert (person.kind, person.actor, person.verdict) == ("decision", "admin", "promote")
    assert person.reasons == ("approved by admin: as agreed",)
    assert (promotion.kind, champion(flights)) == ("promotion", "2")
    assert f"Override by admin: promote, {REASON}" in shown


def test_override_without_a_reason_is_refused_by_the_api(flights_api: AirflowApi) -> None:
    before = len(flights_api.runs(DAG))
    with pytest.raises(AirflowRefused, match=r"(?s)400.*override"):
        flights_api.trigger(DAG, {"interval": "2013-02", "override": "promote: because"})
    assert len(flights_api.runs(DAG)) == before


def test_request_for_approval_shows_figures_intervals_and_reasons(
    flights: Platform, flights_api: AirflowApi, approved: tuple[str, dict[str, Any]]
) -> None:
    run, request = approved
    body, evidence = request["body"], flights_api.xcom(DAG, run, "gate.measure")
    for metric, better in evidence["improvement"].items():
        assert f"| {metric} | {evidence['challenger'][metric]['value']:.4f} | " in body, body
        assert f"{better['low']:+.4f} to {better['high']:+.4f} |" in body, body
    for finding in flights_api.xcom(DAG, run, "gate.decide", "verdict")["findings"]:
        assert f"- {plain(finding['reason'])}" in body
    assert "[Decision report](" in body
    assert f"[Plots in MLflow]({flights.mlflow_url}/#/experiments/" in body
    assert list(request["params"]) == ["comment"]


def test_approved_run_moves_the_alias_and_names_who_approved(
    flights: Platform, approved: tuple[str, dict[str, Any]]
) -> None:
    gate, person, promotion = records(flights, approved[0])
    assert gate.kind == "decision"
    assert (person.kind, person.actor, person.verdict) == ("decision", "admin", "promote")
    assert person.reasons == ("approved by admin: looks right",)
    assert person.evidence_digest == gate.evidence_digest
    assert promotion.kind == "promotion"
    assert promotion.reasons[-1] == "approved by admin: looks right"


def test_links_lead_to_the_reports_and_to_the_mlflow_run(
    flights: Platform, flights_api: AirflowApi, approved: tuple[str, dict[str, Any]]
) -> None:
    run, _ = approved
    links = flights_api._expect("GET", f"{instance(run, 'data.validate')}/links")["extra_links"]
    assert links == {"Data docs": f"{flights.airflow_url}/contender/data_docs/{MODEL}/2013-02-01/"}
    page = flights_api._http.get(links["Data docs"], timeout=20)
    assert '<a href="flights.html">' in page.text
    fitted = flights_api._expect("GET", f"{instance(run, 'train.fit')}/links")["extra_links"]
    assert fitted["MLflow run"].startswith(f"{flights.mlflow_url}/#/experiments/")
    run_id = flights_api.xcom(DAG, run, "train.fit")["run_id"]
    assert fitted["MLflow run"].endswith(f"/runs/{run_id}")
    found = mlflow(flights, "runs/get", run_id=run_id)
    assert found["run"]["info"]["experiment_id"] == fitted["MLflow run"].split("/")[-3]
