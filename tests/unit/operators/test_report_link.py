from __future__ import annotations

from contender.client.summary import REPORT
from contender.operators.report import ReportLink


def test_report_link_is_kept_where_the_summary_looks_for_it() -> None:
    assert ReportLink().xcom_key == REPORT
