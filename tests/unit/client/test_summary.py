from __future__ import annotations

from typing import Any

import pytest

from contender.client.summary import REPORT, summary


def values(**changed: Any) -> dict[tuple[str, str], Any]:
    flights = {"rows": 28_243, "quarantined": 2, "warnings": ["late share 31 %"], "docs": "/contender/x.html"}
    evidence = {
        "reference": "champion",
        "challenger": {"log_loss": {"value": 0.51, "low": 0.49, "high": 0.53}, "auc": {"value": 0.71}},
        "champion": {"log_loss": {"value": 0.6, "low": None, "high": None}},
        "improvement": {"log_loss": {"value": 0.09, "low": 0.07, "high": 0.11}, "auc": {"value": -0.02}},
        "contaminated": "",
        "look": 2,
        "alpha": 0.025,
        "slices": [
            {"column": "origin", "value": "EWR", "not_enough": ""},
            {"column": "origin", "value": "LGA", "not_enough": "34 rows"},
        ],
        "self_test": [{"name": "permuted labels", "passed": True}, {"name": "injected leak", "passed": False}],
    }
    found: dict[str, Any] = {
        "data.validate": {"interval": "2013-06-01/2013-07-01", "tables": {"flights": flights}},
        "data.load": {"written": [f"flights 2013-0{month}" for month in range(1, 7)]},
        "features.materialise": {"rows": {"origin_weather": 2160}},
        "train.assemble": {"train_rows": 120_000, "holdout_rows": 12_000, "train": "a/b", "holdout": "c/d"},
        "train.fit": {"run_id": "abc", "version": "3", "new_version": True},
        "gate.measure": evidence,
        "gate.decide": {"verdict": "promote", "findings": [{"reason": "guardrails: auc within 0.01"}]},
        "image.prove": {
            "image": "contender/flight-delay:3",
            "digest": "sha256:12",
            "answered": 20,
            "largest_difference": 1e-8,
            "size_mb": 240.4,
            "p50_latency_ms": 1.24,
            "p95_latency_ms": 3.41,
            "memory_mb": 46.2,
        },
        "promote.release": {"version": "3", "alias": "champion", "manifest": "/m/release.json"},
        **changed,
    }
    keys = {"gate.decide": "verdict", "image.build": "skipped"}
    return {(name, keys.get(name, "return_value")): value for name, value in found.items() if value is not None}


def test_summary_report_is_told_where_there_is_one() -> None:
    text = summary({**values(), ("gate.decide", REPORT): "http://127.0.0.1:8080/contender/reports/m/x.html"})
    assert "report       http://127.0.0.1:8080/contender/reports/m/x.html" in text
    assert "report" not in summary(values())


def test_summary_promoted_run_has_every_topic() -> None:
    text = summary(values())
    for part in (
        "28,243 rows validated, 2 quarantined, 1 warnings",
        "1 of 2 passed: permuted labels, injected leak",
        "brought in: flights 2013-01, flights 2013-02, flights 2013-03, flights 2013-04 and 2 more",
        "origin_weather 2,160",
        "120,000 rows of a/b",
        "12,000 rows of c/d",
        "version 3 (new)",
        "0.5100 [0.4900, 0.5300]",
        "better by 0.0900, improvement [+0.0700, +0.1100]",
        "worse by 0.0200",
        "in [ ] the 97.5 % interval by resampling, look 2 at this holdout",
        "slices     not enough data: origin LGA",
        "guardrails: auc within 0.01",
        "one row in 1.2 ms, 95 % within 3.4 ms, 46 MB of memory",
        "PROMOTE",
        "sha256:12",
        "20 golden requests answered, off by 1.0e-08 at most",
        "champion is version 3, manifest /m/release.json",
    ):
        assert part in text, part


@pytest.mark.parametrize("verdict", ["hold", "reject"])
def test_summary_not_promoted_says_why_and_shows_the_image_all_the_same(verdict: str) -> None:
    decided = {"verdict": verdict, "findings": [{"reason": "the interval spans zero"}]}
    text = summary(values(**{"gate.decide": decided, "promote.release": None}))
    assert verdict.upper() in text
    assert "the interval spans zero" in text
    assert "contender/flight-delay:3" in text
    assert "release" not in text


def test_summary_override_is_shown_beside_the_gates_own_word() -> None:
    said = {"verdict": "promote", "by": "ada", "reason": "agreed in June"}
    text = summary(values(**{"gate.decide": {"verdict": "hold", "findings": [], "override": said}}))
    assert "HOLD" in text
    assert "OVERRIDE     promote, by ada: agreed in June" in text


def test_summary_at_the_first_look_does_not_count_it() -> None:
    text = summary(values(**{"gate.measure": {"reference": "version 1", "look": 1, "alpha": 0.05}}))
    assert "challenger against version 1, in [ ] the 95 % interval by resampling\n" in text


def test_summary_image_skipped_says_the_reason() -> None:
    text = summary(values(**{"image.prove": None, "image.build": "no Docker engine answers"}))
    assert "none: no Docker engine answers" in text


def test_summary_repeated_run_says_that_no_version_was_made() -> None:
    text = summary(values(**{"train.fit": {"run_id": "abc", "version": "3", "new_version": False}}))
    assert "unchanged, no new one made" in text


def test_summary_void_comparison_says_so() -> None:
    text = summary(values(**{"gate.measure": {"contaminated": "trained on the holdout"}}))
    assert "void: trained on the holdout" in text


def test_summary_absent_figures_are_named() -> None:
    text = summary({})
    assert "no figures from data.validate, train.assemble, train.fit, gate.measure" in text
    assert "none was recorded" in text


def test_summary_of_rows_without_a_time_has_no_dates_for_them() -> None:
    assembled = {"train_rows": 427, "holdout_rows": 142, "train": "a/b", "holdout": "c/d", "split_by": "key"}
    text = summary(values(**{"train.assemble": assembled}))
    for part in (
        "interval     all rows, as they have no time; filed under 2013-06-01/2013-07-01",
        "427 rows, chosen by their key",
        "142 rows, chosen by their key",
    ):
        assert part in text
    assert "a/b" not in text
    assert "c/d" not in text
