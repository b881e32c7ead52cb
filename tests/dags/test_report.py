"""The report of a real decision: written, linked, kept with the run, and told by the version's card."""

from __future__ import annotations

from typing import Any

import pytest

from contender.adapters.tracking import REPORT, REPORT_TAG, Tracking
from contender.bench.chain import Chain
from contender.core.evidence import Evidence
from contender.core.interval import Interval
from contender.operators.evaluation import Evaluation
from contender.operators.report import ReportLink, write_report
from contender.stages.gate.rules import decide
from flight_delay.dag import SPEC
from tests.conftest import INTERVAL, Trained
from tests.unit.report.html import Page


def written(platform: Trained, bag: Any, **changed: Any) -> Chain:
    """Write the report of the trained run's evidence; the chain that did it."""
    chain = Chain(Interval.parse(INTERVAL), 1, "report")
    returned = platform.returned
    run = Evaluation(SPEC, chain.context("gate.decide"), returned["train.assemble"], returned["train.fit"])
    measured = Evidence.model_validate(returned["gate.measure"])
    evidence = run.with_image(measured, None, None, "no engine").model_copy(update=changed)
    task = bag.dags["flight_delay_train"].task_dict["gate.decide"]
    write_report(task, run, evidence, decide(evidence, SPEC.gate))
    return chain


def test_report_of_a_run_is_a_page_an_artefact_and_a_card(platform: Trained, bag: Any, tmp_path: Any) -> None:
    chain = written(platform, bag)
    link = chain.pushed["gate.decide", ReportLink().xcom_key]
    page = platform.home / link.partition("/contender/")[2]
    found = Page(page.read_text(encoding="utf-8"))
    assert found.problems == []
    assert found.loads() == []
    assert found.within("h1")[0] == "Promote"
    assert platform.returned["train.assemble"]["training_set"]["digest"] in found.within("code")
    tracking = Tracking("flight_delay")
    kept = tracking.client.download_artifacts(platform.returned["train.fit"]["run_id"], REPORT, str(tmp_path))
    assert (tmp_path / REPORT / "report.html").read_bytes() == page.read_bytes(), kept
    assert (tmp_path / REPORT / "figures" / "metrics.svg").read_text().startswith("<svg")
    version = tracking.client.get_model_version("flight_delay", "1")
    assert version.description.startswith("# flight_delay, version 1")
    assert link in version.description
    assert len(version.tags[REPORT_TAG]) == 64


def test_report_written_again_is_the_same_page(platform: Trained, bag: Any) -> None:
    first, second = written(platform, bag), written(platform, bag)
    assert first.pushed == second.pushed


def test_report_of_other_evidence_has_a_page_of_its_own(platform: Trained, bag: Any) -> None:
    assert written(platform, bag).pushed != written(platform, bag, look=2).pushed


def test_report_of_the_champion_itself_leaves_its_card(platform: Trained, bag: Any) -> None:
    written(platform, bag)
    client = Tracking("flight_delay").client
    before = client.get_model_version("flight_delay", "1").description
    written(platform, bag, same_model=True)
    assert client.get_model_version("flight_delay", "1").description == before


@pytest.mark.parametrize("base", ["http://airflow.example:8080/", ""])
def test_report_link_has_the_base_url_where_there_is_one(
    platform: Trained, bag: Any, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    link = written(platform, bag).pushed["gate.decide", ReportLink().xcom_key]
    assert link.startswith(f"{base.rstrip('/')}/contender/reports/flight_delay/2013-02-01_version-1_")
